// The session's memory and queues: maps the driver's memory and starts queues.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "virtio/ring.h"
#include "virtio/vduse/queues.h"

namespace zonebridge::virtio::vduse {
namespace {

// How often to try until the kernel has stored an acknowledged status.
constexpr int interrupt_tries = 200;
constexpr std::chrono::milliseconds interrupt_pause{1};

constexpr std::chrono::milliseconds another_look{100};

std::uint16_t load_index(const std::byte* ring) noexcept {
    auto* const index =
        reinterpret_cast<std::uint16_t*>(const_cast<std::byte*>(ring) + ring_index_offset);
    return std::atomic_ref(*index).load(std::memory_order_acquire);
}

}  // namespace

LiveSession::Result LiveSession::map_memory() {
    auto pieces = read_iotlb(node_->fd());
    if (!pieces) {
        (void)stop_all();
        return tl::unexpected(std::move(pieces.error()));
    }
    auto memory = build_memory(*pieces, *memory_);
    if (!memory) {
        (void)stop_all();
        return tl::unexpected(std::move(memory.error()));
    }
    Result moved;
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (queues_[i].running && !VirtQueue::check(**memory, queues_[i].ring) && moved)
            moved = stop(i);
    // The old memory ends when memory_ releases it.
    if (moved) moved = backend_.set_memory(*memory, drained_by_);
    if (!moved) {
        // Running queues use memory that the kernel has taken away.
        fault(moved.error());
        return moved;
    }
    memory_ = std::move(*memory);
    extents_ = extents_of(*pieces);
    return {};
}

void LiveSession::look_at_all() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) look(i);
}

void LiveSession::look(std::uint16_t index) {
    if (auto started = start_if_busy(index); !started) fault(started.error());
}

void LiveSession::fault(std::string_view why) {
    log_(fmt::format("{}; the device does nothing more until the driver resets it", why));
    faulty_ = true;
    (void)stop_all();
}

Deadline LiveSession::deadline(std::chrono::milliseconds limit) const {
    const auto now = std::chrono::steady_clock::now();
    // Requests that a wait has covered once are only checked again: more messages may be pending.
    for (const auto& queue : queues_)
        if (queue.stopping) return now + std::min(limit, another_look);
    return now + limit;
}

tl::expected<bool, std::string> LiveSession::start_if_busy(std::uint16_t index) {
    auto& queue = queues_[index];
    if (queue.running || queue.held || faulty_ || !features_) return false;
    const auto info = node_->queue(index);
    if (!info) return tl::unexpected(info.error());
    if (info->ready == 0 || info->num == 0) return false;
    if (info->num > shape_.queue_size)
        return tl::unexpected(fmt::format("queue {}: {} descriptors are too many: {} are the most",
                                          index, info->num, shape_.queue_size));
    const auto size = static_cast<std::uint16_t>(info->num);
    // A queue may become ready with its ring in memory that was added after the last read.
    const auto find = [&](std::uint64_t address, std::size_t bytes) {
        return memory_->translate_user(address, bytes);
    };
    auto* available = find(info->driver_addr, available_ring_bytes(size));
    auto* used = find(info->device_addr, used_ring_bytes(size));
    if (available == nullptr || used == nullptr) {
        if (auto mapped = map_memory(); !mapped) return tl::unexpected(std::move(mapped.error()));
        available = find(info->driver_addr, available_ring_bytes(size));
        used = find(info->device_addr, used_ring_bytes(size));
        if (available == nullptr || used == nullptr) return false;
    }
    const auto used_index = load_index(used);
    const auto base = base_of(index, *info, used_index);
    const auto available_index = load_index(available);
    const bool recovering = !queue.base && !inflight_->queue(index).fresh();
    if (available_index == (recovering ? used_index : base)) return false;

    // Buffers now in the ring are now in the map, but the map may have been read before they were
    // added.
    auto pieces = read_iotlb(node_->fd());
    if (!pieces) return tl::unexpected(std::move(pieces.error()));
    if (extents_of(*pieces) != extents_)
        if (auto mapped = map_memory(); !mapped) return tl::unexpected(std::move(mapped.error()));

    queue.ring = {.size = size,
                  .addresses = {.descriptors = info->desc_addr,
                                .available = info->driver_addr,
                                .used = info->device_addr},
                  .base = base,
                  .features = *features_,
                  .inflight = inflight_.get(),
                  .index = index};
    if (auto good = VirtQueue::check(*memory_, queue.ring); !good)
        return tl::unexpected(std::move(good.error()));
    await_interrupts(index);
    const QueueSetup setup{.ring = queue.ring,
                           .inflight = inflight_,
                           .kick = queue.kick,
                           .call = Notifier::interrupt(node_->shared(), index),
                           .error = nullptr,
                           .enabled = true,
                           .look_at_once = true,
                           .used_log = std::nullopt};
    if (auto started = backend_.start_queue(index, setup); !started)
        return tl::unexpected(std::move(started.error()));
    queue.running = true;
    queue.given_base = info->split.avail_index;
    return true;
}

std::uint16_t LiveSession::base_of(std::uint16_t index, const vduse_vq_info& info,
                                   std::uint16_t used_index) const {
    const auto& queue = queues_[index];
    const auto given = info.split.avail_index;
    if (queue.base && queue.given_base == given) return *queue.base;
    // Another process ran the queue: the chains it took are answered or in the record, which
    // VirtQueue::create accounts for. The kernel knows only where the driver once began.
    if (!queue.base && !inflight_->queue(index).fresh()) return used_index;
    return given;
}

/// The kernel drops interrupts until it has stored DRIVER_OK, some time after it read the answer; a
/// lost interrupt would leave the driver waiting for ever. A needless one does no harm.
void LiveSession::await_interrupts(std::uint16_t index) const noexcept {
    for (int i = 0; i < interrupt_tries && !node_->interrupt(index); ++i)
        std::this_thread::sleep_for(interrupt_pause);
}

LiveSession::Result LiveSession::stop(std::uint16_t index) {
    auto& queue = queues_[index];
    const auto base = backend_.stop_queue(index, drained_by_);
    queue.stopping = !base;
    if (!base) return tl::unexpected(base.error());
    queue.base = *base;
    queue.running = false;
    return {};
}

LiveSession::Result LiveSession::stop_all() {
    Result drained;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (!queues_[i].running) continue;
        if (auto stopped = stop(i); !stopped && drained) drained = std::move(stopped);
    }
    return drained;
}

}  // namespace zonebridge::virtio::vduse
