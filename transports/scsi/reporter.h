// Walks a disk's zone report: command after command, each reply held against what was asked, gaps
// folded into the zones before them.
//
// Threads: belongs to whoever runs it.
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

    /// `size`: the disk's, in bytes; `most`: bytes in one reply, at least 512.
    Reporter(Port& port, const Dialect& dialect, std::uint32_t block_size, std::uint64_t size,
             std::uint64_t most) noexcept;

    /// Fills `zones` from the zone that holds `offset` on; returns how many. Fails with the
    /// device's status, or with io_error on a report that can't be: zones that do not follow one
    /// another, the wrong first zone, none at all, lengths that lie.
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
