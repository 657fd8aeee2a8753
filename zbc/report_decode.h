// REPORT ZONES data as a disk gives it, read by a host: nothing in it is believed.
//
// Threads: plain values and pure functions; a ZoneFolder belongs to one at a time.
// Ownership: none; views borrow their bytes.
//
// Here it is seen to that no number leads outside the bytes or overflows, and that types,
// conditions and write pointers are ones a host can live with. Whether the zones lie where zones
// have to is zone/survey.h's to say.
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
    std::uint32_t list_bytes = 0;  ///< ZONE LIST LENGTH: bytes of descriptors, in the disk's words.
    std::uint64_t max_lba = 0;
    std::uint64_t granularity_blocks = 0;  ///< Zone starting LBA granularity; 0: not used.
};

/// Nothing if there are fewer than the header's 64 bytes.
[[nodiscard]] std::optional<ReportListHeader> decode_report_header(
    std::span<const std::uint8_t> bytes) noexcept;

/// Descriptor `index` of the reply `bytes`; nothing if not all of it is there.
[[nodiscard]] std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                                            std::size_t index) noexcept;

/// How many whole descriptors a reply holds: as many as its header says, and as came.
[[nodiscard]] std::size_t descriptors_in(const ReportListHeader& header,
                                         std::size_t reply_bytes) noexcept;

/// The zone in bytes, its write pointer as the model has it: absent for conventional, gap, full,
/// read-only and offline zones whatever the field says. Refused, in words without the zone's
/// number: types and conditions that are reserved or not handled (sequential or before required,
/// inactive), lengths of nothing, numbers that overflow, write pointers outside their zone.
[[nodiscard]] tl::expected<ReportedZone, std::string> read_zone(const RawZone& raw,
                                                                std::uint32_t block_size);

/// Joins what ZBC reports as two, a zone and the gap behind it, into the model's one zone.
class ZoneFolder {
  public:
    /// Takes the next reported zone. Gives the one before it, which is whole by now, if there is
    /// one. Refused: a gap that nothing comes before, that is no direct follower, or that follows a
    /// conventional zone.
    [[nodiscard]] tl::expected<std::optional<Zone>, std::string> add(const ReportedZone& zone);
    /// The last zone, at the disk's end.
    [[nodiscard]] std::optional<Zone> finish() noexcept;

  private:
    std::optional<Zone> pending_;
};

}  // namespace zonebridge::zbc
