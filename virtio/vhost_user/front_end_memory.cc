#include "virtio/vhost_user/front_end_memory.h"

#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

tl::unexpected<std::string> wrong_record(const InflightDescription& description,
                                         const Backend& backend) {
    return tl::unexpected(
        fmt::format("it is for {} queues of {} descriptors, but this device has {} queues of {}",
                    description.queues, description.queue_size, backend.queue_count(),
                    backend.max_queue_size()));
}

}  // namespace

FrontEndMemory::NewTable FrontEndMemory::replaced_by(const Message& message) const {
    const auto regions = parse_memory_table(message.payload);
    if (!regions) return tl::unexpected(std::string("its payload is inconsistent"));
    if (regions->size() != message.fds.size())
        return tl::unexpected(fmt::format("{} memory regions came with {} file descriptors",
                                          regions->size(), message.fds.size()));
    std::vector<MemoryRegionSource> sources;
    for (std::size_t i = 0; i < regions->size(); ++i)
        sources.push_back({(*regions)[i], message.fds[i].get()});
    return GuestMemory::build(sources, *table_);
}

FrontEndMemory::NewTable FrontEndMemory::with(const Message& message) const {
    const auto region = parse_memory_region(message.payload);
    if (!region) return tl::unexpected(std::string("its payload is inconsistent"));
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    return table_->with({*region, message.fds[0].get()});
}

FrontEndMemory::NewTable FrontEndMemory::without(const Message& message) const {
    const auto region = parse_memory_region(message.payload);
    if (!region) return tl::unexpected(std::string("its payload is inconsistent"));
    return table_->without(*region);
}

FrontEndMemory::Result FrontEndMemory::move_to(GuestMemory::Table table, Deadline deadline) {
    if (auto moved = backend_.set_memory(table, deadline); !moved) {
        undrained_ = std::chrono::steady_clock::now() >= deadline;
        return moved;
    }
    table_ = std::move(table);
    return {};
}

FrontEndMemory::Result FrontEndMemory::set_log(const Message& message, bool by_file) {
    const auto description = parse<LogDescription>(message.payload);
    if (!by_file || !description || message.fds.size() != 1)
        return tl::unexpected(std::string(
            "a dirty log must be a shared file (LOG_SHMFD), with its descriptor, size and offset"));
    auto log = DirtyLog::map(message.fds[0].get(), description->offset, description->size);
    if (!log) return tl::unexpected(std::move(log.error()));
    log_ = std::move(*log);
    return {};
}

FrontEndMemory::Result FrontEndMemory::update_log(
    bool wanted, std::span<const std::optional<std::uint64_t>> used_rings) {
    const bool log = wanted && log_;
    if (!log && !logging_) return {};
    if (log && !log_->covers(table_->end()))
        return tl::unexpected(fmt::format(
            "the dirty log does not cover the guest's memory, which ends at {:#x}", table_->end()));
    backend_.set_log(log ? log_ : nullptr, used_rings);
    logging_ = log;
    return {};
}

tl::expected<FrontEndMemory::NewRecord, std::string> FrontEndMemory::make_record(
    const Message& message) const {
    auto description = parse<InflightDescription>(message.payload);
    if (!description) return tl::unexpected(std::string("its payload is inconsistent"));
    if (description->queues == 0 || description->queues > backend_.queue_count() ||
        description->queue_size == 0 || description->queue_size > max_ring_size)
        return wrong_record(*description, backend_);
    auto fd = InflightArea::make(description->queues, description->queue_size);
    if (!fd) return tl::unexpected(std::move(fd.error()));
    description->mmap_size = InflightArea::size_for(description->queues, description->queue_size);
    description->mmap_offset = 0;
    // Front ends disagree about the struct's tail padding: answer with the size that was sent.
    std::vector<std::byte> payload(message.payload.size());
    std::memcpy(payload.data(), &*description, inflight_description_bytes);
    return NewRecord{std::move(*fd), std::move(payload)};
}

FrontEndMemory::Result FrontEndMemory::set_record(const Message& message) {
    const auto description = parse<InflightDescription>(message.payload);
    if (!description) return tl::unexpected(std::string("its payload is inconsistent"));
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    if (description->queues > backend_.queue_count() || description->queue_size > max_ring_size)
        return wrong_record(*description, backend_);
    auto area =
        InflightArea::map(message.fds[0].get(), description->mmap_offset, description->mmap_size,
                          description->queues, description->queue_size);
    if (!area) return tl::unexpected(std::move(area.error()));
    record_ = std::move(*area);
    return {};
}

void FrontEndMemory::release(Deadline deadline) noexcept {
    log_.reset();
    record_.reset();
    table_ = GuestMemory::none();
    // An empty table can fail only if the back end can't release the old one, and the session has
    // ended anyway.
    (void)backend_.set_memory(table_, deadline);
}

}  // namespace zonebridge::virtio
