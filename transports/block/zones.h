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

/// Room for one report: the kernel's header and the zones behind it.
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

/// The boundary to the kernel; tests put a made-up disk behind it.
class ZonePort {
  public:
    enum class From : std::uint8_t {
        device,  ///< What the device says now.
        /// What the kernel remembers, where it does (Linux 6.19): fast on a disk of many zones, but
        /// open and closed ones are not told apart (condition FFh).
        memory,
    };

    virtual ~ZonePort() = default;
    /// Fills `buffer` with at most `most` zones (1 or more) from the one that holds byte `offset`
    /// on; returns how many, or errno.
    [[nodiscard]] virtual tl::expected<std::size_t, int> report(std::uint64_t offset,
                                                                std::size_t most, From from,
                                                                ReportBuffer& buffer) noexcept = 0;
    /// An action on every zone in these bytes; errno, or 0. A reset of the whole disk passes over
    /// conventional zones; nothing else does.
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
    std::atomic<bool> remembers_{true};  // until the kernel says that it does not
};

/// A zone of a report as the model has it: write pointers only where the standards give them a
/// meaning, an empty zone's at its start, a capacity for every zone. What is no state or type at
/// all stays so, for zone/survey to refuse. `flags`: the report's.
[[nodiscard]] Zone to_zone(const blk_zone& raw, std::uint32_t flags, ZonePort::From from) noexcept;

}  // namespace zonebridge::block
