// The session's memory: the guest's, the dirty log and the record of requests in flight.
#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "virtio/vhost_user/session.h"

namespace zonebridge::virtio {

Session::Result Session::set_mem_table(const Message& message) {
    const auto regions = parse_memory_table(message.payload);
    if (!regions) return tl::unexpected(std::string("its payload is inconsistent"));
    if (regions->size() != message.fds.size())
        return tl::unexpected(fmt::format("{} memory regions came with {} file descriptors",
                                          regions->size(), message.fds.size()));
    std::vector<MemoryRegionSource> sources;
    for (std::size_t i = 0; i < regions->size(); ++i)
        sources.push_back({(*regions)[i], message.fds[i].get()});
    auto memory = GuestMemory::build(sources, *memory_);
    if (!memory) return tl::unexpected(std::move(memory.error()));
    return move_to(std::move(*memory));
}

Session::Result Session::add_mem_reg(const Message& message) {
    const auto region = parse_memory_region(message.payload);
    if (!region) return tl::unexpected(std::string("its payload is inconsistent"));
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    auto memory = memory_->with({*region, message.fds[0].get()});
    if (!memory) return tl::unexpected(std::move(memory.error()));
    return move_to(std::move(*memory));
}

Session::Result Session::rem_mem_reg(const Message& message) {
    const auto region = parse_memory_region(message.payload);
    if (!region) return tl::unexpected(std::string("its payload is inconsistent"));
    auto memory = memory_->without(*region);
    if (!memory) return tl::unexpected(std::move(memory.error()));
    return move_to(std::move(*memory));
}

Session::Result Session::move_to(GuestMemory::Table memory) {
    // A front end may remove a region that holds rings and add it again in another shape while the
    // guest runs: QEMU does when firmware changes the mapping of low memory.
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (!queues_[i].running) continue;
        auto ring = ring_config(i);
        ring.inflight = nullptr;  // it keeps the record it was started with
        if (VirtQueue::check(*memory, ring)) continue;
        if (auto stopped = stop(i); !stopped) return stopped;
        queues_[i].suspended = true;
    }
    if (auto moved = backend_.set_memory(memory, drained_by_); !moved) {
        // As when a queue does not stop in time: the session ends, whatever the cause.
        undrained_ = Clock::now() >= drained_by_;
        return moved;
    }
    memory_ = std::move(memory);
    if (auto logged = update_log(); !logged) return logged;
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (auto started = start_if_ready(i, queues_[i].suspended); !started) return started;
    return {};
}

Session::Result Session::set_log_base(const Message& message) {
    const auto description = parse<LogDescription>(message.payload);
    if ((protocol_features_ & protocol_feature::log_shmfd) == 0 || !description ||
        message.fds.size() != 1)
        return tl::unexpected(std::string(
            "a dirty log must be a shared file (LOG_SHMFD), with its descriptor, size and offset"));
    auto log = DirtyLog::map(message.fds[0].get(), description->offset, description->size);
    if (!log) return tl::unexpected(std::move(log.error()));
    log_ = std::move(*log);
    if (auto updated = update_log(); !updated) return updated;
    return reply_u64(message, 0);
}

Session::Result Session::update_log() {
    const bool wanted = log_ && features_ && (*features_ & feature::log_all) != 0;
    if (!wanted && !log_in_use_) return {};
    // Pages that can't be marked would be stale after the migration, without an error.
    if (wanted && !log_->covers(memory_->end()))
        return tl::unexpected(
            fmt::format("the dirty log does not cover the guest's memory, which ends at {:#x}",
                        memory_->end()));
    std::vector<std::optional<std::uint64_t>> used_rings;
    for (const Queue& queue : queues_) used_rings.push_back(queue.used_log);
    backend_.set_log(wanted ? log_ : nullptr, used_rings);
    log_in_use_ = wanted;
    return {};
}

Session::Result Session::get_inflight_fd(const Message& message) {
    auto description = parse<InflightDescription>(message.payload);
    if (!description) return tl::unexpected(std::string("its payload is inconsistent"));
    if (description->queues == 0 || description->queues > queues_.size() ||
        description->queue_size == 0 || description->queue_size > max_ring_size)
        return tl::unexpected(fmt::format(
            "it is for {} queues of {} descriptors, but this device has {} queues of {}",
            description->queues, description->queue_size, queues_.size(),
            backend_.max_queue_size()));
    auto fd = InflightArea::make(description->queues, description->queue_size);
    if (!fd) return tl::unexpected(std::move(fd.error()));
    description->mmap_size = InflightArea::size_for(description->queues, description->queue_size);
    description->mmap_offset = 0;
    // Front ends disagree about the struct's tail padding: answer with the size that was sent.
    std::vector<std::byte> payload(message.payload.size());
    std::memcpy(payload.data(), &*description, inflight_description_bytes);
    return reply(message, payload, fd->get());
}

Session::Result Session::set_inflight_fd(const Message& message) {
    const auto description = parse<InflightDescription>(message.payload);
    if (!description) return tl::unexpected(std::string("its payload is inconsistent"));
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    if (description->queues > queues_.size() || description->queue_size > max_ring_size)
        return tl::unexpected(fmt::format(
            "it is for {} queues of {} descriptors, but this device has {} queues of {}",
            description->queues, description->queue_size, queues_.size(),
            backend_.max_queue_size()));
    auto area =
        InflightArea::map(message.fds[0].get(), description->mmap_offset, description->mmap_size,
                          description->queues, description->queue_size);
    if (!area) return tl::unexpected(std::move(area.error()));
    // Running rings keep the record that they were started with.
    inflight_ = std::move(*area);
    return {};
}

}  // namespace zonebridge::virtio
