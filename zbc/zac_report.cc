#include "zbc/zac_report.h"

#include "base/bytes.h"
#include "zbc/report.h"

namespace zonebridge::zbc::zac {
std::optional<ReportListHeader> decode_report_header(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    if (!view.covers(0, report_header_length)) return std::nullopt;
    return ReportListHeader{view.le32(0), view.le64(8), view.le64(16)};
}

std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                              std::size_t index) noexcept {
    if (index >= bytes.size() / zone_descriptor_length) return std::nullopt;
    const auto at = report_header_length + index * zone_descriptor_length;
    const ByteView all(bytes);
    if (!all.covers(at, zone_descriptor_length)) return std::nullopt;
    const auto view = all.sub(at, zone_descriptor_length);
    return RawZone{static_cast<std::uint8_t>(view.u8(0) & 0x0F),
                   static_cast<std::uint8_t>(view.u8(1) >> 4), view.le64(8), view.le64(16),
                   view.le64(24)};
}

}  // namespace zonebridge::zbc::zac
