// REPORT ZONES EXT data: ZBC's layout in ATA's byte order (ZAC-2 "Report Zones data"). What the
// fields mean is zbc/report_decode.h's to say.
//
// Ownership: none; views borrow their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zbc/report_decode.h"

namespace zonebridge::zbc::zac {

/// Nothing if there are fewer than the header's 64 bytes.
[[nodiscard]] std::optional<ReportListHeader> decode_report_header(
    std::span<const std::uint8_t> bytes) noexcept;

/// Descriptor `index` of the reply `bytes`; nothing if not all of it is there.
[[nodiscard]] std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                                            std::size_t index) noexcept;

}  // namespace zonebridge::zbc::zac
