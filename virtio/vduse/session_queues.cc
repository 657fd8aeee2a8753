// The part of a session that is about memory and queues: where the driver's memory is, and when a
// queue is set going.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "virtio/ring.h"
#include "virtio/vduse/live_session.h"

namespace zonebridge::virtio::vduse {
namespace {

// How long the kernel may take to note a status that it was told is fine.
constexpr int interrupt_tries = 200;
constexpr std::chrono::milliseconds interrupt_pause{1};

std::uint16_t load_index(const std::byte* ring) noexcept {
    auto* const index =
        reinterpret_cast<std::uint16_t*>(const_cast<std::byte*>(ring) + ring_index_offset);
    return std::atomic_ref(*index).load(std::memory_order_acquire);
}

}  // namespace

LiveSession::Result LiveSession::map_memory() {
    auto pieces = read_iotlb(node_->fd());
    if (!pieces) {
        stop_all();
        return tl::unexpected(std::move(pieces.error()));
    }
    auto memory = build_memory(*pieces, *memory_);
    if (!memory) {
        stop_all();
        return tl::unexpected(std::move(memory.error()));
    }
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (queues_[i].running && !VirtQueue::check(**memory, queues_[i].ring)) stop(i);
    // The old one ends when memory_ lets go of it.
    if (auto set = backend_.set_memory(*memory); !set) return set;
    memory_ = std::move(*memory);
    extents_ = extents_of(*pieces);
    return {};
}

void LiveSession::look_at_all() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) look(i);
}

void LiveSession::look(std::uint16_t index) {
    if (auto started = start_if_busy(index); !started) {
        log_(fmt::format("{}; the device does nothing more until the driver resets it",
                         started.error()));
        faulty_ = true;
        stop_all();
    }
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
    // A queue may become ready with its ring in memory that came after the last look.
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

    // Buffers that are in the ring by now are in the map by now; were they when it was read?
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
    // Another process ran it: what that took is answered or in the record, which is counted on top
    // (VirtQueue::create). The kernel only knows where the driver once began.
    if (!queue.base && !inflight_->queue(index).fresh()) return used_index;
    return given;
}

/// The kernel drops interrupts until it has noted DRIVER_OK, which it does some time after it read
/// the answer; one lost there would leave the driver waiting for ever. A needless one does no harm.
void LiveSession::await_interrupts(std::uint16_t index) const noexcept {
    for (int i = 0; i < interrupt_tries && !node_->interrupt(index); ++i)
        std::this_thread::sleep_for(interrupt_pause);
}

void LiveSession::stop(std::uint16_t index) {
    auto& queue = queues_[index];
    queue.base = backend_.stop_queue(index);
    queue.running = false;
}

void LiveSession::stop_all() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (queues_[i].running) stop(i);
}

}  // namespace zonebridge::virtio::vduse
