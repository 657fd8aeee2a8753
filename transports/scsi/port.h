// Sends one CDB as a blocking pass-through command to one disk. The boundary between the commands
// (ZBC or ZAC) and the kernel's transport of them; tests substitute a simulated disk.
//
// Threads: run() from any thread, concurrently.
// Ownership: borrows a command's CDB and buffers for the time of the call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

#include "zbc/cdb.h"

namespace zonebridge::scsi {

using zbc::Direction;

struct Command {
    std::span<const std::uint8_t> cdb;  ///< 6 to 32 bytes.
    Direction direction = Direction::none;
    std::span<const iovec> data = {};
    std::uint32_t length = 0;  ///< Bytes in `data`.
    std::uint32_t timeout_ms = 30'000;
};

/// The result of a command, from the disk and the kernel.
struct Answer {
    /// errno of a command that the kernel did not complete; the other fields are then meaningless.
    int os_error = 0;
    std::uint8_t status = 0;       ///< SAM status: 00h good, 02h check condition, ...
    std::uint16_t host = 0;        ///< Linux host byte (DID_*), 0: no error.
    std::uint16_t driver = 0;      ///< Linux driver byte without its sense bit.
    std::uint32_t residual = 0;    ///< Bytes not transferred.
    std::size_t sense_length = 0;  ///< Bytes of `sense` that the disk returned.
    std::array<std::uint8_t, 96> sense{};

    [[nodiscard]] std::span<const std::uint8_t> sense_bytes() const noexcept {
        return std::span(sense).first(sense_length < sense.size() ? sense_length : sense.size());
    }
};

class Port {
  public:
    virtual ~Port() = default;
    [[nodiscard]] virtual Answer run(const Command& command) noexcept = 0;
};

}  // namespace zonebridge::scsi
