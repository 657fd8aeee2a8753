#include "virtio/vduse/queues.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "virtio/ring.h"

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

Queues::Queues(const KernelDevice& device, Backend& backend, const Log& log)
    : device_(device), backend_(backend), log_(log), queues_(device.shape().queues) {}

Queues::Result Queues::prepare() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        auto kick = make_event_fd();
        if (!kick)
            return tl::unexpected(fmt::format("can't make an eventfd: {}", std::strerror(errno)));
        queues_[i].kick = std::make_shared<const UniqueFd>(std::move(kick));
        if (auto set = device_.node().set_up_queue(i, device_.shape().queue_size); !set) return set;
    }
    return set_kicks();
}

Queues::Result Queues::set_kicks() const {
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (auto set = device_.node().set_kick(i, queues_[i].kick->get()); !set) return set;
    return {};
}

void Queues::begin_wait(std::chrono::milliseconds limit) {
    const bool stopping = std::any_of(queues_.begin(), queues_.end(),
                                      [](const Queue& queue) { return queue.stopping; });
    // Requests that a wait has covered once are only checked again: more messages may be pending.
    drained_by_ =
        std::chrono::steady_clock::now() + (stopping ? std::min(limit, another_look) : limit);
}

bool Queues::any_ready() const {
    bool ready = false;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        const auto info = device_.node().queue(i);
        ready = ready || (info && info->ready != 0);
    }
    return ready;
}

Queues::Result Queues::map_memory() {
    auto next = memory_.read_again(device_.node().fd());
    if (!next) {
        (void)stop_all();
        return tl::unexpected(std::move(next.error()));
    }
    Result moved;
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (queues_[i].running && !VirtQueue::check(*next->table(), queues_[i].ring) && moved)
            moved = stop(i);
    // The old memory ends when memory_ releases it.
    if (moved) moved = backend_.set_memory(next->table(), drained_by_);
    if (!moved) {
        // Running queues use memory that the kernel has taken away.
        fault(moved.error());
        return moved;
    }
    memory_ = std::move(*next);
    return {};
}

void Queues::look_at_all() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) look(i);
}

void Queues::look(std::uint16_t index) {
    if (auto started = start_if_busy(index); !started) fault(started.error());
}

void Queues::fault(std::string_view why) {
    log_(fmt::format("{}; the device does nothing more until the driver resets it", why));
    faulty_ = true;
    (void)stop_all();
}

void Queues::watch_kicks(std::vector<pollfd>& waits) const {
    for (const Queue& queue : queues_) {
        const bool watched = !queue.running && features_ && !faulty_;
        waits.push_back({watched ? queue.kick->get() : -1, POLLIN, 0});
    }
}

void Queues::take_kicks(std::span<const pollfd> waits) {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (waits[i].revents == 0 || queues_[i].running) continue;
        drain_event(*queues_[i].kick);
        queues_[i].held = false;
        look(i);
    }
}

std::optional<std::uint16_t> Queues::hold(std::uint32_t index) {
    if (index >= queues_.size()) return std::nullopt;
    auto& queue = queues_[index];
    queue.held = true;
    if (queue.running)
        if (auto stopped = stop(static_cast<std::uint16_t>(index)); !stopped) {
            log_(fmt::format("{}; the kernel is told that it could not be stopped",
                             stopped.error()));
            return std::nullopt;
        }
    const auto info = device_.node().queue(static_cast<std::uint16_t>(index));
    if (!info) return std::nullopt;
    if (queue.base && queue.given_base == info->split.avail_index) return queue.base;
    return info->split.avail_index;
}

void Queues::interrupt_all() const noexcept {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) (void)device_.node().interrupt(i);
}

Queues::Result Queues::start_if_busy(std::uint16_t index) {
    auto& queue = queues_[index];
    if (queue.running || queue.held || faulty_ || !features_) return {};
    const auto info = device_.node().queue(index);
    if (!info) return tl::unexpected(info.error());
    if (info->ready == 0 || info->num == 0) return {};
    if (info->num > device_.shape().queue_size)
        return tl::unexpected(fmt::format("queue {}: {} descriptors are too many: {} are the most",
                                          index, info->num, device_.shape().queue_size));
    const auto size = static_cast<std::uint16_t>(info->num);
    // A queue may become ready with its ring in memory that was added after the last read.
    const auto find = [&](std::uint64_t address, std::size_t bytes) {
        return memory_.table()->translate_user(address, bytes);
    };
    auto* available = find(info->driver_addr, available_ring_bytes(size));
    auto* used = find(info->device_addr, used_ring_bytes(size));
    if (available == nullptr || used == nullptr) {
        if (auto mapped = map_memory(); !mapped) return mapped;
        available = find(info->driver_addr, available_ring_bytes(size));
        used = find(info->device_addr, used_ring_bytes(size));
        if (available == nullptr || used == nullptr) return {};
    }
    const auto used_index = load_index(used);
    const auto base = base_of(index, *info, used_index);
    const auto available_index = load_index(available);
    const bool recovering = !queue.base && !device_.inflight()->queue(index).fresh();
    if (available_index == (recovering ? used_index : base)) return {};

    // Buffers now in the ring are now in the map, but the map may have been read before they were
    // added.
    const auto outdated = memory_.is_outdated(device_.node().fd());
    if (!outdated) return tl::unexpected(outdated.error());
    if (*outdated)
        if (auto mapped = map_memory(); !mapped) return mapped;

    queue.ring = {.size = size,
                  .addresses = {.descriptors = info->desc_addr,
                                .available = info->driver_addr,
                                .used = info->device_addr},
                  .base = base,
                  .features = *features_,
                  .inflight = device_.inflight().get(),
                  .index = index};
    if (auto good = VirtQueue::check(*memory_.table(), queue.ring); !good) return good;
    await_interrupts(index);
    const QueueSetup setup{.ring = queue.ring,
                           .inflight = device_.inflight(),
                           .kick = queue.kick,
                           .call = Notifier::interrupt(device_.node().shared(), index),
                           .error = nullptr,
                           .enabled = true,
                           .look_at_once = true,
                           .used_log = std::nullopt};
    if (auto started = backend_.start_queue(index, setup); !started) return started;
    queue.running = true;
    queue.given_base = info->split.avail_index;
    return {};
}

std::uint16_t Queues::base_of(std::uint16_t index, const vduse_vq_info& info,
                              std::uint16_t used_index) const {
    const auto& queue = queues_[index];
    const auto given = info.split.avail_index;
    if (queue.base && queue.given_base == given) return *queue.base;
    // Another process ran the queue: the chains it took are answered or in the record, which
    // VirtQueue::create accounts for. The kernel knows only where the driver once began.
    if (!queue.base && !device_.inflight()->queue(index).fresh()) return used_index;
    return given;
}

/// The kernel drops interrupts until it has stored DRIVER_OK, some time after it read the answer; a
/// lost interrupt would leave the driver waiting for ever. A needless one does no harm.
void Queues::await_interrupts(std::uint16_t index) const noexcept {
    for (int i = 0; i < interrupt_tries && !device_.node().interrupt(index); ++i)
        std::this_thread::sleep_for(interrupt_pause);
}

Queues::Result Queues::stop(std::uint16_t index) {
    auto& queue = queues_[index];
    const auto base = backend_.stop_queue(index, drained_by_);
    queue.stopping = !base;
    if (!base) return tl::unexpected(base.error());
    queue.base = *base;
    queue.running = false;
    return {};
}

Queues::Result Queues::stop_all() {
    Result drained;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (!queues_[i].running) continue;
        if (auto stopped = stop(i); !stopped && drained) drained = std::move(stopped);
    }
    return drained;
}

Queues::Result Queues::let_go(ResetCause cause) {
    auto drained = stop_all();
    features_.reset();
    memory_ = DriverMemory();
    // The backend keeps the old memory while requests use it.
    const auto moved = backend_.set_memory(memory_.table(), drained_by_);
    if (drained) drained = moved;
    backend_.reset(cause);
    return drained;
}

void Queues::forget() {
    faulty_ = false;
    for (Queue& queue : queues_) {
        Queue fresh;
        fresh.kick = std::move(queue.kick);
        queue = std::move(fresh);
    }
}

}  // namespace zonebridge::virtio::vduse
