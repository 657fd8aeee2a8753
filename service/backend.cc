#include "service/backend.h"

#include <algorithm>
#include <cerrno>
#include <future>
#include <latch>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include "virtio/notifier.h"
#include "virtio/ring.h"

namespace zonebridge::service {

DeviceBackend::DeviceBackend(std::span<const std::unique_ptr<Worker>> workers) {
    for (const auto& worker : workers) parts_.push_back({worker.get(), nullptr, nullptr});
}

tl::expected<void, Error> DeviceBackend::open(const MakeDevice& make) {
    event_fd_ = virtio::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_fd_) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    tl::expected<void, Error> result;
    for (auto& part : parts_) {
        part.worker->call([&](Ring& ring) {
            auto device = make(ring);
            if (!device) {
                result = tl::unexpected(device.error());
                return;
            }
            part.device = std::move(*device);
            part.path = std::make_unique<DataPath>(ring, *part.device, [this](std::string text) {
                tell({virtio::BackendEvent::Kind::fault, std::move(text)});
            });
            part.worker->add(*part.path);
        });
        if (!result) break;
    }
    return result;
}

DeviceBackend::~DeviceBackend() {
    settle();
    // One after the other: a storage queue may wait for what others do for it, and they go on turning.
    for (auto& part : parts_) {
        part.worker->call([&](Ring&) {
            if (part.path) part.worker->remove(*part.path);
            part.path.reset();
            part.device.reset();
        });
    }
}

void DeviceBackend::settle() {
    // A message that was sent before a worker's first turn here comes before the receiver's second, and
    // the answer to it before the sender's third.
    for (int round = 0; round < 3; ++round) on_all([](Part&) {});
}

void DeviceBackend::on_all(const std::function<void(Part&)>& call) {
    std::latch left(static_cast<std::ptrdiff_t>(parts_.size()));
    for (auto& part : parts_) {
        part.worker->post([&] {
            call(part);
            left.count_down();
        });
    }
    left.wait();
}

tl::expected<void, std::string> DeviceBackend::set_features(std::uint64_t features) {
    if ((features & virtio::feature::version_1) == 0)
        return tl::unexpected(
            std::string("the driver is a legacy driver: this device needs VIRTIO_F_VERSION_1 (in "
                        "QEMU, give disable-legacy=on)"));
    return {};
}

tl::expected<void, std::string> DeviceBackend::set_memory(virtio::GuestMemory::Table memory) {
    if (auto moved = move_all(memory); !moved) {
        // Those that went are called back, so that no two workers see different memory: each is on a
        // map that it holds, whatever comes of it, and rings that lay in the old one do so still.
        (void)move_all(memory_);
        return moved;
    }
    memory_ = std::move(memory);
    return {};
}

tl::expected<void, std::string> DeviceBackend::move_all(const virtio::GuestMemory::Table& memory) {
    using Outcome = tl::expected<void, std::string>;
    // All are asked before any is waited for, so that they drain side by side.
    std::vector<std::promise<Outcome>> moved(parts_.size());
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        auto* const path = parts_[i].path.get();
        parts_[i].worker->post([path, memory, &promise = moved[i]] {
            path->set_memory(
                memory, [&promise](Outcome outcome) { promise.set_value(std::move(outcome)); });
        });
    }
    Outcome result;
    for (auto& one : moved)
        if (auto outcome = one.get_future().get(); !outcome && result) result = outcome;
    return result;
}

void DeviceBackend::set_log(std::shared_ptr<const virtio::DirtyLog> log,
                            std::span<const std::optional<std::uint64_t>> used_rings) {
    on_all([&](Part& part) { part.path->set_log(log, used_rings); });
}

tl::expected<void, std::string> DeviceBackend::start_queue(std::uint16_t index,
                                                           const virtio::QueueSetup& setup) {
    tl::expected<void, std::string> result;
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { result = part.path->start(index, setup); });
    return result;
}

std::uint16_t DeviceBackend::stop_queue(std::uint16_t index) {
    std::promise<std::uint16_t> stopped;
    auto base = stopped.get_future();
    auto& part = part_of(index);
    part.worker->post([&] {
        part.path->stop(index, [&](std::uint16_t available) { stopped.set_value(available); });
    });
    return base.get();
}

void DeviceBackend::enable_queue(std::uint16_t index, bool enabled) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->enable(index, enabled); });
}

void DeviceBackend::set_call(std::uint16_t index, virtio::Notifier call) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->set_call(index, std::move(call)); });
}

void DeviceBackend::set_error(std::uint16_t index, virtio::SharedFd error) {
    auto& part = part_of(index);
    part.worker->call([&](Ring&) { part.path->set_error(index, std::move(error)); });
}

void DeviceBackend::reset(virtio::ResetCause cause) {
    while (take_event()) continue;
    {
        const std::lock_guard guard(events_lock_);
        faulty_ = false;
    }
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
    if (events_.empty()) {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(event_fd_.get(), &count, sizeof count);
    }
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

void DeviceBackend::tell(virtio::BackendEvent event) {
    const std::lock_guard guard(events_lock_);
    if (event.kind == virtio::BackendEvent::Kind::fault && std::exchange(faulty_, true)) return;
    events_.push_back(std::move(event));
    virtio::notify(event_fd_);
}

}  // namespace zonebridge::service
