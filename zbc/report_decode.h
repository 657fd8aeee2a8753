// A host's decoder of a disk's REPORT ZONES data. All of the data may be wrong.
//
// The decoder checks that no number leads outside the bytes or overflows, and that types, conditions
// and write pointers are valid. zone/survey.h checks where the zones lie.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "zbc/report.h"
#include "zone/types.h"

namespace zonebridge::zbc {

/// A zone descriptor's fields as they are, in logical blocks.
struct RawZone {
    std::uint8_t type = 0;
    std::uint8_t condition = 0;
    std::uint64_t length = 0;
    std::uint64_t start = 0;
    std::uint64_t write_pointer = 0;
};

struct ReportListHeader {
    std::uint32_t list_bytes = 0;  ///< ZONE LIST LENGTH: bytes of descriptors that the disk has.
    std::uint64_t max_lba = 0;
    std::uint64_t granularity_blocks = 0;  ///< Zone starting LBA granularity; 0: not used.
};

/// Nothing if there are fewer than the header's 64 bytes.
[[nodiscard]] std::optional<ReportListHeader> decode_report_header(
    std::span<const std::uint8_t> bytes) noexcept;

/// Descriptor `index` of the reply `bytes`; nothing if not all of it is there.
[[nodiscard]] std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                                            std::size_t index) noexcept;

/// The number of whole descriptors in a reply: as many as its header says, and as arrived.
[[nodiscard]] std::size_t descriptors_in(const ReportListHeader& header,
                                         std::size_t reply_bytes) noexcept;

/// The zone in bytes, with the model's write pointer: absent for conventional, gap, full, read-only and
/// offline zones. Errors, in words without the zone's number: types and conditions that are reserved
/// or not supported (sequential or before required, inactive), a length of 0, numbers that overflow,
/// write pointers outside their zone.
[[nodiscard]] tl::expected<ReportedZone, std::string> read_zone(const RawZone& raw,
                                                                std::uint32_t block_size);

/// Joins a zone and the gap zone after it, which ZBC reports as two, into the model's one zone. Belongs
/// to one thread.
class ZoneFolder {
  public:
    /// Takes the next reported zone. Returns the zone before it, which is complete then, if there is
    /// one. Errors: a gap zone that is the first, that does not follow its zone directly, or that
    /// follows a conventional zone.
    [[nodiscard]] tl::expected<std::optional<Zone>, std::string> add(const ReportedZone& zone);
    /// The last zone, at the disk's end.
    [[nodiscard]] std::optional<Zone> finish() noexcept;

  private:
    std::optional<Zone> pending_;
};

}  // namespace zonebridge::zbc
