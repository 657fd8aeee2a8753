#include "zbc/report.h"

#include <algorithm>

#include "base/bytes.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint64_t no_write_pointer = ~std::uint64_t{0};

}  // namespace

ReportedType reported_type(ZoneType type) noexcept {
    switch (type) {
        case ZoneType::conventional:
            return ReportedType::conventional;
        case ZoneType::sequential_write_required:
            return ReportedType::sequential_write_required;
        case ZoneType::sequential_write_preferred:
            return ReportedType::sequential_write_preferred;
    }
    return ReportedType::conventional;
}

ReportedZone reported_zone(const Zone& zone) noexcept {
    return {reported_type(zone.type), zone.state, zone.start, zone.capacity, zone.write_pointer};
}

std::optional<ReportedZone> gap_after(const Zone& zone) noexcept {
    if (zone.capacity >= zone.length) return std::nullopt;
    return ReportedZone{ReportedType::gap, ZoneState::not_write_pointer, zone.start + zone.capacity,
                        zone.length - zone.capacity, std::nullopt};
}

std::optional<ReportingOption> parse_reporting_option(std::uint8_t value) noexcept {
    const auto option = static_cast<ReportingOption>(value);
    switch (option) {
        case ReportingOption::all:
        case ReportingOption::empty:
        case ReportingOption::implicitly_open:
        case ReportingOption::explicitly_open:
        case ReportingOption::closed:
        case ReportingOption::full:
        case ReportingOption::read_only:
        case ReportingOption::offline:
        case ReportingOption::inactive:
        case ReportingOption::reset_recommended:
        case ReportingOption::non_sequential_active:
        case ReportingOption::all_but_gaps:
        case ReportingOption::not_write_pointer:
            return option;
    }
    return std::nullopt;
}

bool lists(ReportingOption option, const ReportedZone& zone) noexcept {
    switch (option) {
        case ReportingOption::all:
            return true;
        case ReportingOption::empty:
            return zone.state == ZoneState::empty;
        case ReportingOption::implicitly_open:
            return zone.state == ZoneState::implicit_open;
        case ReportingOption::explicitly_open:
            return zone.state == ZoneState::explicit_open;
        case ReportingOption::closed:
            return zone.state == ZoneState::closed;
        case ReportingOption::full:
            return zone.state == ZoneState::full;
        case ReportingOption::read_only:
            return zone.state == ZoneState::read_only;
        case ReportingOption::offline:
            return zone.state == ZoneState::offline;
        case ReportingOption::inactive:
        case ReportingOption::reset_recommended:
        case ReportingOption::non_sequential_active:
            return false;
        case ReportingOption::all_but_gaps:
            return zone.type != ReportedType::gap;
        case ReportingOption::not_write_pointer:
            return zone.state == ZoneState::not_write_pointer;
    }
    return false;
}

bool lists_nothing(ReportingOption option) noexcept {
    return option == ReportingOption::inactive || option == ReportingOption::reset_recommended ||
           option == ReportingOption::non_sequential_active;
}

bool ignores_state(ReportingOption option) noexcept {
    return option == ReportingOption::all || option == ReportingOption::all_but_gaps;
}

void SameField::add(ReportedType type, std::uint64_t length) noexcept {
    if (!type_) {
        type_ = type;
        length_ = length;
        return;
    }
    lengths_differ_ |= last_length_differs_;
    last_length_differs_ = length != length_;
    types_differ_ |= type != *type_;
}

std::uint8_t SameField::value() const noexcept {
    if (!type_ || lengths_differ_) return 0;
    if (types_differ_) return last_length_differs_ ? 0 : 3;
    return last_length_differs_ ? 2 : 1;
}

ReportHeaderBytes encode_report_header(const ReportHeader& header) noexcept {
    constexpr std::uint64_t most = 0xFFFFFFFF / zone_descriptor_length;
    ReportHeaderBytes bytes{};
    ByteWriter out(bytes);
    out.be32(0, std::min(header.zones, most) * zone_descriptor_length);
    out.u8(4, header.same);
    out.be64(8, header.max_lba);
    out.be64(16, header.granularity_blocks);
    return bytes;
}

ZoneDescriptorBytes encode_zone_descriptor(const ReportedZone& zone,
                                           std::uint32_t block_size) noexcept {
    ZoneDescriptorBytes bytes{};
    ByteWriter out(bytes);
    out.u8(0, static_cast<std::uint8_t>(zone.type));
    out.u8(1, static_cast<unsigned>(zone.state) << 4);
    out.be64(8, zone.length / block_size);
    out.be64(16, zone.start / block_size);
    out.be64(24, zone.write_pointer ? *zone.write_pointer / block_size : no_write_pointer);
    return bytes;
}

}  // namespace zonebridge::zbc
