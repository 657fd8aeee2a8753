#include "service/backend.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <numeric>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "service/limits.h"
#include "service/log.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

/// How often the end of a device looks for requests that a disk has given back.
constexpr std::chrono::milliseconds look_again{50};

/// The answers, or nothing at the deadline. `what` names what the thread waits for; a long wait is
/// logged with it.
template <typename T>
std::optional<std::vector<T>> wait(const Answers<T>& answers, virtio::Deadline deadline,
                                   const std::function<std::string()>& what) {
    using Clock = std::chrono::steady_clock;
    auto given = answers.wait_until(std::min(deadline, Clock::now() + wait_without_word));
    if (given || Clock::now() >= deadline) return given;
    log("{}; waiting {} s more for that, and then giving up", what(),
        std::chrono::ceil<std::chrono::seconds>(deadline - Clock::now()).count());
    return answers.wait_until(deadline);
}

}  // namespace

DeviceBackend::DeviceBackend(std::span<const std::unique_ptr<Worker>> workers) {
    for (const auto& worker : workers) parts_.push_back({worker.get(), nullptr, nullptr});
}

tl::expected<void, Error> DeviceBackend::open(const MakeDevice& make) {
    event_fd_ = make_event_fd();
    if (!event_fd_) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    auto judge = Doorbell::create();
    if (!judge) return tl::unexpected(std::move(judge.error()));
    judge_ = std::move(*judge);
    tl::expected<void, Error> result;
    for (auto& part : parts_) {
        part.worker->call([&](Ring& ring) {
            auto device = make(ring);
            if (!device) {
                result = tl::unexpected(device.error());
                return;
            }
            part.device = std::move(*device);
            part.path =
                std::make_unique<DeviceQueues>(ring, *part.device, [this](std::string text) {
                    raise({virtio::BackendEvent::Kind::fault, std::move(text)});
                });
            part.worker->add(*part.path);
        });
        if (!result) return result;
    }
    for (std::uint16_t index = 0; index < queue_count(); ++index) {
        auto& part = part_of(index);
        part.worker->call([&](Ring&) { result = part.path->prepare(index); });
        if (!result) break;
    }
    return result;
}

DeviceBackend::~DeviceBackend() {
    settle();
    // A disk may still hold requests of a guest that is gone, and use that guest's memory. The
    // workers go on taking completions. `serve` limits the wait (service/ending_limit).
    while (left_behind() != 0) std::this_thread::sleep_for(look_again);
    // One after the other: a storage queue may wait for work on other threads, which go on turning.
    for (auto& part : parts_) {
        part.worker->call([&](Ring&) {
            if (part.path) part.worker->remove(*part.path);
            part.path.reset();
            part.device.reset();
        });
    }
}

void DeviceBackend::settle() {
    // A message sent before a worker's first turn here arrives before the receiver's second turn,
    // and its answer before the sender's third.
    for (int round = 0; round < 3; ++round) on_all([](Part&) {});
}

void DeviceBackend::on_all(const std::function<void(Part&)>& call) {
    const Answers<Done> returned(parts_.size());
    for (auto& part : parts_) {
        part.worker->post([&call, &part, returned] {
            call(part);
            returned.give({});
        });
    }
    (void)returned.wait();
}

tl::expected<void, std::string> DeviceBackend::set_features(std::uint64_t /*features*/) {
    return check_drained();
}

tl::expected<void, std::string> DeviceBackend::set_memory(virtio::GuestMemory::Table memory,
                                                          virtio::Deadline deadline) {
    // A map without memory fits every ring: workers move to it as soon as they can.
    if (memory->region_count() != 0)
        if (auto drained = check_drained(); !drained) return drained;
    if (auto moved = move_all(memory, deadline); !moved) {
        // Move the workers that succeeded back, so that no two workers use different maps. Each
        // worker keeps the map that it uses alive, and its rings still lie in the old map. Workers
        // that did not drain in time are not waited for again.
        if (memory->region_count() != 0)
            (void)move_all(memory_, deadline);
        else
            memory_ = std::move(memory);
        return moved;
    }
    memory_ = std::move(memory);
    return {};
}

tl::expected<void, std::string> DeviceBackend::move_all(const virtio::GuestMemory::Table& memory,
                                                        virtio::Deadline deadline) {
    using Outcome = tl::expected<void, std::string>;
    // Ask all workers before waiting for any, so that they drain in parallel.
    const Answers<Outcome> moved(parts_.size());
    for (auto& part : parts_)
        part.worker->post([path = part.path.get(), memory, moved] {
            path->set_memory(memory, [moved](Outcome outcome) { moved.give(std::move(outcome)); });
        });
    auto outcomes = wait(moved, deadline, [] {
        return std::string("the guest's memory changes, and requests are at the disk that use it");
    });
    if (!outcomes)
        return tl::unexpected(std::string(
            "the disk did not give back in time all requests that use the guest's memory"));
    Outcome result;
    for (auto& outcome : *outcomes)
        if (!outcome && result) result = std::move(outcome);
    return result;
}

void DeviceBackend::set_log(std::shared_ptr<const virtio::DirtyLog> log,
                            std::span<const std::optional<std::uint64_t>> used_rings) {
    on_all([&](Part& part) { part.path->set_log(log, used_rings); });
}

tl::expected<void, std::string> DeviceBackend::start_queue(std::uint16_t index,
                                                           const virtio::QueueSetup& setup) {
    if (auto drained = check_drained(); !drained) return drained;
    if (stopping_.contains(index))
        return tl::unexpected(fmt::format(
            "queue {} is to go on, and its requests from before are at the disk", index));
    auto& part = part_of(index);
    queue_bytes_.resize(std::max<std::size_t>(queue_bytes_.size(), index + 1));
    const auto needed = part.device->bytes_for(setup.ring.size);
    const auto others = std::accumulate(queue_bytes_.begin(), queue_bytes_.end(), std::size_t{0});
    if (others + needed > most_queue_bytes)
        return tl::unexpected(
            fmt::format("queue {}: with its ring of {} descriptors, all rings would take {} MiB "
                        "here, and {} are "
                        "the most: give the device fewer or smaller queues",
                        index, setup.ring.size, (others + needed) >> 20, most_queue_bytes >> 20));
    expect_recovery(setup);
    tl::expected<void, std::string> result;
    part.worker->call([&](Ring&) { result = part.path->start(index, setup); });
    if (!result) return result;
    queue_bytes_[index] = needed;
    if (awaited_.erase(index) != 0 && awaited_.empty()) recover();
    return result;
}

void DeviceBackend::expect_recovery(const virtio::QueueSetup& setup) {
    if (!setup.inflight || setup.inflight == record_) return;
    if (!awaited_.empty()) recover();  // the last record's chains
    record_ = setup.inflight;
    for (std::uint16_t i = 0; i < record_->queues(); ++i) {
        if (record_->queue(i).fresh()) continue;
        continue_guest();
        break;
    }
    for (std::uint16_t i = 0; i < std::min(record_->queues(), queue_count()); ++i) {
        const auto runs = i < queue_bytes_.size() && queue_bytes_[i] != 0;
        if (!runs && record_->queue(i).any()) awaited_.insert(i);
    }
    if (awaited_.empty()) return;
    // The last worker to arrive wakes the others, which only look at the gate.
    std::vector<Worker*> workers;
    for (const auto& part : parts_) workers.push_back(part.worker);
    const auto gate = std::make_shared<RecoveryGate>(workers.size(), [workers] {
        for (auto* const worker : workers) worker->post([] {});
    });
    on_all([&](Part& part) { part.path->hold(gate); });
}

void DeviceBackend::recover() {
    awaited_.clear();
    on_all([](Part& part) { part.path->recover(); });
}

tl::expected<std::uint16_t, std::string> DeviceBackend::stop_queue(std::uint16_t index,
                                                                   virtio::Deadline deadline) {
    if (!awaited_.empty()) recover();  // the queue's chains are answered before it stops
    auto stopping = stopping_.find(index);
    if (stopping == stopping_.end()) {
        const Answers<std::uint16_t> stopped(1);
        part_of(index).worker->post([path = part_of(index).path.get(), index, stopped] {
            path->stop(index, [stopped](std::uint16_t available) { stopped.give(available); });
        });
        stopping = stopping_.emplace(index, stopped).first;
    }
    const auto left = [&] {
        std::size_t count = 0;
        auto& part = part_of(index);
        part.worker->call([&](Ring&) { count = part.path->in_flight(index); });
        return fmt::format("queue {} is to stop, and {} of its requests are at the disk", index,
                           count);
    };
    if (const auto bases = wait(stopping->second, deadline, left)) {
        stopping_.erase(stopping);
        if (index < queue_bytes_.size()) queue_bytes_[index] = 0;
        return bases->front();
    }
    return tl::unexpected(left() + ", which does not give them back");
}

std::size_t DeviceBackend::left_behind() {
    std::atomic<std::size_t> count = 0;
    on_all([&](Part& part) {
        if (part.path) count += part.path->left_behind();
    });
    return count;
}

tl::expected<void, std::string> DeviceBackend::check_drained() {
    if (!reset_due_) return {};
    if (const auto count = left_behind(); count != 0)
        return tl::unexpected(fmt::format(
            "the disk still holds {} requests of a guest that is gone; the device is of no use to "
            "another before it gave them back",
            count));
    reset_device(*std::exchange(reset_due_, std::nullopt));
    return {};
}

bool DeviceBackend::is_eventfd(int fd) noexcept {
    const bool connected = judge_->connect(fd).has_value();
    judge_->disconnect();
    return connected;
}

void DeviceBackend::enable_queue(std::uint16_t index, bool enabled) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->enable(index, enabled); });
}

void DeviceBackend::set_call(std::uint16_t index, virtio::Notifier call) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->set_call(index, std::move(call)); });
}

void DeviceBackend::set_error(std::uint16_t index, SharedFd error) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->set_error(index, std::move(error)); });
}

void DeviceBackend::reset(virtio::ResetCause cause) {
    while (take_event()) continue;
    {
        const std::lock_guard guard(events_lock_);
        faulty_ = false;
    }
    if (!awaited_.empty()) recover();
    record_.reset();
    stopping_.clear();
    queue_bytes_.clear();  // no queue runs, and none is started before the disk has none of them
    if (left_behind() != 0) {
        reset_due_ = cause;
        on_all([](Part& part) { part.path->abandon(); });
        log("the disk did not give back all requests of the guest that is gone: until it does, "
            "that "
            "guest's memory stays mapped, and the device takes no other");
        return;
    }
    reset_due_.reset();
    reset_device(cause);
}

std::optional<int> DeviceBackend::event_fd() const noexcept {
    return event_fd_.get();
}

std::optional<virtio::BackendEvent> DeviceBackend::take_event() {
    const std::lock_guard guard(events_lock_);
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.erase(events_.begin());
    if (events_.empty()) drain_event(event_fd_);
    return event;
}

void DeviceBackend::with_devices(const std::function<void(virtio::Device&)>& call) {
    on_all([&](Part& part) { call(*part.device); });
}

void DeviceBackend::with_each_device(const std::function<void(virtio::Device&)>& call) {
    for (auto& part : parts_) part.worker->call([&](Ring&) { call(*part.device); });
}

void DeviceBackend::with_device_of(std::uint16_t queue,
                                   const std::function<void(virtio::Device&)>& call) {
    auto& part = part_of(queue);
    part.worker->call([&](Ring&) { call(*part.device); });
}

void DeviceBackend::copy_config(std::span<const std::byte> bytes, std::uint32_t offset,
                                std::span<std::byte> out) noexcept {
    const auto from = bytes.subspan(std::min<std::size_t>(offset, bytes.size()));
    const auto rest = std::copy_n(from.begin(), std::min(from.size(), out.size()), out.begin());
    std::fill(rest, out.end(), std::byte{0});
}

void DeviceBackend::raise(virtio::BackendEvent event) {
    const std::lock_guard guard(events_lock_);
    if (event.kind == virtio::BackendEvent::Kind::fault && std::exchange(faulty_, true)) return;
    events_.push_back(std::move(event));
    signal_event(event_fd_);
}

}  // namespace zonebridge::service
