#include "zbc/geometry.h"

#include "zone/check.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint32_t stride = 64;

// ASCQs of ASC 21h.
constexpr std::uint8_t unaligned_write_command = 0x04;
constexpr std::uint8_t write_boundary_violation = 0x05;
constexpr std::uint8_t attempt_to_read_invalid_data = 0x06;
constexpr std::uint8_t read_boundary_violation = 0x07;
constexpr std::uint8_t attempt_to_access_gap_zone = 0x09;

Sense refused(std::uint8_t ascq) noexcept {
    return illegal_request(0x21, ascq);
}

}  // namespace

Geometry::Geometry(const Limits& limits, bool reads_past_pointer)
    : limits_(limits), layout_(limits.layout), reads_past_pointer_(reads_past_pointer) {
    const auto zones = layout_.zone_count();
    conventional_before_.reserve(zones / stride + 1);
    std::uint32_t count = 0;
    for (std::uint32_t zone = 0; zone < zones; ++zone) {
        if (zone % stride == 0) conventional_before_.push_back(count);
        if (layout_.is_conventional(zone)) ++count;
    }
}

std::uint32_t Geometry::conventional_before(std::uint32_t zone) const noexcept {
    auto count = conventional_before_[zone / stride];
    for (auto one = zone / stride * stride; one < zone; ++one)
        if (layout_.is_conventional(one)) ++count;
    return count;
}

bool Geometry::in_gap(std::uint64_t offset) const noexcept {
    if (layout_.zone_count() == 0) return false;
    const auto zone = layout_.zone_of(offset);
    return offset - layout_.start_of(zone) >= layout_.capacity_of(zone);
}

bool Geometry::touches_gap(std::uint64_t offset, std::uint64_t end) const noexcept {
    const auto last = layout_.zone_of(end - 1);
    for (auto zone = layout_.zone_of(offset); zone < last; ++zone)
        if (has_gap(zone)) return true;
    return end > layout_.start_of(last) + layout_.capacity_of(last);
}

std::optional<Sense> Geometry::refuse_read(std::uint64_t offset,
                                           std::uint64_t length) const noexcept {
    if (layout_.zone_count() == 0) return std::nullopt;
    const auto end = offset + length;
    if (touches_gap(offset, end)) return refused(attempt_to_access_gap_zone);
    if (limits_.model != Model::host_managed) return std::nullopt;
    const auto first = layout_.zone_of(offset);
    const auto last = layout_.zone_of(end - 1);
    if (first == last) return std::nullopt;
    // None may change the type; without URSWRZ none may leave a sequential zone.
    const auto conventional = conventional_before(last) - conventional_before(first) +
                              (layout_.is_conventional(last) ? 1 : 0);
    if (conventional == last - first + 1) return std::nullopt;
    if (conventional != 0) return refused(attempt_to_read_invalid_data);
    if (!reads_past_pointer_) return refused(read_boundary_violation);
    return std::nullopt;
}

std::optional<Sense> Geometry::refuse_write(std::uint64_t offset,
                                            std::uint64_t length) const noexcept {
    if (layout_.zone_count() == 0) return std::nullopt;
    if (in_gap(offset)) return refused(attempt_to_access_gap_zone);
    const auto end = offset + length;
    const auto first = layout_.zone_of(offset);
    if (leaves_required_zone(layout_, offset, length) || touches_gap(offset, end))
        return refused(write_boundary_violation);
    if (layout_.is_required(first) && (offset | length) % limits_.physical_block_size != 0)
        return refused(unaligned_write_command);
    return std::nullopt;
}

std::uint64_t Geometry::count_from(std::uint64_t offset, ReportingOption option) const noexcept {
    const auto first = layout_.zone_of(offset);
    const auto last = layout_.zone_count() - 1;
    const auto gap_only = in_gap(offset);  // the zone's writable part lies before the offset
    const std::uint64_t writable = last - first + 1 - (gap_only ? 1 : 0);
    if (option == ReportingOption::all_but_gaps) return writable;
    // Every sequential zone of full size has a gap, or none has; the last may be short.
    std::uint64_t gaps = 0;
    if (layout_.zone_capacity() < layout_.zone_size())
        gaps = (last - first) - (conventional_before(last) - conventional_before(first));
    return writable + gaps + (has_gap(last) ? 1 : 0);
}

void Geometry::describe_zone(std::uint32_t zone, bool from_gap, bool gaps,
                             SameField& same) const noexcept {
    const auto capacity = layout_.capacity_of(zone);
    const auto length = layout_.length_of(zone);
    if (!from_gap) same.add(reported_type(layout_.type_of(zone)), capacity);
    if (gaps && capacity < length) same.add(ReportedType::gap, length - capacity);
}

void Geometry::describe_from(std::uint64_t offset, ReportingOption option,
                             SameField& same) const noexcept {
    const auto gaps = option == ReportingOption::all;
    const auto first = layout_.zone_of(offset);
    const auto last = layout_.zone_count() - 1;
    describe_zone(first, in_gap(offset), gaps, same);
    if (first == last) return;
    // Between the first and the last, zones of a type are alike: one that differs from the first in
    // type speaks for all of them, and those of its own type were described by the first, unless
    // only its gap was.
    const auto conventional = conventional_before(last) - conventional_before(first + 1);
    const auto between = last - first - 1;
    const auto describe_kind = [&](bool wanted) {
        const auto there = wanted ? conventional : between - conventional;
        if (there == 0) return;
        const auto length = layout_.zone_size();
        const auto capacity = wanted ? length : layout_.zone_capacity();
        same.add(reported_type(wanted ? ZoneType::conventional : layout_.sequential_type()),
                 capacity);
        if (gaps && capacity < length) same.add(ReportedType::gap, length - capacity);
    };
    describe_kind(true);
    describe_kind(false);
    describe_zone(last, false, gaps, same);
}

}  // namespace zonebridge::zbc
