#include "service/device_queues.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::service {

struct DeviceQueues::Queue final : Watcher {
    Queue(std::uint16_t number, virtio::VirtQueue virtqueue, const virtio::QueueSetup& setup,
          Doorbell& doorbell)
        : index(number),
          ring(std::move(virtqueue)),
          inflight(setup.inflight),
          kick(setup.kick),
          bell(doorbell),
          error(setup.error),
          enabled(setup.enabled),
          started(setup.look_at_once || !setup.kick),
          due(started) {}

    void on_ready() override {
        started = true;
        due = true;
        hold_or_release();
    }
    /// Whether chains may be taken at all, also by a device that looks at the ring without a kick.
    [[nodiscard]] bool open() const noexcept { return enabled && started; }
    void hold_or_release() noexcept { ring.set_held(!open()); }

    /// Notifies the driver before this call ends.
    void notify_at_once() noexcept {
        call.raise_interrupt();
        bell.ring();
    }
    void notify(Ring* loop) noexcept {
        // When `stopped` is called, the driver has been notified.
        if (loop == nullptr || stopped) return notify_at_once();
        call.raise_interrupt();
        bell.ring_with(*loop);
    }

    std::uint16_t index;
    virtio::VirtQueue ring;
    std::shared_ptr<const virtio::InflightArea> inflight;
    SharedFd kick;
    virtio::Notifier call;  // connected to `bell`
    Doorbell& bell;
    SharedFd error;
    bool enabled;
    bool started;  // was kicked, or needs no kick
    bool due;      // may hold chains for which no kick will come
    std::function<void(std::uint16_t)> stopped;
    bool abandoned = false;  // while it stops
};

DeviceQueues::DeviceQueues(Loop& loop, virtio::Device& device,
                           std::function<void(std::string)> on_fault)
    : loop_(loop),
      ring_(Ring::of(loop)),
      device_(device),
      on_fault_(std::move(on_fault)),
      memory_(virtio::GuestMemory::none()) {}

DeviceQueues::~DeviceQueues() = default;

tl::expected<void, Error> DeviceQueues::prepare(std::uint16_t index) {
    if (bells_.contains(index)) return {};
    auto bell = Doorbell::create();
    if (!bell) return tl::unexpected(std::move(bell.error()));
    bells_.emplace(index, std::move(*bell));
    return {};
}

void DeviceQueues::take() noexcept {
    if (gate_) [[unlikely]] {
        if (!gate_->open()) return;
        gate_.reset();
        device_.recovered();
    }
    if (next_memory_ || faulty_) return;
    for (const auto& queue : queues_)
        if (queue->due && queue->open() && !queue->stopped) take_from(*queue);
}

void DeviceQueues::take_from(Queue& queue) noexcept {
    queue.due = false;
    queue.ring.disable_kicks();
    while (device_.take(queue.index) && queue.ring.enable_kicks()) continue;
    if (device_.fault()) return raise(*device_.fault());
    if (device_.waits(queue.index)) queue.due = true;  // the next completion ends the loop's sleep
    if (!queue.kick) {
        queue.due = true;  // no kick will announce further chains
        wake();
    }
}

void DeviceQueues::complete() noexcept {
    device_.complete();
    if (device_.fault()) raise(*device_.fault());
    publish();
    if (device_.published()) publish();
    if (recovering_) [[unlikely]]
        finish_recovery();
    if (changing_) {
        finish_stops();
        finish_move();
    }
}

void DeviceQueues::hold(std::shared_ptr<RecoveryGate> gate) {
    gate_ = std::move(gate);
    waits_for_rings_ = true;
    recovering_ = false;
}

void DeviceQueues::recover() {
    if (!std::exchange(waits_for_rings_, false)) return;
    recovering_ = true;
    device_.recover(virtio::Lost::judge);
    wake();
}

void DeviceQueues::finish_recovery() {
    if (device_.recovering()) return;
    recovering_ = false;
    gate_->arrive();
}

void DeviceQueues::publish() noexcept {
    for (const auto& queue : queues_)
        if (!queue->abandoned && queue->ring.publish()) queue->notify(ring_);
}

void DeviceQueues::raise(std::string fault) {
    if (std::exchange(faulty_, true)) return;
    for (const auto& queue : queues_) {
        if (!queue->ring.fault() || !queue->error) continue;
        // The error's descriptor is signalled once in a queue's life: it borrows the call's bell.
        if (queue->bell.connect(queue->error->get())) queue->bell.ring();
        connect(*queue, queue->call);
    }
    on_fault_(std::move(fault));
}

/// The next notification goes to `call`.
void DeviceQueues::connect(Queue& queue, virtio::Notifier call) {
    queue.call = std::move(call);
    queue.bell.disconnect();
    const auto fd = queue.call.call();
    if (!fd) return;
    if (auto connected = queue.bell.connect(fd->get()); !connected)
        raise(fmt::format("queue {}: the driver can't be notified: {}", queue.index,
                          connected.error().message));
}

tl::expected<void, std::string> DeviceQueues::start(std::uint16_t index,
                                                    const virtio::QueueSetup& setup) {
    auto watching = false;
    try {
        if (auto prepared = prepare(index); !prepared)
            return tl::unexpected(
                fmt::format("queue {}: {}", index, std::move(prepared.error().message)));
        return start(index, setup, watching);
    } catch (const std::bad_alloc&) {
        if (watching) loop_.unwatch(setup.kick->get());
        return tl::unexpected(fmt::format("queue {}: no memory for a ring of {} descriptors", index,
                                          setup.ring.size));
    }
}

tl::expected<void, std::string> DeviceQueues::start(std::uint16_t index,
                                                    const virtio::QueueSetup& setup,
                                                    bool& watching) {
    auto ring = virtio::VirtQueue::create(*memory_, setup.ring);
    if (!ring) return tl::unexpected(ring.error());
    queues_.reserve(queues_.size() + 1);
    auto queue = std::make_unique<Queue>(index, std::move(*ring), setup, *bells_.at(index));
    queue->ring.set_log(log_.get(), setup.used_log);
    if (queue->kick) {
        if (auto watched = loop_.watch(queue->kick->get(), *queue); !watched)
            return tl::unexpected(watched.error().message);
        watching = true;
    }
    // An earlier user of the ring may have disabled kicks.
    if (queue->ring.enable_kicks()) queue->due = true;
    queue->hold_or_release();
    connect(*queue, setup.call);
    device_.attach(index, queue->ring);
    if (!waits_for_rings_) device_.recover(virtio::Lost::give_up);
    queues_.push_back(std::move(queue));
    wake();
    return {};
}

void DeviceQueues::stop(std::uint16_t index, std::function<void(std::uint16_t)> stopped) {
    auto* const queue = find(index);
    if (queue == nullptr) return stopped(0);
    queue->stopped = std::move(stopped);
    changing_ = true;
    wake();
}

void DeviceQueues::finish_stops() {
    for (std::size_t i = 0; i < queues_.size();) {
        auto& queue = *queues_[i];
        if (!queue.stopped || device_.in_flight(queue.index) != 0) {
            ++i;
            continue;
        }
        if (queue.kick) loop_.unwatch(queue.kick->get());
        queue.bell.disconnect();
        device_.detach(queue.index);
        const auto base = queue.ring.base();
        const auto stopped = std::move(queue.stopped);
        queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(i));
        if (queues_.empty()) faulty_ = false;  // the faulty ring is gone
        stopped(base);
    }
    changing_ = moved_ != nullptr ||
                std::any_of(queues_.begin(), queues_.end(),
                            [](const auto& queue) { return queue->stopped != nullptr; });
}

std::size_t DeviceQueues::left_behind() const noexcept {
    std::size_t count = 0;
    for (const auto& queue : queues_)
        if (queue->stopped) count += device_.in_flight(queue->index);
    return count;
}

void DeviceQueues::abandon() noexcept {
    for (const auto& queue : queues_) {
        queue->abandoned = queue->stopped != nullptr;
        if (!queue->abandoned) continue;
        queue->call = {};  // may keep the driver's device open
        queue->bell.disconnect();
    }
}

void DeviceQueues::set_memory(virtio::GuestMemory::Table memory, Moved moved) {
    next_memory_ = std::move(memory);
    moved_ = std::move(moved);
    changing_ = true;
    wake();
}

void DeviceQueues::finish_move() {
    if (!moved_) return;
    // Recovered chains that are not taken yet are looked up in the new memory.
    for (const auto& queue : queues_)
        if (queue->ring.in_flight() != 0) return;
    tl::expected<void, std::string> result;
    for (const auto& queue : queues_)
        if (result) result = queue->ring.rebind(*next_memory_);
    if (result) {
        memory_ = std::exchange(next_memory_, nullptr);
    } else {
        // Undo: no ring may be left in a map that is not kept alive.
        for (const auto& queue : queues_) (void)queue->ring.rebind(*memory_);
        next_memory_.reset();
    }
    const auto moved = std::exchange(moved_, nullptr);
    wake();  // chains may have come meanwhile
    moved(result);
}

void DeviceQueues::enable(std::uint16_t index, bool enabled) {
    if (auto* const queue = find(index)) {
        queue->enabled = enabled;
        queue->due = queue->due || enabled;
        queue->hold_or_release();
        wake();
    }
}

void DeviceQueues::set_call(std::uint16_t index, virtio::Notifier call) {
    if (auto* const queue = find(index)) {
        connect(*queue, std::move(call));
        queue->notify_at_once();
    }
}

void DeviceQueues::set_error(std::uint16_t index, SharedFd error) {
    if (auto* const queue = find(index)) queue->error = std::move(error);
}

void DeviceQueues::set_log(std::shared_ptr<const virtio::DirtyLog> log,
                           std::span<const std::optional<std::uint64_t>> used_rings) {
    log_ = std::move(log);
    for (const auto& queue : queues_) {
        const auto known = queue->index < used_rings.size();
        queue->ring.set_log(log_.get(), known ? used_rings[queue->index] : std::nullopt);
    }
}

DeviceQueues::Queue* DeviceQueues::find(std::uint16_t index) noexcept {
    for (const auto& queue : queues_)
        if (queue->index == index) return queue.get();
    return nullptr;
}

}  // namespace zonebridge::service
