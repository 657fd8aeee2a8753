// For all tests of the emulated disk: a scratch folder, and a disk with one queue.
//
// Threads: a Rig belongs to the thread that made it.
// Ownership: a Rig owns its disk, its ring and its queue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/support/driver.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/emulated.h"
#include "transports/ring.h"
#include "zone/transport.h"

namespace zonebridge::emulated {

using test::Bytes;
using test::Driver;
using test::pattern;

/// Zones of small_shape().
inline constexpr std::uint64_t zone_size = 64 << 10;
inline constexpr std::uint64_t capacity = 48 << 10;

/// A temporary folder. The destructor removes it.
class ScratchFolder {
  public:
    /// `memory` is /dev/shm, where syncs cost nothing. The folder is on the disk if /dev/shm does
    /// not exist or is read-only: the tests check the same there, but take longer.
    enum class Place { disk, memory };
    explicit ScratchFolder(Place place = Place::disk);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

/// A disk in a host file, opened through the public interface.
class Rig {
  public:
    explicit Rig(const std::string& path, bool writable = true);
    ~Rig();
    Driver& operator*() noexcept { return *driver_; }
    Driver* operator->() noexcept { return driver_.get(); }
    [[nodiscard]] Transport& transport() noexcept { return *transport_; }
    [[nodiscard]] Ring& ring() noexcept { return *ring_; }
    tl::expected<void, Error> close();

  private:
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Driver> driver_;
};

/// A base of fixtures: a disk in a scratch folder that a test creates and reopens.
class DiskInFile {
  protected:
    explicit DiskInFile(ScratchFolder::Place place = ScratchFolder::Place::disk) : folder_(place) {}

    void make(const Shape& shape);
    void reopen();
    Driver& disk() { return **rig_; }
    /// The bytes that the file takes in the host's file system.
    [[nodiscard]] std::uint64_t space_used() const;

    ScratchFolder folder_;
    std::string path_ = folder_.file("disk");
    std::optional<Rig> rig_;
};

/// 2 conventional and 14 sequential zones of 64 KiB with a capacity of 48 KiB; the last is short.
[[nodiscard]] Shape small_shape();

}  // namespace zonebridge::emulated
