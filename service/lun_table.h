// The disks that a virtio-scsi device serves, by their numbers: opened, shown to the guest, taken away
// from it, opened again, closed.
//
// Threads: any but the workers' own, one at a time; hurry() from any thread, at any time.
// Ownership: owns the disks and the logical units in front of them; borrows the running device, which
// is gone before close().
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

#include "service/disk.h"
#include "service/guest_device.h"
#include "service/limits.h"
#include "service/steady_unit.h"
#include "service/units.h"
#include "zone/status.h"

namespace zonebridge::service {

/// How a disk is opened that is added to a running server.
struct LunOptions {
    bool read_only = false;
    bool translate = false;  ///< As DiskOptions has them, as all of these.
    bool force = false;
    std::vector<std::string> allow;
};

/// A disk as it is served.
struct LunInfo {
    std::uint16_t number = 0;
    std::string device;  ///< As it was named.
    bool read_only = false;
    bool passed_through = false;
    Limits limits;
    Identity identity;
};

/// How a removed disk was left by the guest.
enum class Removal : std::uint8_t {
    announced,  ///< The guest is told, and has time to write out what it holds.
    now,        ///< What is under way is finished, and no more.
};

class LunTable {
  public:
    static constexpr std::uint16_t most_number = virtio_scsi::max_luns - 1;

    /// Who hears of what the disk of this number refuses; null: nobody.
    using RefusalsOf = std::function<RefusalSink*(std::uint16_t number)>;

    /// `options`: how the disks are opened that are there from the start; those that are added have its
    /// kind, data path and URSWRZ. `refusals` instead of the options' own, where it is given.
    /// `limit`: how long a disk may take to give back commands when it is removed or opened again.
    explicit LunTable(DiskOptions options, RefusalsOf refusals = {},
                      std::chrono::milliseconds limit = disk_limit);
    LunTable(const LunTable&) = delete;
    LunTable& operator=(const LunTable&) = delete;
    /// No device runs on it.
    ~LunTable();

    // ---- Before a device runs, and after it.

    /// Opens a disk as this number, which is free.
    [[nodiscard]] tl::expected<void, Error> open(std::uint16_t number, const std::string& device);
    /// In the order of their numbers; good until the next change.
    [[nodiscard]] std::vector<NumberedDisk> disks();
    /// Closes them all; the first error.
    [[nodiscard]] tl::expected<void, Error> close();

    /// What is changed from here on is changed under a guest.
    void run(Units& units) noexcept { units_ = &units; }

    // ---- While a device runs.

    /// Refused: a number that is taken or too large, whatever a disk can't be opened for, and what the
    /// device refuses.
    [[nodiscard]] tl::expected<LunInfo, Error> add(std::uint16_t number, const std::string& device,
                                                   const LunOptions& options);
    /// The guest is told; its commands are served until there were none for a second, for at most ten;
    /// then the unit goes, and the disk is flushed and closed. An error is about that last part, but for
    /// a number that is not there: the unit is gone for the guest, whatever comes. Where the disk does not
    /// give back its commands in time, it stays open, and its number taken: another call tries again.
    [[nodiscard]] tl::expected<void, Error> remove(std::uint16_t number, Removal how);

    struct Refreshed {
        LunInfo info;
        std::uint64_t size_before = 0;  ///< Bytes.
    };
    /// Closes the disk and opens it again, since its size may be another now; the guest's commands wait
    /// meanwhile. If the size is another, the guest is told. If it can't be opened again, or another
    /// disk is behind its name now, the unit is gone, and the guest is told that. If the disk does not
    /// give back its commands in time, nothing has changed.
    [[nodiscard]] tl::expected<Refreshed, Error> refresh(std::uint16_t number);

    [[nodiscard]] std::vector<LunInfo> list() const;

    /// Removals don't wait for the guest any more, from now on.
    void hurry();

  private:
    struct Lun {
        std::string device;
        DiskOptions options;
        std::unique_ptr<Disk> disk;
        std::unique_ptr<SteadyUnit> unit;  // null: not GuestDeviceKind::scsi
        bool leaving = false;  // taken from the guest, and its disk holds commands still
    };
    using Luns = std::map<std::uint16_t, Lun>;

    [[nodiscard]] static tl::expected<Lun, Error> open_lun(const std::string& device,
                                                           const DiskOptions& options);
    [[nodiscard]] static LunInfo info_of(std::uint16_t number, const Lun& lun);
    [[nodiscard]] tl::expected<Luns::iterator, Error> find(std::uint16_t number);
    [[nodiscard]] tl::expected<std::unique_ptr<Disk>, Error> reopen(Lun& lun);
    void wait_until_quiet(const SteadyUnit& unit);
    /// An error while the disk holds commands; everything of the unit's is in use then.
    [[nodiscard]] tl::expected<void, Error> take_out(std::uint16_t number, Lun& lun);

    [[nodiscard]] DiskOptions options_for(std::uint16_t number) const;

    const DiskOptions options_;
    const RefusalsOf refusals_;
    const std::chrono::milliseconds limit_;
    Luns luns_;
    Units* units_ = nullptr;
    std::mutex hurry_lock_;
    std::condition_variable hurried_;
    bool hurry_ = false;  // under hurry_lock_
};

/// Linux's drivers take no zones but of a power of two; another system's may. Says so in the log.
void warn_of_odd_zones(const std::string& device, const Layout& layout);

}  // namespace zonebridge::service
