// The survey gets correct reports, and reports with one fault.
#include "zone/survey.h"

#include <algorithm>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"

namespace zonebridge {
namespace {

using test::preferred;
using test::required;
using enum ZoneState;

/// A device's report.
struct Report {
    std::uint64_t size = 0;
    std::uint64_t zone_size = 0;
    std::uint64_t capacity = 0;
    ZoneType type = required;
    std::vector<Zone> zones;
};

Zone conventional_zone(std::uint64_t start, std::uint64_t length) {
    return {start, length, length, std::nullopt, ZoneType::conventional, not_write_pointer};
}

Zone sequential_zone(std::uint64_t start, std::uint64_t length, std::uint64_t capacity,
                     ZoneState state, std::uint64_t written, ZoneType type = required) {
    Zone zone{start, length, capacity, std::nullopt, type, state};
    if (state != full && state != read_only && state != offline)
        zone.write_pointer = start + written;
    return zone;
}

/// Zones of 64 KiB with 48 KiB of capacity: conventional, empty, open, full.
Report small_report() {
    Report report{256 * KiB, 64 * KiB, 48 * KiB, required, {}};
    report.zones = {conventional_zone(0, 64 * KiB),
                    sequential_zone(64 * KiB, 64 * KiB, 48 * KiB, empty, 0),
                    sequential_zone(128 * KiB, 64 * KiB, 48 * KiB, implicit_open, 4 * KiB),
                    sequential_zone(192 * KiB, 64 * KiB, 48 * KiB, full, 0)};
    return report;
}

/// A random valid report: conventional zones anywhere, every state, a zone size that may be no
/// power of two, sometimes a shorter last zone. Zone 1 is sequential and reports its capacity.
Report random_report(std::mt19937& random) {
    const auto one_of = [&](std::uint64_t first, std::uint64_t last) {
        return std::uniform_int_distribution(first, last)(random);
    };
    Report report;
    report.zone_size = one_of(2, 64) * 4 * KiB;
    report.capacity =
        one_of(0, 1) == 0 ? report.zone_size : one_of(1, report.zone_size / 512) * 512;
    report.type = one_of(0, 3) == 0 ? preferred : required;
    const auto count = one_of(4, 80);
    const auto last_length = one_of(0, 2) == 0 ? one_of(1, report.zone_size / 512 - 1) * 512 : 0;
    constexpr ZoneState states[] = {empty,     implicit_open, explicit_open, closed,
                                    read_only, full,          offline};
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto length = last_length != 0 && i + 1 == count ? last_length : report.zone_size;
        if (i != 1 && one_of(0, 3) == 0) {
            report.zones.push_back(conventional_zone(report.size, length));
        } else {
            const auto capacity = std::min(length, report.capacity);
            const auto state = i == 1 ? empty : states[one_of(0, std::size(states) - 1)];
            auto zone =
                sequential_zone(report.size, length, capacity, state,
                                state == empty ? 0 : one_of(0, capacity / 512) * 512, report.type);
            if (state == offline || state == read_only) zone.capacity = one_of(0, 1) * capacity;
            report.zones.push_back(zone);
        }
        report.size += length;
    }
    return report;
}

/// Surveys the whole report in batches of `step` zones.
tl::expected<Layout, std::string> survey(const Report& report, std::size_t step = 7,
                                         std::optional<std::uint64_t> known_size = std::nullopt) {
    Survey survey(report.size, known_size);
    const std::span all(report.zones);
    for (std::size_t at = 0; at < all.size(); at += step)
        if (auto fault = survey.add(all.subspan(at, std::min(step, all.size() - at))))
            return tl::unexpected(*fault);
    return survey.finish();
}

TEST(Survey, MakesALayoutOfEveryValidReport) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const auto report = random_report(random);
        const auto known_size =
            seed % 2 == 0 ? std::optional(report.zone_size) : std::optional<std::uint64_t>();
        const auto layout = survey(report, 1 + seed % 9, known_size);
        ASSERT_TRUE(layout) << layout.error();
        EXPECT_EQ(layout->size(), report.size);
        EXPECT_EQ(layout->zone_size(), report.zone_size);
        ASSERT_EQ(layout->zone_count(), report.zones.size());
        EXPECT_EQ(layout->sequential_type(), report.type);
        for (std::uint32_t i = 0; i < layout->zone_count(); ++i) {
            const auto& zone = report.zones[i];
            EXPECT_EQ(layout->start_of(i), zone.start);
            EXPECT_EQ(layout->length_of(i), zone.length);
            EXPECT_EQ(layout->type_of(i), zone.type);
            if (zone.state == offline || zone.state == read_only) continue;
            EXPECT_EQ(layout->capacity_of(i), zone.capacity) << i;
        }
    }
}

TEST(Survey, TracksItsPosition) {
    const auto report = small_report();
    Survey survey(report.size);
    EXPECT_EQ(survey.size(), 256 * KiB);
    EXPECT_EQ(survey.position(), 0U);
    EXPECT_EQ(survey.add(std::span(report.zones).first(3)), std::nullopt);
    EXPECT_EQ(survey.position(), 192 * KiB);
    EXPECT_FALSE(survey.complete());
    const auto early = survey.finish();
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error(), "the zones end at byte 196608, the disk at 262144");
    EXPECT_EQ(survey.add(std::span(report.zones).subspan(3)), std::nullopt);
    EXPECT_TRUE(survey.complete());
    EXPECT_TRUE(survey.finish());
}

/// A fault to put into a correct report, and the beginning of the message about it.
struct Fault {
    const char* name;
    std::function<void(Report&)> apply;
    const char* says;
};

std::vector<Fault> faults() {
    return {
        {"overlaps", [](Report& r) { r.zones[2].start -= 512; },
         "zone 2 (reported at byte 130560): it overlaps the zone before it, which ends at 131072"},
        {"backwards", [](Report& r) { std::swap(r.zones[1], r.zones[2]); },
         "zone 1 (reported at byte 131072): there is a hole before it, from 65536 on"},
        {"twice", [](Report& r) { r.zones.insert(r.zones.begin() + 2, r.zones[1]); },
         "zone 2 (reported at byte 65536): it overlaps"},
        {"begins again", [](Report& r) { r.zones[3] = r.zones[0]; },
         "zone 3 (reported at byte 0): it overlaps"},
        {"hole", [](Report& r) { r.zones.erase(r.zones.begin() + 1); },
         "zone 1 (reported at byte 131072): there is a hole before it, from 65536 on"},
        {"does not begin at 0", [](Report& r) { r.zones[0].start = 512; },
         "zone 0 (reported at byte 512): there is a hole before it, from 0 on"},
        {"one too many",
         [](Report& r) {
             r.zones.push_back(sequential_zone(r.size, r.zone_size, r.capacity, empty, 0));
         },
         "zone 4 (reported at byte 262144): it lies past the disk's end, 262144"},
        {"disk ends inside a zone", [](Report& r) { r.size -= 512; },
         "zone 3 (reported at byte 196608): its length 65536 reaches past the disk's end, 261632"},
        {"length wraps around",
         [](Report& r) { r.zones[2].length = std::numeric_limits<std::uint64_t>::max() - 511; },
         "zone 2 (reported at byte 131072): its length 18446744073709551104 reaches past"},
        {"no length", [](Report& r) { r.zones[2].length = 0; },
         "zone 2 (reported at byte 131072): it has no length"},
        {"shorter than the others",
         [](Report& r) {
             r.zones[2].length = 60 * KiB;
             r.zones[3].start -= 4 * KiB;
         },
         "zone 2 (reported at byte 131072): its length 61440 is not the zone size 65536"},
        {"longer than the others", [](Report& r) { r.zones[2].length = 128 * KiB; },
         "zone 2 (reported at byte 131072): its length 131072 is not the zone size 65536"},
        {"first zone shorter",
         [](Report& r) {
             r.zones[0].length = 32 * KiB;
             r.zones[1].start = 32 * KiB;
         },
         "zone 1 (reported at byte 32768): its length 65536 is not the zone size 32768"},
        {"no capacity", [](Report& r) { r.zones[1].capacity = 0; },
         "zone 1 (reported at byte 65536): it has no capacity"},
        {"no capacity when full", [](Report& r) { r.zones[3].capacity = 0; },
         "zone 3 (reported at byte 196608): it has no capacity"},
        {"capacity beyond the length", [](Report& r) { r.zones[1].capacity = 64 * KiB + 512; },
         "zone 1 (reported at byte 65536): its capacity 66048 is beyond its length 65536"},
        {"capacities differ", [](Report& r) { r.zones[3].capacity = 64 * KiB; },
         "zone 3 (reported at byte 196608): its capacity 65536 differs from the other zones' "
         "capacity, 49152"},
        {"capacity of half a block", [](Report& r) { r.zones[1].capacity = 1000; },
         "zone 1 (reported at byte 65536): zone capacity 1000 is not a whole number"},
        {"pointer before the zone", [](Report& r) { r.zones[2].write_pointer = 128 * KiB - 512; },
         "zone 2 (reported at byte 131072): its write pointer 130560 is not in it"},
        {"pointer behind the capacity",
         [](Report& r) { r.zones[2].write_pointer = (128 + 48) * KiB + 512; },
         "zone 2 (reported at byte 131072): its write pointer 180736 is not in it"},
        {"pointer of all ones",
         [](Report& r) { r.zones[2].write_pointer = std::numeric_limits<std::uint64_t>::max(); },
         "zone 2 (reported at byte 131072): its write pointer 18446744073709551615 is not in it"},
        {"open without a pointer", [](Report& r) { r.zones[2].write_pointer.reset(); },
         "zone 2 (reported at byte 131072): it is implicit-open and has no write pointer"},
        {"empty, but written", [](Report& r) { *r.zones[1].write_pointer += 4 * KiB; },
         "zone 1 (reported at byte 65536): it is empty, but its write pointer is 69632"},
        {"two sequential types", [](Report& r) { r.zones[2].type = preferred; },
         "zone 2 (reported at byte 131072): it is sequential-write-preferred, but other zones are "
         "sequential-write-required"},
        {"an unknown type", [](Report& r) { r.zones[2].type = static_cast<ZoneType>(9); },
         "zone 2 (reported at byte 131072): its type 9 is not known"},
        {"an unknown state", [](Report& r) { r.zones[2].state = static_cast<ZoneState>(7); },
         "zone 2 (reported at byte 131072): its state 7 is not a zone state"},
        {"sequential, in the state of a conventional zone",
         [](Report& r) { r.zones[1].state = not_write_pointer; },
         "zone 1 (reported at byte 65536): it is sequential, but its state says it has no write "
         "pointer"},
        {"no zones", [](Report& r) { r.zones.clear(); },
         "the zones end at byte 0, the disk at 262144"},
        {"ends too early", [](Report& r) { r.zones.pop_back(); },
         "the zones end at byte 196608, the disk at 262144"},
        {"disk larger than its zones", [](Report& r) { r.size += 512; },
         "the zones end at byte 262144, the disk at 262656"},
        {"no size", [](Report& r) { r.size = 0; },
         "zone 0 (reported at byte 0): it lies past the disk's end, 0"},
    };
}

TEST(Survey, NamesTheFaultAndTheZone) {
    for (const auto& faulty : faults()) {
        for (const std::size_t step : {1, 3, 100}) {
            auto report = small_report();
            faulty.apply(report);
            const auto layout = survey(report, step);
            ASSERT_FALSE(layout) << faulty.name;
            EXPECT_TRUE(layout.error().starts_with(faulty.says))
                << faulty.name << ": " << layout.error();
        }
    }
}

TEST(Survey, ReadOnlyAndOfflineZonesMayHaveLostTheirCapacity) {
    for (const auto state : {offline, read_only}) {
        auto report = small_report();
        report.zones[1] = sequential_zone(64 * KiB, 64 * KiB, 0, state, 0);
        const auto layout = survey(report);
        ASSERT_TRUE(layout) << layout.error();
        EXPECT_EQ(layout->zone_capacity(), 48 * KiB) << "the next zone reports the capacity";
    }
    Report all_offline{128 * KiB, 64 * KiB, 0, required, {}};
    all_offline.zones = {sequential_zone(0, 64 * KiB, 0, offline, 0),
                         sequential_zone(64 * KiB, 64 * KiB, 0, offline, 0)};
    const auto layout = survey(all_offline);
    ASSERT_TRUE(layout) << layout.error();
    EXPECT_EQ(layout->zone_capacity(), 64 * KiB) << "no zone reports less";
}

TEST(Survey, TheCapacityOfAShorterLastZoneIsUsedIfNoOtherIsKnown) {
    // No other zone reports a capacity: one is conventional, one is offline.
    Report report{160 * KiB, 64 * KiB, 16 * KiB, required, {}};
    report.zones = {conventional_zone(0, 64 * KiB),
                    sequential_zone(64 * KiB, 64 * KiB, 0, offline, 0),
                    sequential_zone(128 * KiB, 32 * KiB, 16 * KiB, empty, 0)};
    const auto layout = survey(report);
    ASSERT_TRUE(layout) << layout.error();
    EXPECT_EQ(layout->capacity_of(2), 16 * KiB);

    // A capacity above that of the other zones is a fault.
    auto faulty = small_report();
    faulty.size += 56 * KiB;
    faulty.zones.push_back(sequential_zone(256 * KiB, 56 * KiB, 56 * KiB, empty, 0));
    const auto refused = survey(faulty);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("zone 4"), std::string::npos) << refused.error();
    EXPECT_NE(refused.error().find("differs from the other zones' capacity, 49152"),
              std::string::npos);
}

TEST(Survey, ChecksTheZonesAgainstAKnownZoneSize) {
    EXPECT_TRUE(survey(small_report(), 7, 64 * KiB));
    const auto other = survey(small_report(), 7, 128 * KiB);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error(),
              "zone 0 (reported at byte 0): its length 65536 is not the zone size 131072");
    EXPECT_FALSE(survey(small_report(), 7, 0)) << "a zone size of zero";
    // The only zone of a disk is its last, which may be short.
    Report one{16 * KiB, 64 * KiB, 16 * KiB, required, {}};
    one.zones = {sequential_zone(0, 16 * KiB, 16 * KiB, empty, 0)};
    EXPECT_TRUE(survey(one, 7, 64 * KiB));
}

TEST(Survey, RefusesNumbersThatNoLayoutAccepts) {
    Report report{Layout::max_zone_size + 512, 0, 0, required, {}};
    report.zones = {conventional_zone(0, report.size)};
    const auto large = survey(report);
    ASSERT_FALSE(large);
    EXPECT_NE(large.error().find("is larger than"), std::string::npos) << large.error();

    // The refusal comes before memory is allocated for the zones.
    report.size = std::uint64_t{1} << 62;
    report.zones = {conventional_zone(0, 512)};
    const auto many = survey(report);
    ASSERT_FALSE(many);
    EXPECT_NE(many.error().find("make the zones larger"), std::string::npos) << many.error();

    report.size = 1 * MiB + 100;
    EXPECT_FALSE(survey(report)) << "a size of half a block";
}

TEST(Survey, AFaultIsPermanent) {
    auto report = small_report();
    auto faulty = report.zones[1];
    faulty.capacity = 0;
    Survey survey(report.size);
    EXPECT_EQ(survey.add(std::span(report.zones).first(1)), std::nullopt);
    const auto fault = survey.add({&faulty, 1});
    ASSERT_TRUE(fault);
    EXPECT_EQ(survey.add(std::span(report.zones).subspan(1)), fault);
    const auto layout = survey.finish();
    ASSERT_FALSE(layout);
    EXPECT_EQ(layout.error(), *fault);
}

/// Sets one field of one zone to a random value. Returns whether the report changed.
bool disturb(Report& report, std::mt19937& random) {
    auto& zone = report.zones[random() % report.zones.size()];
    const auto before = zone;
    const auto noise = [&]() -> std::uint64_t {
        switch (random() % 5) {
            case 0:
                return 0;
            case 1:
                return (random() % 200) * 512;
            case 2:
                return std::uint64_t{random()} << 32 | random();
            case 3:
                return ~std::uint64_t{0};
            default:
                return report.zones[random() % report.zones.size()].start;
        }
    };
    switch (random() % 6) {
        case 0:
            zone.start = noise();
            break;
        case 1:
            zone.length = noise();
            break;
        case 2:
            zone.capacity = noise();
            break;
        case 3:
            zone.write_pointer = noise();
            break;
        case 4:
            zone.type = static_cast<ZoneType>(random() % 7);
            break;
        default:
            zone.state = static_cast<ZoneState>(random() % 17);
            break;
    }
    return zone != before;
}

TEST(Survey, ALayoutOfADisturbedReportMatchesTheReport) {
    unsigned refused = 0;
    unsigned disturbed = 0;
    for (unsigned seed = 0; seed < 4000; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        auto report = random_report(random);
        if (!disturb(report, random)) continue;
        ++disturbed;
        const auto layout = survey(report);
        if (!layout) {
            ++refused;
            EXPECT_FALSE(layout.error().empty());
            continue;
        }
        ASSERT_EQ(layout->zone_count(), report.zones.size());
        for (std::uint32_t i = 0; i < layout->zone_count(); ++i) {
            const auto& zone = report.zones[i];
            EXPECT_EQ(layout->start_of(i), zone.start);
            EXPECT_EQ(layout->length_of(i), zone.length);
            EXPECT_EQ(layout->type_of(i), zone.type);
            if (zone.type == ZoneType::conventional || zone.state == offline ||
                zone.state == read_only)
                continue;
            EXPECT_EQ(layout->capacity_of(i), zone.capacity);
            if (zone.write_pointer) {
                EXPECT_GE(*zone.write_pointer, zone.start);
                EXPECT_LE(*zone.write_pointer, zone.start + zone.capacity);
            } else {
                EXPECT_EQ(zone.state, full);
            }
        }
    }
    // Most changes make a report invalid.
    EXPECT_GT(refused, disturbed / 2);
}

}  // namespace
}  // namespace zonebridge
