#include "zbc/report.h"

#include "tests/unit/zbc/support.h"
#include "zbc/geometry.h"

namespace zonebridge::zbc::test {
namespace {

Bytes bytes_of(const ZoneDescriptorBytes& array) {
    return {array.begin(), array.end()};
}

TEST(ZoneDescriptor, HasTheBytesOfTheStandardForBothBlockSizes) {
    ReportedZone zone{ReportedType::sequential_write_required, ZoneState::implicit_open,
                      std::uint64_t{256} << 20, std::uint64_t{256} << 20,
                      (std::uint64_t{256} << 20) + 8192};
    EXPECT_EQ(bytes_of(encode_zone_descriptor(zone, 512)),
              hex("02 20 00*6 00*5 08 00 00 00*5 08 00 00 00*5 08 00 10 00*32"));
    EXPECT_EQ(bytes_of(encode_zone_descriptor(zone, 4096)),
              hex("02 20 00*6 00*5 01 00 00 00*5 01 00 00 00*5 01 00 02 00*32"));
    zone.state = ZoneState::full;
    zone.write_pointer.reset();
    EXPECT_EQ(bytes_of(encode_zone_descriptor(zone, 4096)),
              hex("02 e0 00*6 00*5 01 00 00 00*5 01 00 00 ff*8 00*32"));
}

TEST(ZoneDescriptor, EveryTypeAndStateHasItsCode) {
    const std::pair<ZoneState, unsigned> states[] = {{ZoneState::not_write_pointer, 0x00},
                                                     {ZoneState::empty, 0x10},
                                                     {ZoneState::implicit_open, 0x20},
                                                     {ZoneState::explicit_open, 0x30},
                                                     {ZoneState::closed, 0x40},
                                                     {ZoneState::read_only, 0xD0},
                                                     {ZoneState::full, 0xE0},
                                                     {ZoneState::offline, 0xF0}};
    for (const auto& [state, code] : states) {
        ReportedZone zone;
        zone.state = state;
        EXPECT_EQ(encode_zone_descriptor(zone, 512)[1], code);
    }
    EXPECT_EQ(reported_type(ZoneType::conventional), ReportedType::conventional);
    EXPECT_EQ(static_cast<int>(reported_type(ZoneType::sequential_write_required)), 2);
    EXPECT_EQ(static_cast<int>(reported_type(ZoneType::sequential_write_preferred)), 3);
    EXPECT_EQ(static_cast<int>(ReportedType::gap), 5);
}

TEST(ZoneDescriptor, AZoneWithLessCapacityIsAZoneAndAGap) {
    const Zone zone{100, 50, 30, 110, ZoneType::sequential_write_required, ZoneState::closed};
    EXPECT_EQ(reported_zone(zone), (ReportedZone{ReportedType::sequential_write_required,
                                                 ZoneState::closed, 100, 30, 110}));
    EXPECT_EQ(gap_after(zone), (ReportedZone{ReportedType::gap, ZoneState::not_write_pointer, 130,
                                             20, std::nullopt}));
    EXPECT_EQ(gap_after({100, 50, 50, 110, ZoneType::conventional, ZoneState::closed}),
              std::nullopt);
}

TEST(ReportHeader, HasTheBytesOfTheStandard) {
    const auto header = encode_report_header({3, 2, 0x010203, 0x80000});
    EXPECT_EQ(Bytes(header.begin(), header.end()),
              hex("00 00 00 c0 02 00 00 00 00*5 01 02 03 00*5 08 00 00 00*40"));
    const auto clipped = encode_report_header({std::uint64_t{1} << 40, 0, 0, 0});
    EXPECT_EQ(ByteView(clipped).be32(0), 0xFFFFFFC0u);
}

TEST(ReportingOption, OnlyTheOptionsOfTheStandardAreAccepted) {
    const std::vector<int> known{0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11, 0x3E, 0x3F};
    for (int value = 0; value < 0x40; ++value)
        EXPECT_EQ(parse_reporting_option(static_cast<std::uint8_t>(value)).has_value(),
                  std::find(known.begin(), known.end(), value) != known.end())
            << value;
}

TEST(ReportingOption, EachListsItsZones) {
    const auto listed = [](ReportingOption option) {
        std::string text;
        for (const auto state :
             {ZoneState::not_write_pointer, ZoneState::empty, ZoneState::implicit_open,
              ZoneState::explicit_open, ZoneState::closed, ZoneState::full, ZoneState::read_only,
              ZoneState::offline}) {
            ReportedZone zone;
            zone.type = state == ZoneState::not_write_pointer
                            ? ReportedType::conventional
                            : ReportedType::sequential_write_required;
            zone.state = state;
            if (lists(option, zone)) text += fmt::format("{:x}", static_cast<int>(state));
        }
        ReportedZone gap;
        gap.type = ReportedType::gap;
        if (lists(option, gap)) text += "g";
        return text;
    };
    EXPECT_EQ(listed(ReportingOption::all), "01234edfg");
    EXPECT_EQ(listed(ReportingOption::empty), "1");
    EXPECT_EQ(listed(ReportingOption::implicitly_open), "2");
    EXPECT_EQ(listed(ReportingOption::explicitly_open), "3");
    EXPECT_EQ(listed(ReportingOption::closed), "4");
    EXPECT_EQ(listed(ReportingOption::full), "e");
    EXPECT_EQ(listed(ReportingOption::read_only), "d");
    EXPECT_EQ(listed(ReportingOption::offline), "f");
    EXPECT_EQ(listed(ReportingOption::all_but_gaps), "01234edf");
    EXPECT_EQ(listed(ReportingOption::not_write_pointer), "0g");
    for (const auto none : {ReportingOption::inactive, ReportingOption::reset_recommended,
                            ReportingOption::non_sequential_active}) {
        EXPECT_EQ(listed(none), "");
        EXPECT_TRUE(lists_nothing(none));
    }
}

TEST(SameField, ReflectsWhichTypesAndLengthsAreEqual) {
    const auto same = [](std::initializer_list<std::pair<int, int>> zones) {
        SameField field;
        for (const auto& [type, length] : zones)
            field.add(static_cast<ReportedType>(type), static_cast<std::uint64_t>(length));
        return static_cast<int>(field.value());
    };
    EXPECT_EQ(same({}), 0);
    EXPECT_EQ(same({{2, 8}}), 1);
    EXPECT_EQ(same({{2, 8}, {2, 8}, {2, 8}}), 1);
    EXPECT_EQ(same({{2, 8}, {2, 8}, {2, 4}}), 2);
    EXPECT_EQ(same({{2, 8}, {2, 4}, {2, 8}}), 0);
    EXPECT_EQ(same({{2, 8}, {2, 4}, {2, 4}}), 0);
    EXPECT_EQ(same({{1, 8}, {2, 8}, {2, 8}}), 3);
    EXPECT_EQ(same({{1, 8}, {2, 8}, {2, 4}}), 0);
    EXPECT_EQ(same({{1, 8}, {2, 6}, {5, 2}}), 0);
}

/// The zones of a layout in a report's form, found by going through all zones.
std::vector<ReportedZone> enumerate(const Layout& layout, std::uint64_t from,
                                    ReportingOption option) {
    std::vector<ReportedZone> zones;
    for (auto i = layout.zone_of(from); i < layout.zone_count(); ++i) {
        const Zone zone{layout.start_of(i), layout.length_of(i), layout.capacity_of(i),
                        std::nullopt,       layout.type_of(i),   ZoneState::empty};
        if (from < zone.start + zone.capacity) zones.push_back(reported_zone(zone));
        const auto gap = gap_after(zone);
        if (gap && lists(option, *gap)) zones.push_back(*gap);
    }
    return zones;
}

TEST(Geometry, CountsAndDescribesTheSameZonesAsAnEnumeration) {
    constexpr std::uint64_t zone = 1 << 16;
    for (const std::uint64_t size : {zone, 2 * zone, 3 * zone, 70 * zone, 70 * zone + zone / 4,
                                     70 * zone + 3 * zone / 4, 3 * zone + zone / 2})
        for (const std::uint64_t capacity : {zone, zone / 2, 3 * zone / 4})
            for (const std::uint32_t conventional : {0u, 1u, 2u, 64u, 69u}) {
                auto limits = zonebridge::test::limits_of(MachineDiskShape{});
                const auto zones = static_cast<std::uint32_t>((size + zone - 1) / zone);
                limits.layout = Layout(size, zone, capacity, std::min(conventional, zones),
                                       ZoneType::sequential_write_required);
                const Geometry geometry(limits, true);
                for (std::uint64_t from = 0; from < size; from += zone / 4)
                    for (const auto option :
                         {ReportingOption::all, ReportingOption::all_but_gaps}) {
                        const auto expected = enumerate(limits.layout, from, option);
                        SameField one_by_one;
                        for (const auto& each : expected) one_by_one.add(each.type, each.length);
                        SameField at_once;
                        geometry.describe_from(from, option, at_once);
                        ASSERT_EQ(geometry.count_from(from, option), expected.size())
                            << size << " " << capacity << " " << conventional << " " << from;
                        ASSERT_EQ(at_once.value(), one_by_one.value())
                            << size << " " << capacity << " " << conventional << " " << from;
                    }
            }
}

}  // namespace
}  // namespace zonebridge::zbc::test
