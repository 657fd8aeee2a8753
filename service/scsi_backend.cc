#include "service/scsi_backend.h"

#include <algorithm>
#include <cstring>

#include "virtio/ring.h"

namespace zonebridge::service {

using virtio_scsi::Config;
using virtio_scsi::Controller;

ScsiBackend::ScsiBackend(Private, std::span<const std::unique_ptr<Worker>> workers,
                         std::vector<virtio_scsi::Unit> units)
    : DeviceBackend(workers), units_(std::move(units)) {}

tl::expected<std::unique_ptr<ScsiBackend>, Error> ScsiBackend::open(
    std::span<const std::unique_ptr<Worker>> workers, std::vector<virtio_scsi::Unit> units,
    std::uint16_t request_queues) {
    auto backend = std::make_unique<ScsiBackend>(Private{}, workers, std::move(units));
    auto& config = backend->config_;
    config.num_queues = request_queues;
    for (const auto& unit : backend->units_) {
        const auto [max_transfer, max_segments] = unit.logical_unit->transfer_limits();
        config.seg_max = std::min(config.seg_max, max_segments);
        config.max_sectors = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(config.max_sectors, max_transfer / 512));
    }
    auto opened = backend->DeviceBackend::open(
        [&](Loop& loop) -> tl::expected<std::unique_ptr<virtio::Device>, Error> {
            return Controller::open(loop, backend->units_);
        });
    if (!opened) return tl::unexpected(opened.error());
    return backend;
}

std::uint64_t ScsiBackend::features() const noexcept {
    return virtio_scsi::feature_hotplug | virtio_scsi::feature_change |
           virtio::feature::indirect_descriptors | virtio::feature::event_index |
           virtio::feature::version_1;
}

void ScsiBackend::read_config(std::uint32_t offset, std::span<std::byte> out) noexcept {
    const auto bytes = virtio_scsi::encode(config_);
    copy_config(std::as_bytes(std::span(bytes)), offset, out);
}

bool ScsiBackend::write_config(std::uint32_t offset, std::span<const std::byte> in,
                               bool /*migration*/) noexcept {
    auto bytes = virtio_scsi::encode(config_);
    if (offset < bytes.size())
        std::memcpy(bytes.data() + offset, in.data(), std::min(in.size(), bytes.size() - offset));
    if (!virtio_scsi::write_config(config_, bytes)) return false;
    apply_sizes();
    return true;
}

void ScsiBackend::reset_device(virtio::ResetCause cause) {
    // A guest that was only paused goes on where it was, with the sizes and mode pages it set.
    if (cause == virtio::ResetCause::status) return;
    config_.cdb_size = Config::default_cdb_size;
    config_.sense_size = Config::default_sense_size;
    apply_sizes();
    for (const auto& unit : units_) unit.logical_unit->reset(0);
}

void ScsiBackend::apply_sizes() {
    with_devices([&](virtio::Device& device) {
        static_cast<Controller&>(device).set_sizes(config_.cdb_size, config_.sense_size);
    });
}

}  // namespace zonebridge::service
