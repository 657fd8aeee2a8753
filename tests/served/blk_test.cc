// A served virtio-blk disk: its configuration, the order of writes, appends, reports, and how
// sessions and servers end.

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

TEST(ServedBlk, TheConfigurationDescribesTheDisk) {
    ServedDisk served({"--queues", "3"}, "blk");
    BlkGuest guest(served);
    EXPECT_EQ(must(guest.front_end.ask(driver::message::get_queue_num)), 3U);
    EXPECT_NE(guest.front_end.features() & blk::f_zoned, 0U);
    EXPECT_EQ(guest.front_end.offered() & blk::f_read_only, 0U);
    EXPECT_EQ(guest.number(0, 8), (64U << 20) / 512);
    EXPECT_EQ(guest.number(20, 4), 512U);
    EXPECT_EQ(guest.number(34, 2), 3U);
    EXPECT_EQ(guest.number(72, 4), ServedDisk::zone_blocks);
    EXPECT_EQ(guest.number(76, 4), 8U);
    EXPECT_NE(guest.number(84, 4), 0U) << "Linux's driver needs zone append";
    EXPECT_EQ(guest.number(88, 4), 4096U);
    EXPECT_EQ(guest.number(92, 1), 1U);
    EXPECT_EQ(guest.number(96, 8), 0U) << "bytes behind the end read as zero";
}

TEST(ServedBlk, RequestsChangeTheDisksFile) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served);
        const auto at = ServedDisk::lba(zone);
        EXPECT_TRUE(must(guest.blk->write(at, bytes_of(piece, 7))).ok());
        EXPECT_EQ(must(guest.blk->write(at, bytes_of(piece, 7))).status, blk::unaligned);
        guest.expect_pieces(zone, 7, 1);
        EXPECT_TRUE(must(guest.blk->act(blk::finish, ServedDisk::lba(zone + 1))).ok());
        EXPECT_TRUE(must(guest.blk->act(blk::open, ServedDisk::lba(zone + 2))).ok());
        EXPECT_TRUE(must(guest.blk->act(blk::flush)).ok());
        const auto report = must(guest.blk->report());
        ASSERT_EQ(report.size(), 16U);
        EXPECT_EQ(report[zone].write_pointer, at + piece_sectors);
        EXPECT_EQ(report[zone + 1].state, 14);
        EXPECT_EQ(report[zone + 2].state, 3);
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.disk.zone(zone)["write_pointer"], zone * (4U << 20) + piece);
    EXPECT_EQ(served.disk.state(zone), "implicit-open");
    EXPECT_EQ(served.disk.state(zone + 1), "full");
    EXPECT_EQ(served.disk.state(zone + 2), "explicit-open");
}

TEST(ServedBlk, WritesInFlightKeepTheirOrderOnEveryQueue) {
    ServedDisk served({}, "blk");
    BlkGuest guest(served, zoned_driver, {.queues = 4, .depth = 64});
    for (std::uint32_t round = 0; round < 8; ++round) {
        for (std::uint16_t queue = 0; queue < 4; ++queue) {
            for (std::uint32_t i = 0; i < 16; ++i) {
                const auto n = round * 16 + i;
                must(guest.blk->add({.type = blk::out,
                                     .sector = ServedDisk::lba(zone + queue) + n * piece_sectors,
                                     .data_out = bytes_of(piece, 1000 * queue + n)},
                                    queue));
            }
            guest.blk->submit(queue);
        }
        for (std::uint16_t queue = 0; queue < 4; ++queue)
            for (int i = 0; i < 16; ++i) ASSERT_TRUE(must(guest.blk->wait(queue)).ok());
    }
    for (std::uint16_t queue = 0; queue < 4; ++queue)
        guest.expect_pieces(zone + queue, 1000 * queue, 128);
}

TEST(ServedBlk, ConcurrentAppendsFillTheZoneAtTheReportedSectors) {
    ServedDisk served({}, "blk");
    BlkGuest guest(served, zoned_driver, {.queues = 2});
    std::vector<std::uint64_t> ids;
    for (std::uint32_t i = 0; i < 32; ++i)
        ids.push_back(
            must(guest.blk->add({.type = blk::append,
                                 .sector = ServedDisk::lba(zone),
                                 .data_out = bytes_of(piece, i),
                                 .tail = i % 2 == 0 ? blk::append_tail : blk::append_tail_linux},
                                i % 2)));
    for (const std::uint16_t queue : {0, 1}) guest.blk->submit(queue);
    std::set<std::uint64_t> sectors;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> seeds;  // sector, seed
    for (std::uint32_t i = 0; i < 32; ++i) {
        const auto result = must(guest.blk->wait(i % 2));
        ASSERT_TRUE(result.ok()) << int{result.status};
        sectors.insert(result.append_sector);
        const auto seed = std::find(ids.begin(), ids.end(), result.id) - ids.begin();
        seeds.emplace_back(result.append_sector, static_cast<std::uint32_t>(seed));
    }
    ASSERT_EQ(sectors.size(), 32U);
    EXPECT_EQ(*sectors.begin(), ServedDisk::lba(zone));
    EXPECT_EQ(*sectors.rbegin(), ServedDisk::lba(zone) + 31 * piece_sectors);
    for (const auto& [sector, seed] : seeds)
        EXPECT_EQ(must(guest.blk->read(sector, piece)).data, bytes_of(piece, seed));
    EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + 32 * piece_sectors);
}

TEST(ServedBlk, ReportsFitBuffersOfAnySize) {
    ServedDisk served({}, "blk");
    BlkGuest guest(served);
    for (const std::uint32_t bytes :
         {128U, 129U, 1000U, 16U * 64, 17U * 64, 17U * 64 + 63, 65536U}) {
        const auto zones = must(guest.blk->report(1, bytes));
        EXPECT_EQ(zones.size(), std::min(16U, bytes / 64 - 1)) << bytes;
        EXPECT_EQ(zones[0].start, 0U);
    }
    EXPECT_EQ(must(guest.blk->run({.type = blk::report, .data_in_length = 127})).status,
              blk::invalid);
    EXPECT_EQ(must(guest.blk->report(ServedDisk::lba(15) + 5)).size(), 1U);
}

TEST(ServedBlk, ADriverWithoutZonesGetsErrorsOnly) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served, blk::f_flush);
        EXPECT_EQ(must(guest.blk->read(0, 4096)).status, blk::io_error);
        EXPECT_EQ(must(guest.blk->write(0, bytes_of(4096, 1))).status, blk::io_error);
        EXPECT_EQ(must(guest.blk->run({.type = blk::report, .data_in_length = 4096})).status,
                  blk::unsupported);
    }
    BlkGuest next(served);
    EXPECT_TRUE(must(next.blk->read(0, 4096)).ok()) << "the next session is not affected";
}

TEST(ServedBlk, ADiskWithoutZonesIsServedAsAnOrdinaryDisk) {
    ServedDisk served({}, "blk", {"--size", "64M", "--model", "none"});
    {
        BlkGuest guest(served);
        EXPECT_EQ(guest.front_end.offered() & blk::f_zoned, 0U);
        EXPECT_EQ(guest.number(92, 1), 0U);
        EXPECT_TRUE(must(guest.blk->write(12345, bytes_of(piece, 3))).ok());
        EXPECT_EQ(must(guest.blk->read(12345, piece)).data, bytes_of(piece, 3));
        EXPECT_EQ(must(guest.blk->act(blk::reset_all)).status, blk::unsupported);
        EXPECT_TRUE(must(guest.blk->act(blk::flush)).ok());
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(done({"read", served.disk.path(), "--offset", std::to_string(12345 * 512), "--length",
                    std::to_string(piece)}),
              pattern(piece, 3));
}

TEST(ServedBlk, AFrontEndThatDisconnectsLeavesNoHoles) {
    ServedDisk served({}, "blk");
    for (std::uint32_t round = 0; round < 6; ++round) {
        {
            BlkGuest guest(served);
            guest.submit_writes(ServedDisk::lba(zone + round), 32);
        }  // disconnects with 32 writes in flight
        BlkGuest next(served);
        const auto written = next.pointer(zone + round) - ServedDisk::lba(zone + round);
        ASSERT_EQ(written % piece_sectors, 0U);
        ASSERT_LE(written, 32U * piece_sectors);
        next.expect_pieces(zone + round, 0, static_cast<std::uint32_t>(written / piece_sectors));
    }
}

TEST(ServedBlk, ARingStopsOnlyAfterItsRequestsComplete) {
    ServedDisk served({}, "blk");
    BlkGuest guest(served);
    guest.submit_writes(ServedDisk::lba(zone), 32);
    const auto base = must(guest.front_end.stop(0));
    EXPECT_EQ(guest.blk->queue(0).ring.used_index(), base);
    must(guest.front_end.set_base(0, base));
    must(guest.front_end.start(guest.blk->queue(0)));
    guest.blk->queue(0).kick();
    for (int i = 0; i < 32; ++i) ASSERT_TRUE(must(guest.blk->wait()).ok());
    guest.expect_pieces(zone, 0, 32);
}

/// Kills the server after writes that completed without a flush; expects that they survive.
void expect_kept_after_kill(std::uint64_t features, bool cache_off) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served, features);
        if (cache_off) must(guest.front_end.set_config(32, std::array{std::byte{0}}));
        for (std::uint32_t i = 0; i < 4; ++i)
            ASSERT_TRUE(must(guest.blk->write(ServedDisk::lba(zone) + i * piece_sectors,
                                              bytes_of(piece, i)))
                            .ok());
        served.kill();
    }
    served.start();
    BlkGuest guest(served);
    ASSERT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + 4 * piece_sectors);
    guest.expect_pieces(zone, 0, 4);
}

TEST(ServedBlk, WhatWasAnsweredSurvivesAKilledServer) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served);
        for (std::uint32_t i = 0; i < 9; ++i) {
            ASSERT_TRUE(must(guest.blk->write(ServedDisk::lba(zone) + i * piece_sectors,
                                              bytes_of(piece, i)))
                            .ok());
            if (i == 7) {
                ASSERT_TRUE(must(guest.blk->act(blk::flush)).ok());
            }
        }
        served.kill();
    }
    served.start();
    BlkGuest guest(served);
    EXPECT_TRUE(must(guest.blk->act(blk::flush)).ok());
    ASSERT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + 9 * piece_sectors);
    guest.expect_pieces(zone, 0, 9);
}

TEST(ServedBlk, WithoutTheFlushFeatureEveryCompletedWriteSurvivesAKilledServer) {
    expect_kept_after_kill(blk::f_zoned, false);
}

TEST(ServedBlk, WithTheCacheOffEveryCompletedWriteSurvivesAKilledServer) {
    expect_kept_after_kill(zoned_driver, true);
}

TEST(ServedBlk, AReadOnlyDiskRefusesEveryChange) {
    ServedDisk served({"--read-only"}, "blk");
    BlkGuest guest(served);
    EXPECT_NE(guest.front_end.offered() & blk::f_read_only, 0U);
    EXPECT_EQ(must(guest.blk->write(0, bytes_of(4096, 1))).status, blk::io_error);
    EXPECT_EQ(must(guest.blk->act(blk::reset, ServedDisk::lba(zone))).status, blk::io_error);
    EXPECT_TRUE(must(guest.blk->read(0, 4096)).ok());
    EXPECT_TRUE(must(guest.blk->act(blk::flush)).ok());
}

TEST(ServedBlk, AMalformedRequestEndsOnlyItsSession) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served);
        const auto block = guest.memory.allocate(8);
        auto& queue = guest.blk->queue(0);
        ASSERT_TRUE(queue.ring.add(std::array{driver::to_device(block)}));
        queue.submit();
        EXPECT_TRUE(guest.front_end.connection().closed());
    }
    BlkGuest next(served);
    EXPECT_TRUE(must(next.blk->read(0, 4096)).ok());
}

/// One range of a discard or a write of zeroes, in the standard's layout.
std::vector<std::byte> range(std::uint64_t sector, std::uint32_t sectors, std::uint32_t flags = 0) {
    std::vector<std::byte> bytes(16);
    std::memcpy(bytes.data(), &sector, 8);
    std::memcpy(bytes.data() + 8, &sectors, 4);
    std::memcpy(bytes.data() + 12, &flags, 4);
    return bytes;
}

constexpr std::uint64_t clearing = blk::f_discard | blk::f_write_zeroes;
const std::vector<std::string> without_zones{"--size", "64M", "--model", "none"};

TEST(ServedBlk, ADiskWithoutZonesDiscardsAndWritesZeroes) {
    ServedDisk served({}, "blk", without_zones);
    {
        BlkGuest guest(served, clearing | blk::f_flush);
        EXPECT_EQ(guest.front_end.offered() & clearing, clearing);
        EXPECT_EQ(guest.number(36, 4), (64U << 20) / 512) << "max_discard_sectors";
        EXPECT_EQ(guest.number(40, 4), 16U);
        EXPECT_EQ(guest.number(44, 4), 8U);
        EXPECT_EQ(guest.number(48, 4), (64U << 20) / 512) << "max_write_zeroes_sectors";
        EXPECT_EQ(guest.number(52, 4), 16U);
        EXPECT_EQ(guest.number(56, 4), 1U) << "may_unmap, and zeroes behind it";
        const auto clear = [&](std::uint32_t type, const std::vector<std::byte>& ranges) {
            return must(guest.blk->run({.type = type, .data_out = ranges})).status;
        };
        for (std::uint32_t i = 0; i < 8; ++i)
            ASSERT_TRUE(must(guest.blk->write(i * piece_sectors, bytes_of(piece, i))).ok());
        EXPECT_EQ(clear(blk::write_zeroes, range(piece_sectors, piece_sectors)), blk::ok);
        EXPECT_EQ(clear(blk::write_zeroes, range(2 * piece_sectors, piece_sectors, 1)), blk::ok);
        auto several = range(4 * piece_sectors, piece_sectors);
        const auto second = range(6 * piece_sectors, piece_sectors);
        several.insert(several.end(), second.begin(), second.end());
        EXPECT_EQ(clear(blk::discard, several), blk::ok);
        EXPECT_TRUE(must(guest.blk->act(blk::flush)).ok());
        for (std::uint32_t i = 0; i < 8; ++i) {
            const auto kept = i == 0 || i == 3 || i == 5 || i == 7;
            EXPECT_EQ(must(guest.blk->read(i * piece_sectors, piece)).data,
                      kept ? bytes_of(piece, i) : std::vector<std::byte>(piece))
                << i << ": an emulated disk reads zeroes after a discard too";
        }
        // Invalid requests change nothing.
        const auto end = (64U << 20) / 512;
        EXPECT_EQ(clear(blk::discard, range(end - 1, 2)), blk::io_error);
        EXPECT_EQ(clear(blk::write_zeroes, range(~std::uint64_t{0} - 7, 16)), blk::io_error);
        EXPECT_EQ(clear(blk::discard, range(0, 8, 1)), blk::unsupported);
        EXPECT_EQ(clear(blk::write_zeroes, range(0, 8, 2)), blk::unsupported);
        EXPECT_EQ(clear(blk::write_zeroes, {}), blk::io_error);
        EXPECT_EQ(must(guest.blk->read(0, piece)).data, bytes_of(piece, 0));
    }
    EXPECT_EQ(served.stop(), 0);
    served.start();
    BlkGuest again(served, 0);
    EXPECT_EQ(must(again.blk->read(6 * piece_sectors, piece)).data, std::vector<std::byte>(piece));
    EXPECT_EQ(must(again.blk->read(7 * piece_sectors, piece)).data, bytes_of(piece, 7));
    for (const auto type : {blk::discard, blk::write_zeroes})
        EXPECT_EQ(must(again.blk->run({.type = type, .data_out = range(0, 8)})).status,
                  blk::unsupported)
            << "the feature was not accepted";
}

TEST(ServedBlk, AHostManagedOrReadOnlyDiskOffersNoDiscard) {
    ServedDisk managed({}, "blk");
    BlkGuest guest(managed);
    EXPECT_EQ(guest.front_end.offered() & clearing, 0U);
    for (const auto type : {blk::discard, blk::write_zeroes})
        EXPECT_EQ(must(guest.blk->run({.type = type, .data_out = range(0, 8)})).status,
                  blk::unsupported);
    ServedDisk protected_disk({"--read-only"}, "blk", without_zones);
    EXPECT_EQ(BlkGuest(protected_disk, 0).front_end.offered() & clearing, 0U);
}

}  // namespace
}  // namespace zonebridge::test
