// What the emulated disk's tests share: a scratch folder, and a disk with one queue that is driven
// request by request.
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

/// A folder that is gone when the test is.
class ScratchFolder {
  public:
    /// In memory, where there is such a place, syncs cost nothing.
    enum class Place { disk, memory };
    explicit ScratchFolder(Place place = Place::disk);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

/// A disk in a host file, opened through the public face.
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

/// For fixtures: a disk in a scratch folder, made by the test and opened again and again.
class DiskInFile {
  protected:
    explicit DiskInFile(ScratchFolder::Place place = ScratchFolder::Place::disk) : folder_(place) {}

    void make(const Shape& shape);
    void reopen();
    Driver& disk() { return **rig_; }
    /// Bytes of the host's file system.
    [[nodiscard]] std::uint64_t space_used() const;

    ScratchFolder folder_;
    std::string path_ = folder_.file("disk");
    std::optional<Rig> rig_;
};

/// 2 conventional and 14 sequential zones of 64 KiB, 48 KiB of them writable; the last is short.
[[nodiscard]] Shape small_shape();

}  // namespace zonebridge::emulated
