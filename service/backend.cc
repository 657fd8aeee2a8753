#include "service/backend.h"

#include <algorithm>
#include <cerrno>
#include <future>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio/ring.h"

namespace zonebridge::service {

tl::expected<void, Error> DeviceBackend::open(const MakeDevice& make) {
    event_fd_ = virtio::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_fd_) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    tl::expected<void, Error> result;
    worker_.call([&](Ring& ring) {
        auto device = make(ring);
        if (!device) {
            result = tl::unexpected(device.error());
            return;
        }
        device_ = std::move(*device);
        path_ = std::make_unique<DataPath>(ring, *device_, [this](std::string text) {
            tell({virtio::BackendEvent::Kind::fault, std::move(text)});
        });
        worker_.add(*path_);
    });
    return result;
}

DeviceBackend::~DeviceBackend() {
    worker_.call([this](Ring&) {
        if (path_) worker_.remove(*path_);
        path_.reset();
        device_.reset();
    });
}

tl::expected<void, std::string> DeviceBackend::set_features(std::uint64_t features) {
    if ((features & virtio::feature::version_1) == 0)
        return tl::unexpected(std::string(
            "the driver is a legacy one: this device needs VIRTIO_F_VERSION_1 (in QEMU, "
            "disable-legacy=on)"));
    return {};
}

tl::expected<void, std::string> DeviceBackend::set_memory(virtio::GuestMemory::Table memory) {
    std::promise<tl::expected<void, std::string>> moved;
    auto result = moved.get_future();
    worker_.post([&] {
        path_->set_memory(std::move(memory), [&](auto outcome) { moved.set_value(outcome); });
    });
    return result.get();
}

void DeviceBackend::set_log(std::shared_ptr<const virtio::DirtyLog> log,
                            std::span<const std::optional<std::uint64_t>> used_rings) {
    worker_.call([&](Ring&) { path_->set_log(std::move(log), used_rings); });
}

tl::expected<void, std::string> DeviceBackend::start_queue(std::uint16_t index,
                                                           const virtio::QueueSetup& setup) {
    tl::expected<void, std::string> result;
    worker_.call([&](Ring&) { result = path_->start(index, setup); });
    return result;
}

std::uint16_t DeviceBackend::stop_queue(std::uint16_t index) {
    std::promise<std::uint16_t> stopped;
    auto base = stopped.get_future();
    worker_.post([&] {
        path_->stop(index, [&](std::uint16_t available) { stopped.set_value(available); });
    });
    return base.get();
}

void DeviceBackend::enable_queue(std::uint16_t index, bool enabled) {
    worker_.call([&](Ring&) { path_->enable(index, enabled); });
}

void DeviceBackend::set_call(std::uint16_t index, virtio::Notifier call) {
    worker_.call([&](Ring&) { path_->set_call(index, std::move(call)); });
}

void DeviceBackend::set_error(std::uint16_t index, virtio::SharedFd error) {
    worker_.call([&](Ring&) { path_->set_error(index, std::move(error)); });
}

void DeviceBackend::reset(virtio::ResetCause cause) {
    while (take_event()) continue;
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

void DeviceBackend::with_device(const std::function<void(virtio::Device&)>& call) {
    worker_.call([&](Ring&) { call(*device_); });
}

void DeviceBackend::copy_config(std::span<const std::byte> bytes, std::uint32_t offset,
                                std::span<std::byte> out) noexcept {
    const auto from = bytes.subspan(std::min<std::size_t>(offset, bytes.size()));
    const auto rest = std::copy_n(from.begin(), std::min(from.size(), out.size()), out.begin());
    std::fill(rest, out.end(), std::byte{0});
}

void DeviceBackend::tell(virtio::BackendEvent event) {
    const std::lock_guard guard(events_lock_);
    events_.push_back(std::move(event));
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_fd_.get(), &one, sizeof one);
}

}  // namespace zonebridge::service
