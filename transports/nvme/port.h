// The way to one NVMe namespace, a command at a time: what discovery stands on, and what a test
// puts a lying device behind.
//
// Threads: as the implementation says.
// Ownership: borrows the data of a call until it returns.
#pragma once

#include <cstdint>
#include <span>

#include "zns/command.h"

namespace zonebridge::nvme {

/// How a command ended, in Linux's way.
struct Answer {
    /// 0: done. Negative: errno, and the device may not have seen it. Positive: the status field
    /// with its flags.
    std::int32_t value = 0;
    std::uint64_t result = 0;  ///< The completion's command specific words.
};

class Port {
  public:
    virtual ~Port() = default;
    /// Identify with a structure `cns` of a command set `csi`, into 4096 bytes.
    [[nodiscard]] virtual Answer identify(std::uint8_t cns, std::uint8_t csi,
                                          std::span<std::uint8_t> data) = 0;
    /// An I/O command with one flat buffer, or none.
    [[nodiscard]] virtual Answer send(const zns::Command& command,
                                      std::span<std::uint8_t> data) = 0;
    [[nodiscard]] virtual std::uint32_t nsid() const noexcept = 0;
};

}  // namespace zonebridge::nvme
