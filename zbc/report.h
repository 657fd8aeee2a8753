// REPORT ZONES data: zone descriptors, which zones a reporting option lists, and the header.
//
// A zone of the model whose capacity is below its length is reported as two: a sequential zone as
// long as the capacity, and a gap zone after it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zone/types.h"

namespace zonebridge::zbc {

/// ZBC-2 "zone types".
enum class ReportedType : std::uint8_t {
    conventional = 1,
    sequential_write_required = 2,
    sequential_write_preferred = 3,
    sequential_or_before_required = 4,
    gap = 5,
};

/// A zone as ZBC reports it, but in bytes.
struct ReportedZone {
    ReportedType type = ReportedType::conventional;
    ZoneState state = ZoneState::not_write_pointer;
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    std::optional<std::uint64_t> write_pointer;

    friend bool operator==(const ReportedZone&, const ReportedZone&) = default;
};

[[nodiscard]] ReportedType reported_type(ZoneType type) noexcept;

/// The writable part of a zone of the model.
[[nodiscard]] ReportedZone reported_zone(const Zone& zone) noexcept;
/// The gap zone after it, if there is one.
[[nodiscard]] std::optional<ReportedZone> gap_after(const Zone& zone) noexcept;

// ---- Reporting options.

enum class ReportingOption : std::uint8_t {
    all = 0x00,
    empty = 0x01,
    implicitly_open = 0x02,
    explicitly_open = 0x03,
    closed = 0x04,
    full = 0x05,
    read_only = 0x06,
    offline = 0x07,
    inactive = 0x08,
    reset_recommended = 0x10,
    non_sequential_active = 0x11,
    all_but_gaps = 0x3E,
    not_write_pointer = 0x3F,
};

/// Nothing for a reserved value.
[[nodiscard]] std::optional<ReportingOption> parse_reporting_option(std::uint8_t value) noexcept;

/// Whether the option lists this zone. Zones of the model are never inactive, never have RESET
/// recommended, and never have non-sequential write resources active.
[[nodiscard]] bool lists(ReportingOption option, const ReportedZone& zone) noexcept;
/// Whether the option lists no zone of any state.
[[nodiscard]] bool lists_nothing(ReportingOption option) noexcept;
/// Whether the option lists zones without regard to their state.
[[nodiscard]] bool ignores_state(ReportingOption option) noexcept;

/// The SAME field: what the zones of a list have in common with the first. add() gets every zone of
/// the list in order.
class SameField {
  public:
    void add(ReportedType type, std::uint64_t length) noexcept;
    /// 0 they differ (or there are none); 1 same type and length; 2 the same but the last length; 3
    /// same length, types differ.
    [[nodiscard]] std::uint8_t value() const noexcept;

  private:
    std::optional<ReportedType> type_;
    std::uint64_t length_ = 0;
    bool types_differ_ = false;
    bool lengths_differ_ = false;  // before the last
    bool last_length_differs_ = false;
};

// ---- Wire structures.

inline constexpr std::size_t report_header_length = 64;
inline constexpr std::size_t zone_descriptor_length = 64;
using ReportHeaderBytes = std::array<std::uint8_t, report_header_length>;
using ZoneDescriptorBytes = std::array<std::uint8_t, zone_descriptor_length>;

struct ReportHeader {
    std::uint64_t zones = 0;  ///< In the list; a length that needs more than 32 bits is clipped.
    std::uint8_t same = 0;
    std::uint64_t max_lba = 0;
    std::uint64_t granularity_blocks = 0;  ///< Zone starting LBA granularity; 0: not used.
};

/// ZBC-2 "REPORT ZONES parameter data".
[[nodiscard]] ReportHeaderBytes encode_report_header(const ReportHeader& header) noexcept;
/// ZBC-2 "zone descriptor". A write pointer that is not valid is all ones.
[[nodiscard]] ZoneDescriptorBytes encode_zone_descriptor(const ReportedZone& zone,
                                                         std::uint32_t block_size) noexcept;

}  // namespace zonebridge::zbc
