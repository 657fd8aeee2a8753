// The virtio-scsi device that a vhost-user front end finds: its features, its configuration space, and
// the logical units behind it.
//
// Threads: as service/backend.h.
// Ownership: borrows the workers and the logical units.
#pragma once

#include <memory>
#include <vector>

#include "service/backend.h"
#include "virtio-scsi/controller.h"
#include "virtio-scsi/wire.h"

namespace zonebridge::service {

class ScsiBackend final : public DeviceBackend {
    struct Private {};

  public:
    /// At least one unit.
    [[nodiscard]] static tl::expected<std::unique_ptr<ScsiBackend>, Error> open(
        std::span<const std::unique_ptr<Worker>> workers, std::vector<virtio_scsi::Unit> units,
        std::uint16_t request_queues);

    ScsiBackend(Private, std::span<const std::unique_ptr<Worker>> workers,
                std::vector<virtio_scsi::Unit> units);  // by open()

    [[nodiscard]] std::uint64_t features() const noexcept override;
    [[nodiscard]] std::uint16_t queue_count() const noexcept override {
        return static_cast<std::uint16_t>(virtio_scsi::first_request_queue + config_.num_queues);
    }
    void read_config(std::uint32_t offset, std::span<std::byte> out) noexcept override;
    [[nodiscard]] bool write_config(std::uint32_t offset, std::span<const std::byte> in,
                                    bool migration) noexcept override;

  private:
    void reset_device(virtio::ResetCause cause) override;
    void apply_sizes();

    std::vector<virtio_scsi::Unit> units_;
    virtio_scsi::Config config_;
};

}  // namespace zonebridge::service
