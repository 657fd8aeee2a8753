// The virtio-blk device of a session: its features, its configuration space, and the disk behind
// it.
//
// Threads: as service/backend.h.
// Ownership: borrows the workers and the disk.
#pragma once

#include <cstdint>
#include <memory>

#include "service/backend.h"
#include "virtio-blk/config.h"
#include "virtio-blk/device.h"
#include "zone/transport.h"

namespace zonebridge::service {

class BlkBackend final : public DeviceBackend {
    struct Private {};

  public:
    /// `refusals`: receives what the device refuses by itself; may be null.
    [[nodiscard]] static tl::expected<std::unique_ptr<BlkBackend>, Error> open(
        std::span<const std::unique_ptr<Worker>> workers, Transport& disk, std::uint16_t queues,
        RefusalSink* refusals = nullptr);

    BlkBackend(Private, std::span<const std::unique_ptr<Worker>> workers, Transport& disk,
               std::uint16_t queues);  // by open()

    [[nodiscard]] std::uint64_t features() const noexcept override;
    [[nodiscard]] std::uint16_t queue_count() const noexcept override { return config_.num_queues; }
    [[nodiscard]] std::optional<std::string> objection(std::uint64_t features) const override;
    /// Accepts drivers without F_ZONED too, and logs what happens to their requests.
    [[nodiscard]] tl::expected<void, std::string> set_features(std::uint64_t features) override;
    void read_config(std::uint32_t offset, std::span<std::byte> out) noexcept override;
    /// The disk has another size: the front end is told to read the configuration space again. Any
    /// thread.
    void disk_resized() { raise({virtio::BackendEvent::Kind::config_changed, {}}); }
    [[nodiscard]] bool write_config(std::uint32_t offset, std::span<const std::byte> in,
                                    bool migration) noexcept override;

  private:
    void reset_device(virtio::ResetCause cause) override;
    /// Logs once a session that the front end can't carry the zones, or that it does after all.
    void log_whether_zoned();
    void apply_mode();

    Transport& disk_;
    virtio_blk::Config config_;
    std::uint64_t accepted_ = 0;
    bool warned_ = false;  // in this session, since F_ZONED was last accepted
};

}  // namespace zonebridge::service
