// Reads a disk's zone report command by command, checks each reply, and folds gaps into the zones
// before them.
//
// Threads: belongs to the thread that runs it.
// Ownership: borrows its port and its dialect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "transports/scsi/dialect.h"
#include "transports/scsi/port.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::scsi {

class Reporter {
  public:
    struct Failure {
        Status status;
        std::string words;
    };

    /// `size`: the disk's, in bytes; `most`: bytes of one reply, at least 512.
    Reporter(Port& port, const Dialect& dialect, std::uint32_t block_size, std::uint64_t size,
             std::uint64_t most) noexcept;

    /// Fills `zones` from the zone that holds `offset` on; returns the number. Fails with the
    /// device's status, or with io_error on an impossible report: zones that do not follow one
    /// another, the wrong first zone, no zones, false lengths.
    [[nodiscard]] tl::expected<std::size_t, Failure> report(std::uint64_t offset,
                                                            std::span<Zone> zones);

  private:
    Port& port_;
    const Dialect& dialect_;
    std::uint32_t block_size_;
    std::uint64_t size_;
    std::size_t most_;
};

}  // namespace zonebridge::scsi
