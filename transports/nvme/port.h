// Sends single commands to one NVMe namespace, and the meaning of Linux's answers. Discovery uses
// it; tests substitute a device that reports false data.
//
// Threads: see the implementation.
// Ownership: borrows the data of a call until it returns.
#pragma once

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "zns/command.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::nvme {

/// The result of a command, as Linux returns it.
struct Answer {
    /// 0: done. Negative: errno, and the device may not have received the command. Positive: the
    /// status field with its flags.
    std::int32_t value = 0;
    std::uint64_t result = 0;  ///< The completion's command specific words.
};

/// The errno of an ioctl on a multipath node after its last controller went away.
inline constexpr int no_path = EAGAIN;
inline constexpr std::string_view no_path_words =
    "the namespace is gone: no controller leads to it any more; connect it again";

[[nodiscard]] Status status_of(const Answer& answer, Operation operation) noexcept;

/// Why a command failed, as the end of a message: "not permitted; ...", "Invalid Field in Command
/// (NVMe status 0/02)". `value`: Answer::value.
[[nodiscard]] std::string words_of(std::int32_t value);

class Port {
  public:
    virtual ~Port() = default;
    /// Reads Identify structure `cns` of command set `csi`, 4096 bytes.
    [[nodiscard]] virtual Answer identify(std::uint8_t cns, std::uint8_t csi,
                                          std::span<std::uint8_t> data) = 0;
    /// Sends an I/O command with one flat buffer, or none.
    [[nodiscard]] virtual Answer send(const zns::Command& command,
                                      std::span<std::uint8_t> data) = 0;
    [[nodiscard]] virtual std::uint32_t nsid() const noexcept = 0;
};

}  // namespace zonebridge::nvme
