// Where a CDB goes: one blocking pass-through command to one disk. The boundary between what is
// said to a disk (ZBC or ZAC) and how the kernel carries it; tests put a simulated disk behind it.
//
// Threads: run() from any thread, several at once.
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

/// How it ended, as the disk and the kernel told it.
struct Answer {
    /// errno of a command the kernel did not carry to its end; the rest then says nothing.
    int os_error = 0;
    std::uint8_t status = 0;       ///< SAM status: 00h good, 02h check condition, ...
    std::uint16_t host = 0;        ///< Linux host byte (DID_*), 0: fine.
    std::uint16_t driver = 0;      ///< Linux driver byte without its sense bit.
    std::uint32_t residual = 0;    ///< Bytes not transferred.
    std::size_t sense_length = 0;  ///< Bytes of `sense` that the disk gave.
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
