// A block device's zones by the kernel's ioctls: reports and actions.
//
// Threads: any, several at once; a ReportBuffer is used by one at a time.
// Ownership: borrows the file descriptor; a ReportBuffer owns its memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <linux/blkzoned.h>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "zone/request.h"
#include "zone/types.h"

namespace zonebridge::block {

/// Memory for one report: the kernel's header and the zones after it.
class ReportBuffer {
  public:
    explicit ReportBuffer(std::size_t zones);

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] blk_zone_report& header() noexcept;
    [[nodiscard]] blk_zone* zones() noexcept;

  private:
    std::size_t capacity_;
    std::vector<std::uint64_t> memory_;
};

/// The boundary to the kernel; tests substitute a simulated disk.
class ZonePort {
  public:
    enum class From : std::uint8_t {
        device,  ///< The device's current state.
        /// The kernel's cached state, if it has one (Linux 6.19): fast on a disk with many zones,
        /// but does not distinguish open from closed zones (condition FFh).
        memory,
    };

    virtual ~ZonePort() = default;
    /// Fills `buffer` with at most `most` zones (1 or more) from the one that holds byte `offset`
    /// on; returns their number, or errno.
    [[nodiscard]] virtual tl::expected<std::size_t, int> report(std::uint64_t offset,
                                                                std::size_t most, From from,
                                                                ReportBuffer& buffer) noexcept = 0;
    /// An action on every zone in these bytes; errno, or 0. Only a reset of the whole disk skips
    /// conventional zones.
    [[nodiscard]] virtual int act(Operation operation, std::uint64_t offset,
                                  std::uint64_t length) noexcept = 0;
};

class KernelZones final : public ZonePort {
  public:
    explicit KernelZones(int fd) : fd_(fd) {}

    tl::expected<std::size_t, int> report(std::uint64_t offset, std::size_t most, From from,
                                          ReportBuffer& buffer) noexcept override;
    int act(Operation operation, std::uint64_t offset, std::uint64_t length) noexcept override;

  private:
    int fd_;
    std::atomic<bool> remembers_{true};  // until the kernel refuses the ioctl
};

/// Converts a reported zone to the model: a write pointer only if the standards define it, at the
/// start for an empty zone; a capacity for every zone. Invalid states and types are kept, for
/// zone/survey to refuse. `flags`: the report's.
[[nodiscard]] Zone to_zone(const blk_zone& raw, std::uint32_t flags, ZonePort::From from) noexcept;

}  // namespace zonebridge::block
