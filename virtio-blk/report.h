// Zone reports: filled one buffer of zones at a time, each continuing where the last piece ended,
// so that the cost of a report grows with its descriptors only.
//
// Ownership: Reports owns a few buffers, made at construction; a Report borrows one of them, and
// the driver's memory.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "base/iovec.h"
#include "zone/request.h"
#include "zone/types.h"

namespace zonebridge::virtio_blk {

class Report {
  public:
    /// `tag`: of its requests. `offset`: in the first zone, in bytes. False: there is no room for
    /// a single zone.
    [[nodiscard]] bool begin(std::uint64_t tag, std::uint64_t offset, std::span<const iovec> reply,
                             std::uint64_t reply_length) noexcept;
    /// Asks the disk for the next piece. Requires a buffer.
    [[nodiscard]] Request ask() noexcept;
    /// Encodes the piece that the disk filled in. True: a further piece is needed; otherwise the
    /// report is complete.
    [[nodiscard]] bool take(std::uint64_t zones, std::uint64_t disk_size) noexcept;

  private:
    friend class Reports;

    /// The zones of one piece.
    using Buffer = std::array<Zone, 64>;

    std::uint64_t tag_ = 0;
    std::span<const iovec> reply_;
    IovecCursor cursor_;
    std::uint64_t position_ = 0;  // in the next zone to report
    std::uint64_t reported_ = 0;
    std::uint64_t room_ = 0;  // descriptors that fit
    Buffer* buffer_ = nullptr;
    Report* next_waiting_ = nullptr;
};

/// The reports that have a buffer, and those that wait for one, oldest first.
class Reports {
  public:
    Reports();
    Reports(const Reports&) = delete;
    Reports& operator=(const Reports&) = delete;

    /// True: the report has a buffer. Otherwise it waits until end() returns it.
    [[nodiscard]] bool admit(Report& report) noexcept;
    /// Takes the report's buffer; returns the report that has it now, if one has waited.
    [[nodiscard]] Report* end(Report& report) noexcept;

  private:
    std::vector<Report::Buffer> buffers_;
    std::vector<Report::Buffer*> free_;
    Report* first_waiting_ = nullptr;
    Report* last_waiting_ = nullptr;
};

}  // namespace zonebridge::virtio_blk
