// REPORT ZONES through the target.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "zbc/report.h"

namespace zonebridge::zbc::test {
namespace {

/// Each descriptor as "type condition zone:offset+length"; zones of 64 KiB, offset and length in
/// KiB.
std::vector<std::string> zones_in(const Outcome& outcome, std::uint32_t block = 512) {
    std::vector<std::string> zones;
    for (std::size_t at = 64; at + 64 <= outcome.data.size(); at += 64) {
        const auto view = outcome.view().sub(at, 64);
        const auto start = view.be64(16) * block;
        zones.push_back(fmt::format("{} {:X} {}:{}+{}", view.u8(0) & 0xF, view.u8(1) >> 4,
                                    start / (64 * KiB), start % (64 * KiB) / KiB,
                                    view.be64(8) * block / KiB));
    }
    return zones;
}

using Strings = std::vector<std::string>;

TEST(TargetReport, TheReplyHasTheBytesOfTheStandard) {
    Initiator initiator({.zones = 4, .conventional = 1, .logical_block_size = 4096});
    EXPECT_EQ(initiator.write(1, 0, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(Operation::finish, 2).words(), "good");
    const auto outcome = initiator.report(0, 4096);
    EXPECT_EQ(outcome.words(), "good");
    EXPECT_EQ(to_hex(outcome.data), to_hex(hex("00 00 01 00 03 00 00 00 00*7 3f 00*48 "
                                               "01 00 00*6 00*7 10 00*8 ff*8 00*32 "
                                               "02 20 00*6 00*7 10 00*7 10 00*7 12 00*32 "
                                               "02 e0 00*6 00*7 10 00*7 20 ff*8 00*32 "
                                               "02 10 00*6 00*7 10 00*7 30 00*7 30 00*32")));
}

TEST(TargetReport, AZoneWithLessCapacityIsFollowedByItsGap) {
    Initiator initiator(with_gaps);
    const auto outcome = initiator.report(initiator.lba(1), 64 * 40);
    EXPECT_EQ(outcome.view().be32(0), 64u * (1 + 14 * 2));
    EXPECT_EQ(outcome.view().be64(16), 128u) << "zone starting LBA granularity";
    const auto zones = zones_in(outcome);
    ASSERT_EQ(zones.size(), 29u);
    EXPECT_EQ(Strings(zones.begin(), zones.begin() + 3),
              (Strings{"1 0 1:0+64", "2 1 2:0+48", "5 0 2:48+16"}));
    EXPECT_EQ(Strings(zones.end() - 2, zones.end()), (Strings{"2 1 15:0+48", "5 0 15:48+8"}));
}

TEST(TargetReport, StartsWithTheZoneThatHoldsTheAddress) {
    Initiator initiator(with_gaps);
    EXPECT_EQ(zones_in(initiator.report(initiator.lba(3, 4 * KiB), 128)), Strings{"2 1 3:0+48"});
    EXPECT_EQ(zones_in(initiator.report(initiator.lba(3, 47 * KiB), 128)), Strings{"2 1 3:0+48"});
    EXPECT_EQ(zones_in(initiator.report(initiator.lba(3, 48 * KiB), 192)),
              (Strings{"5 0 3:48+16", "2 1 4:0+48"}));
    EXPECT_EQ(zones_in(initiator.report(initiator.lba(15, 55 * KiB), 192)), Strings{"5 0 15:48+8"});
    EXPECT_EQ(initiator.report(initiator.lba(15, 55 * KiB), 192).view().be32(0), 64u);
    EXPECT_EQ(initiator.report(initiator.lba(16), 64).words(), "5/21/00");
    EXPECT_EQ(initiator.report(~std::uint64_t{0}, 64).words(), "5/21/00");
}

TEST(TargetReport, EveryOptionListsAndCountsTheMatchingZones) {
    Initiator initiator(with_gaps);
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(Operation::open, 4).words(), "good");
    EXPECT_EQ(initiator.write(5, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(Operation::close, 5).words(), "good");
    EXPECT_EQ(initiator.act(Operation::finish, 6).words(), "good");
    initiator.disk.broken = {{7, ZoneState::read_only}, {8, ZoneState::offline}};
    const std::pair<int, std::uint32_t> rows[] = {
        {0x00, 30}, {0x01, 8}, {0x02, 1}, {0x03, 1}, {0x04, 1},  {0x05, 1},  {0x06, 1},
        {0x07, 1},  {0x08, 0}, {0x10, 0}, {0x11, 0}, {0x3E, 16}, {0x3F, 16},
    };
    for (const auto& [option, count] : rows) {
        for (const auto partial : {false, true}) {
            const auto outcome =
                initiator.report(0, 64 * 64, static_cast<std::uint8_t>(option), partial);
            EXPECT_EQ(outcome.words(), "good") << option;
            EXPECT_EQ(outcome.view().be32(0), 64 * count) << option;
            EXPECT_EQ(outcome.data.size(), 64 + 64 * count) << option;
            EXPECT_EQ(outcome.view().be64(8), initiator.lba(15, 56 * KiB) - 1) << option;
        }
    }
    EXPECT_EQ(zones_in(initiator.report(0, 4096, 0x04)), Strings{"2 4 5:0+48"});
    EXPECT_EQ(zones_in(initiator.report(0, 4096, 0x06)), Strings{"2 D 7:0+48"});
    EXPECT_EQ(zones_in(initiator.report(0, 4096, 0x07)), Strings{"2 F 8:0+48"});
    EXPECT_EQ(initiator.report(initiator.lba(6), 4096, 0x04).view().be32(0), 0u);
    for (const std::uint8_t option : {0x09, 0x0F, 0x12, 0x3D})
        EXPECT_EQ(initiator.report(0, 64, option).words(), "5/24/00");
}

TEST(TargetReport, TheListLengthCountsAllMatchesUnlessPartial) {
    Initiator initiator;
    for (const std::uint8_t option : {0x00, 0x01, 0x3E}) {
        const std::uint32_t all = 64 * (option == 0x01 ? 14 : 16);
        for (std::size_t allocation = 0; allocation <= 64 * 20; allocation += 13) {
            const auto whole = initiator.report(0, allocation, option);
            EXPECT_EQ(whole.words(), "good");
            EXPECT_EQ(whole.data.size(), std::min<std::size_t>(allocation, 64 + all));
            if (allocation >= 4) {
                EXPECT_EQ(whole.view().be32(0), all) << allocation;
            }
            const auto partial = initiator.report(0, allocation, option, true);
            const auto fitting = allocation < 64 ? 0 : (allocation - 64) / 64 * 64;
            const auto returned = std::min<std::size_t>(fitting, all);
            EXPECT_EQ(partial.words(), "good");
            EXPECT_EQ(partial.data.size(), std::min<std::size_t>(allocation, 64 + returned));
            if (allocation >= 4) {
                EXPECT_EQ(partial.view().be32(0), returned) << allocation;
            }
        }
    }
}

TEST(TargetReport, ATruncatedReplyIsAPrefixOfTheWholeReply) {
    Initiator initiator(with_gaps);
    for (const std::uint8_t option : {0x00, 0x01, 0x3F}) {
        const auto whole = initiator.report(0, 64 * 64, option).data;
        for (std::size_t allocation = 0; allocation < whole.size(); allocation += 7) {
            const auto cut = initiator.report(0, allocation, option).data;
            EXPECT_EQ(cut, Bytes(whole.begin(), whole.begin() + static_cast<int>(allocation)));
        }
    }
}

TEST(TargetReport, TheSameFieldDescribesTheListedZones) {
    const auto same = [](Initiator& initiator, std::uint64_t zone, std::size_t zones,
                         bool partial = false, std::uint8_t option = 0) {
        return initiator.report(initiator.lba(zone), 64 + 64 * zones, option, partial).data[4];
    };
    Initiator plain;
    EXPECT_EQ(same(plain, 0, 64), 3) << "conventional and sequential zones of one size";
    EXPECT_EQ(same(plain, 2, 64), 1);
    EXPECT_EQ(same(plain, 0, 2, true), 1) << "of a partial list, only the returned zones count";
    EXPECT_EQ(same(plain, 0, 2), 3);
    EXPECT_EQ(same(plain, 0, 64, false, 0x3F), 1);
    EXPECT_EQ(same(plain, 0, 64, false, 0x05), 0) << "an empty list";
    Initiator short_last({.last_zone_size = 16 * KiB});
    EXPECT_EQ(same(short_last, 2, 64), 2);
    EXPECT_EQ(same(short_last, 2, 64, false, 0x01), 2);
    EXPECT_EQ(same(short_last, 0, 64), 0);
    EXPECT_EQ(same(short_last, 15, 64), 1);
    EXPECT_EQ(same(short_last, 2, 4, true), 1);
    Initiator gaps(with_gaps);
    EXPECT_EQ(same(gaps, 2, 64), 0);
    EXPECT_EQ(same(gaps, 2, 64, false, 0x3E), 1);
}

TEST(TargetReport, AReportOfTheHeaderAloneNeedsNoRequestToTheDisk) {
    Initiator initiator({.zones = 10000, .zone_size = 4 * KiB, .conventional = 0});
    const auto outcome = initiator.report(0, 64);
    EXPECT_EQ(outcome.view().be32(0), 64u * 10000);
    EXPECT_EQ(outcome.view().u8(4), 1);
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetReport, ManyZonesAreFetchedByBoundedRequests) {
    Initiator initiator({.zones = 5000, .zone_size = 4 * KiB, .conventional = 7});
    EXPECT_EQ(initiator.act(Operation::finish, 4321).words(), "good");
    const auto outcome = initiator.report(0, 64 * 5001);
    ASSERT_EQ(outcome.data.size(), 64u * 5001);
    for (std::uint64_t zone = 0; zone < 5000; ++zone) {
        const auto view = outcome.view().sub(64 + 64 * zone, 64);
        ASSERT_EQ(view.be64(16), initiator.lba(zone));
        ASSERT_EQ(view.u8(1) >> 4, zone < 7 ? 0x0 : zone == 4321 ? 0xE : 0x1);
    }
    EXPECT_GT(initiator.disk.taken.size(), 5u);
    const auto full = initiator.report(0, 4096, 0x05);
    EXPECT_EQ(full.view().be32(0), 64u);
    EXPECT_EQ(full.view().be64(64 + 16), initiator.lba(4321));
}

TEST(TargetReport, BuffersShorterThanTheReplyAreAnOverrun) {
    Initiator initiator;
    const auto report = [&](std::uint32_t allocation, std::size_t room, bool partial) {
        return initiator.run(encode_report_zones({0, allocation, partial, 0}), room).words();
    };
    for (const auto partial : {false, true}) {
        EXPECT_EQ(report(64 * 17, 64 * 16, partial), "overrun");
        EXPECT_EQ(report(64, 63, partial), "overrun");
        EXPECT_EQ(report(64, 0, partial), "overrun");
        EXPECT_EQ(report(64 * 1000, 64 * 17, partial), "good") << "the reply itself fits";
        EXPECT_EQ(report(~std::uint32_t{0}, 64 * 17, partial), "good");
    }
}

TEST(TargetReport, FillsScatteredBuffers) {
    Initiator initiator;
    const auto whole = initiator.report(0, 64 * 17).data;
    Bytes bytes(64 * 17 + 5);
    const std::array<iovec, 4> pieces{iovec{bytes.data(), 30}, iovec{bytes.data() + 30, 0},
                                      iovec{bytes.data() + 30, 70},
                                      iovec{bytes.data() + 100, bytes.size() - 100}};
    const auto cdb = encode_report_zones({0, 4096, false, 0});
    const Task task{1, cdb, {}, pieces};
    ASSERT_EQ(initiator.queue->submit({&task, 1}), 1u);
    const auto result = initiator.wait();
    EXPECT_EQ(result.data_in_length, 64u * 17);
    bytes.resize(64 * 17);
    EXPECT_EQ(bytes, whole);
}

TEST(TargetReport, MoreConcurrentReportsThanInternalBuffersAllComplete) {
    Initiator initiator({}, {}, 16);
    std::vector<Bytes> data(16, Bytes(64 * 17));
    std::vector<iovec> buffers;
    for (auto& bytes : data) buffers.push_back({bytes.data(), bytes.size()});
    const auto cdb = encode_report_zones({0, 64 * 17, false, 0x01});
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < 16; ++i) tasks.push_back({i, cdb, {}, {&buffers[i], 1}});
    ASSERT_EQ(initiator.queue->submit(tasks), 16u);
    std::vector<bool> ended(16);
    for (int i = 0; i < 16; ++i) ended[initiator.wait().tag] = true;
    EXPECT_EQ(ended, std::vector<bool>(16, true));
    for (const auto& bytes : data) EXPECT_EQ(ByteView(bytes).be32(0), 64u * 14);
}

TEST(TargetReport, ADiskFailureIsReported) {
    Initiator initiator;
    initiator.disk.fail_next = StatusCode::io_error;
    EXPECT_EQ(initiator.report(0, 4096).words(), "4/44/00");
    EXPECT_EQ(initiator.report(0, 4096).words(), "good");
}

}  // namespace
}  // namespace zonebridge::zbc::test
