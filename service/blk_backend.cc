#include "service/blk_backend.h"

#include <fmt/format.h>

#include "service/log.h"
#include "virtio/ring.h"

namespace zonebridge::service {

using virtio_blk::BlockDevice;
using virtio_blk::Config;
namespace feature = virtio_blk::feature;

BlkBackend::BlkBackend(Private, std::span<const std::unique_ptr<Worker>> workers, Transport& disk,
                       std::uint16_t queues)
    : DeviceBackend(workers),
      disk_(disk),
      config_(virtio_blk::make_config(disk.limits(), queues)) {}

tl::expected<std::unique_ptr<BlkBackend>, Error> BlkBackend::open(
    std::span<const std::unique_ptr<Worker>> workers, Transport& disk, std::uint16_t queues,
    RefusalSink* refusals) {
    auto backend = std::make_unique<BlkBackend>(Private{}, workers, disk, queues);
    const auto& identity = disk.identity();
    const auto id =
        identity.serial.empty() ? fmt::format("{:016x}", identity.unique_id) : identity.serial;
    const auto max_append = backend->config_.max_append_sectors * virtio_blk::sector_size;
    auto opened = backend->DeviceBackend::open(
        [&](Loop& loop) -> tl::expected<std::unique_ptr<virtio::Device>, Error> {
            return BlockDevice::open(loop, disk,
                                     {.id = id, .max_append = max_append, .refusals = refusals});
        });
    if (!opened) return tl::unexpected(opened.error());
    return backend;
}

std::uint64_t BlkBackend::features() const noexcept {
    return virtio_blk::offered_features(disk_.limits()) | virtio::feature::indirect_descriptors |
           virtio::feature::event_index | virtio::feature::version_1;
}

std::optional<std::string> BlkBackend::objection(std::uint64_t features) const {
    // VIRTIO 1.3, 5.2.5: the device must not set FEATURES_OK.
    if (disk_.limits().model == Model::host_managed && (features & feature::zoned) == 0)
        return std::string(
            "the driver did not accept VIRTIO_BLK_F_ZONED, and this disk is host-managed: the "
            "driver must be that of Linux 6.3 or newer with CONFIG_BLK_DEV_ZONED");
    return std::nullopt;
}

tl::expected<void, std::string> BlkBackend::set_features(std::uint64_t features) {
    if (auto common = DeviceBackend::set_features(features); !common) return common;
    accepted_ = features;
    log_whether_zoned();
    apply_mode();
    return {};
}

void BlkBackend::log_whether_zoned() {
    if (disk_.limits().model != Model::host_managed) return;
    const auto zoned = (accepted_ & feature::zoned) != 0;
    if (zoned && warned_)
        log("VIRTIO_BLK_F_ZONED is accepted now, and the guest has a host-managed disk: the driver "
            "that did not accept it was the guest's firmware, or another driver");
    if (!zoned && !warned_)
        log("the front end or its guest did not accept VIRTIO_BLK_F_ZONED: the guest can't know "
            "that this disk is host-managed, and every read and write gets an I/O error. A guest's "
            "firmware never accepts this feature; if it was the firmware, another line here says "
            "so when the guest's kernel has started. Otherwise, use a front end that passes the "
            "feature on: QEMU 10.2 or newer with -device "
            "vhost-user-test-device-pci,virtio-id=2,num_vqs={},vq_size={},config_size={}, or "
            "crosvm with --vhost-user type=block; with an older QEMU, serve the disk with --virtio "
            "scsi. The guest needs Linux 6.3 or newer with CONFIG_BLK_DEV_ZONED",
            config_.num_queues, virtio_blk::ring_size, Config::size);
    warned_ = !zoned;
}

void BlkBackend::read_config(std::uint32_t offset, std::span<std::byte> out) noexcept {
    config_.capacity = disk_.limits().size() / virtio_blk::sector_size;
    const auto bytes = virtio_blk::encode(config_);
    copy_config(std::as_bytes(std::span(bytes)), offset, out);
}

bool BlkBackend::write_config(std::uint32_t offset, std::span<const std::byte> in,
                              bool /*migration*/) noexcept {
    // Generic front ends write the whole space; the driver may change only one byte.
    if (offset > Config::writeback_at || Config::writeback_at - offset >= in.size()) return true;
    const auto writeback = in[Config::writeback_at - offset];
    if (writeback > std::byte{1}) return false;
    config_.writeback = writeback == std::byte{1};
    apply_mode();
    return true;
}

void BlkBackend::reset_device(virtio::ResetCause cause) {
    if (cause == virtio::ResetCause::session_end) warned_ = false;
    // A guest that was only paused keeps its state.
    if (cause == virtio::ResetCause::status) return;
    config_.writeback = true;
    accepted_ = 0;
    apply_mode();
}

void BlkBackend::apply_mode() {
    const auto accepted = [this](std::uint64_t bit) { return (accepted_ & bit) != 0; };
    BlockDevice::Mode mode;
    mode.zoned = accepted(feature::zoned);
    mode.discard = accepted(feature::discard);
    mode.write_zeroes = accepted(feature::write_zeroes);
    // A driver that can't flush can't have a volatile cache either.
    mode.write_through =
        !accepted(feature::flush) || (accepted(feature::config_wce) && !config_.writeback);
    with_devices([&](virtio::Device& device) { static_cast<BlockDevice&>(device).set_mode(mode); });
}

}  // namespace zonebridge::service
