// The disks that a device serves, by their numbers: opens them, adds them to a running guest,
// removes them from it, opens them again, closes them.
//
// Threads: any except the workers': before a device runs and after it one at a time, while it runs
// any, which wait for each other; hurry() on any thread, at any time.
// Ownership: owns the disks and the logical units in front of them; borrows the running device,
// which is gone before close().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/descriptors.h"
#include "service/disk.h"
#include "service/guest_device.h"
#include "service/limits.h"
#include "service/steady_unit.h"
#include "service/units.h"
#include "zone/status.h"

namespace zonebridge::service {

/// How to open a disk that is added to a running server; the fields are those of DiskOptions.
struct LunOptions {
    bool read_only = false;
    bool translate = false;
    bool force = false;
    bool accept_loss = false;
    std::vector<std::string> allow;
};

/// A served disk.
struct LunInfo {
    std::uint16_t number = 0;
    std::string device;  ///< As the user named it.
    bool read_only = false;
    bool passed_through = false;
    /// Removed from the guest, but the disk still holds commands, so it stays open.
    bool removing = false;
    Limits limits;
    Identity identity;
};

/// How a disk is removed from the guest.
enum class Removal : std::uint8_t {
    announced,  ///< The guest is notified, and has time to write out its cached data.
    now,        ///< Only commands in flight are finished.
};

class LunTable {
  public:
    static constexpr std::uint16_t most_number = virtio_scsi::max_luns - 1;

    /// The sink for the refusals of the disk of this number; may return null.
    using RefusalsOf = std::function<RefusalSink*(std::uint16_t number)>;

    /// `options`: how to open the disks that are there from the start; disks added later have its
    /// kind, data path and URSWRZ. `refusals`, if given, replaces the options' own. `limit`: how
    /// long a disk may take to return commands when it is removed or opened again.
    explicit LunTable(DiskOptions options, RefusalsOf refusals = {},
                      std::chrono::milliseconds limit = disk_limit);
    LunTable(const LunTable&) = delete;
    LunTable& operator=(const LunTable&) = delete;
    /// Requires that no device uses the table any more.
    ~LunTable();

    // ---- Before a device runs, and after it.

    /// From now on no disk is opened for which that has too little.
    void keep_to(const DescriptorBudget& budget) noexcept { budget_ = &budget; }
    /// Opens a disk as this number, which is free.
    [[nodiscard]] tl::expected<void, Error> open(std::uint16_t number, const std::string& device);
    /// In the order of their numbers; valid until the next change.
    [[nodiscard]] std::vector<NumberedDisk> disks();
    /// Closes all disks; returns the first error.
    [[nodiscard]] tl::expected<void, Error> close();

    /// A device runs from here on: add(), remove() and refresh() apply to it.
    void run(Units& units) noexcept { units_ = &units; }

    // ---- While a device runs.

    /// Refused: a number that is taken or too large, a disk that can't be opened, and a unit that
    /// the device refuses.
    [[nodiscard]] tl::expected<LunInfo, Error> add(std::uint16_t number, const std::string& device,
                                                   const LunOptions& options);
    /// Notifies the guest, serves its commands until none came for a second, for at most ten
    /// seconds, then removes the unit, flushes the disk and closes it. The unit is gone for the
    /// guest even after an error, except for a number that is not there. If the disk does not
    /// return its commands in time, it stays open and its number taken: another call tries again.
    [[nodiscard]] tl::expected<void, Error> remove(std::uint16_t number, Removal how);

    struct Refreshed {
        LunInfo info;
        std::uint64_t size_before = 0;  ///< Bytes.
    };
    /// Closes the disk and opens it again, since its size may have changed; the guest's commands
    /// wait meanwhile. A changed size is announced to the guest. If the disk can't be opened again,
    /// or another disk has its name now, the unit is removed and the guest notified. If the disk
    /// does not return its commands in time, nothing changes.
    [[nodiscard]] tl::expected<Refreshed, Error> refresh(std::uint16_t number);

    [[nodiscard]] std::vector<LunInfo> list() const;

    /// Looks whether disks without zones have another size now (Transport::look_at_size); calls
    /// `resized` with the number of each that has, and logs the change.
    void look_at_sizes(const std::function<void(std::uint16_t number)>& resized);

    /// From now on removals don't wait for the guest.
    void hurry();

  private:
    struct Lun {
        std::string device;
        DiskOptions options;
        std::unique_ptr<GuestDisk> disk;
        std::unique_ptr<SteadyUnit> unit;  // null unless GuestDeviceKind::scsi
        std::uint64_t opened_size = 0;     // the disk's, when it was opened last
        bool leaving = false;  // removed from the guest, but its disk still holds commands
    };
    using Luns = std::map<std::uint16_t, Lun>;

    [[nodiscard]] tl::expected<Lun, Error> open_lun(const std::string& device,
                                                    const DiskOptions& options) const;
    [[nodiscard]] static LunInfo info_of(std::uint16_t number, const Lun& lun);
    [[nodiscard]] tl::expected<Luns::iterator, Error> find(std::uint16_t number);
    [[nodiscard]] tl::expected<std::unique_ptr<GuestDisk>, Error> reopen(Lun& lun);
    void wait_until_quiet(const SteadyUnit& unit);
    /// An error while the disk holds commands; the unit, its disk and its number stay in use then.
    [[nodiscard]] tl::expected<void, Error> take_out(std::uint16_t number, Lun& lun);

    [[nodiscard]] DiskOptions options_for(std::uint16_t number) const;

    const DiskOptions options_;
    const RefusalsOf refusals_;
    const std::chrono::milliseconds limit_;
    Luns luns_;
    const DescriptorBudget* budget_ = nullptr;
    Units* units_ = nullptr;
    mutable std::mutex turn_;  // of the calls while a device runs
    std::mutex hurry_lock_;
    std::condition_variable hurried_;
    bool hurry_ = false;  // under hurry_lock_
};

/// Logs a warning if the zone size is no power of two: Linux's drivers refuse such zones, other
/// systems may accept them.
void warn_of_odd_zones(const std::string& device, const Layout& layout);

}  // namespace zonebridge::service
