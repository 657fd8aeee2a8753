// The virtio-scsi device of a session: its features, its configuration space, and its logical
// units, which can be added and removed while it runs.
//
// Threads: as service/backend.h; the functions of Units as service/units.h.
// Ownership: borrows the workers and the logical units.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "service/answers.h"
#include "service/backend.h"
#include "service/units.h"
#include "virtio-scsi/controller.h"
#include "virtio-scsi/wire.h"

namespace zonebridge::service {

class ScsiBackend final : public DeviceBackend, public Units {
    struct Private {};

  public:
    /// Any number of units, with different numbers less than virtio_scsi::max_luns. The guest is
    /// promised limits that all of them support, and a unit added later has to support these, too.
    [[nodiscard]] static tl::expected<std::unique_ptr<ScsiBackend>, Error> open(
        std::span<const std::unique_ptr<Worker>> workers, std::vector<virtio_scsi::Unit> units,
        std::uint16_t request_queues);

    ScsiBackend(Private, std::span<const std::unique_ptr<Worker>> workers,
                std::vector<virtio_scsi::Unit> units);  // by open()

    [[nodiscard]] std::uint64_t features() const noexcept override;
    [[nodiscard]] std::uint16_t queue_count() const noexcept override {
        return static_cast<std::uint16_t>(virtio_scsi::first_request_queue + config_.num_queues);
    }
    [[nodiscard]] tl::expected<void, std::string> set_features(std::uint64_t features) override;
    void read_config(std::uint32_t offset, std::span<std::byte> out) noexcept override;
    [[nodiscard]] bool write_config(std::uint32_t offset, std::span<const std::byte> in,
                                    bool migration) noexcept override;

    [[nodiscard]] tl::expected<void, Error> add(const virtio_scsi::Unit& unit) override;
    void announce_removal(std::uint16_t lun) override;
    [[nodiscard]] Removed remove(std::uint16_t lun, std::chrono::milliseconds limit) override;
    void changed(std::uint16_t lun, zbc::Attention what) override;

  private:
    void continue_guest() override;
    void reset_device(virtio::ResetCause cause) override;
    void apply_sizes();
    void join_controllers();
    [[nodiscard]] tl::expected<void, Error> check(const virtio_scsi::Unit& unit) const;
    [[nodiscard]] const virtio_scsi::Unit* find(std::uint16_t lun) const noexcept;
    /// Removes a unit from the guest, unless that was done before; nothing if there is none.
    [[nodiscard]] std::optional<Answers<Done>> retire(std::uint16_t lun);
    void raise_luns_changed(std::uint16_t but);
    void report(const virtio_scsi::Event& event);

    virtio_scsi::Config config_;  // the fields that the driver may not write never change
    /// A unit that was removed from the guest, until its last command has ended on every worker.
    struct Leaving {
        std::uint16_t lun;
        Answers<Done> drained;
    };

    // Workers never take the lock, so a thread may hold it while it waits for a worker to take a
    // message. No thread holds it while it waits for a disk: the session needs it to accept
    // features and to reset the device.
    std::mutex units_lock_;
    std::vector<virtio_scsi::Unit> units_;  // under units_lock_
    std::vector<Leaving> leaving_;          // under units_lock_
    bool hears_of_units_ = false;           // under units_lock_: the driver accepts hotplug events
};

}  // namespace zonebridge::service
