// A virtio-blk disk whose queues run on several workers: the order of writes, the sectors of
// appends, and operations on one queue or all of them while the others are busy.

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

constexpr std::uint16_t four_queues = 4;

driver::BlkOptions options_for(std::uint16_t count, std::uint16_t depth) {
    return {.queues = count, .max_transfer = 1u << 18, .depth = depth};
}

/// The seed of each append's data, by the sector that the append returned.
using Places = std::map<std::uint64_t, std::uint32_t>;

/// Submits eight appends to `zone` on that queue. Adds the seed of each one's data to `seeds`, by
/// the request's number.
void submit_appends(BlkGuest& guest, std::uint16_t queue, std::uint32_t& seed,
                    std::map<std::uint64_t, std::uint32_t>& seeds) {
    for (int i = 0; i < 8; ++i, ++seed)
        seeds[must(guest.blk->add({.type = blk::append,
                                   .sector = ServedDisk::lba(zone),
                                   .data_out = bytes_of(piece, seed),
                                   .tail = blk::append_tail_linux},
                                  queue))] = seed;
    guest.blk->submit(queue);
}

/// The ring features to accept, and how many workers run five queues.
class OnWorkers : public ::testing::TestWithParam<std::tuple<std::uint64_t, const char*>> {
  protected:
    static constexpr std::uint16_t five = 5;

    static driver::Wanted wanted() {
        auto all = BlkGuest::wanted(zoned_driver);
        all.features &= ~(driver::bit::event_index | driver::bit::indirect);
        all.features |= std::get<0>(GetParam());
        return all;
    }

    ServedDisk served{{"--queues", "8", "--workers", std::get<1>(GetParam())}, "blk"};
    BlkGuest guest{served, wanted(), options_for(five, five * 8)};
};

TEST_P(OnWorkers, WritesFromEveryQueueKeepTheirOrderInItsZone) {
    for (std::uint32_t round = 0; round < 24; ++round) {
        for (std::uint16_t queue = 0; queue < five; ++queue)
            guest.submit_writes(ServedDisk::lba(zone + queue) + round * 8 * piece_sectors, 8, queue,
                                1000 * queue + round * 8);
        for (std::uint16_t queue = 0; queue < five; ++queue) guest.expect_ok(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five; ++queue)
        guest.expect_pieces(zone + queue, 1000 * queue, 24 * 8);
}

TEST_P(OnWorkers, AppendsFromEveryQueueFillOneZone) {
    constexpr std::uint32_t rounds = 6;
    std::map<std::uint64_t, std::uint32_t> seeds;  // by the request's number
    Places places;
    std::uint32_t seed = 0;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        for (std::uint16_t queue = 0; queue < five; ++queue)
            submit_appends(guest, queue, seed, seeds);
        for (std::uint16_t queue = 0; queue < five; ++queue) {
            for (int i = 0; i < 8; ++i) {
                const auto result = must(guest.blk->wait(queue));
                ASSERT_TRUE(result.ok()) << int{result.status};
                ASSERT_TRUE(places.emplace(result.append_sector, seeds.at(result.id)).second)
                    << "two appends at sector " << result.append_sector;
            }
        }
    }
    ASSERT_EQ(places.size(), seed);
    EXPECT_EQ(places.begin()->first, ServedDisk::lba(zone));
    EXPECT_EQ(places.rbegin()->first, ServedDisk::lba(zone) + (seed - 1) * piece_sectors);
    EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + seed * piece_sectors);
    for (const auto& [place, wrote] : places)
        ASSERT_EQ(must(guest.blk->read(place, piece)).data, bytes_of(piece, wrote)) << place;
}

INSTANTIATE_TEST_SUITE_P(
    Rings, OnWorkers,
    ::testing::Combine(::testing::Values(driver::bit::event_index | driver::bit::indirect,
                                         driver::bit::event_index, driver::bit::indirect, 0),
                       ::testing::Values("1", "3", "5")),
    [](const auto& info) {
        const auto features = std::get<0>(info.param);
        return std::string((features & driver::bit::event_index) != 0 ? "event_index_" : "") +
               ((features & driver::bit::indirect) != 0 ? "indirect_" : "") + "workers_" +
               std::get<1>(info.param);
    });

TEST(ServedByWorkers, AZoneMayBeResetWhileOtherQueuesAppendToIt) {
    ServedDisk served(four_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
    std::map<std::uint64_t, std::uint32_t> seeds;
    std::map<std::uint64_t, std::set<std::uint32_t>> places;  // all seeds written to that sector
    std::uint32_t seed = 0;
    for (std::uint32_t round = 0; round < 12; ++round) {
        for (std::uint16_t queue = 1; queue < four_queues; ++queue)
            submit_appends(guest, queue, seed, seeds);
        must(guest.blk->add({.type = blk::reset, .sector = ServedDisk::lba(zone)}));
        guest.blk->submit();
        guest.expect_ok(0, 1);
        for (std::uint16_t queue = 1; queue < four_queues; ++queue) {
            for (int i = 0; i < 8; ++i) {
                const auto result = must(guest.blk->wait(queue));
                ASSERT_TRUE(result.ok()) << int{result.status};
                places[result.append_sector].insert(seeds.at(result.id));
            }
        }
    }
    const auto pointer = guest.pointer(zone);
    for (auto place = ServedDisk::lba(zone); place < pointer; place += piece_sectors) {
        const auto got = must(guest.blk->read(place, piece)).data;
        const auto& wrote = places[place];
        EXPECT_TRUE(std::any_of(wrote.begin(), wrote.end(),
                                [&](auto one) { return got == bytes_of(piece, one); }))
            << "sector " << place;
    }
    EXPECT_TRUE(must(guest.blk->act(blk::reset, ServedDisk::lba(zone))).ok());
    EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone));
}

TEST(ServedByWorkers, AZoneMayBeResetWhileOtherQueuesWriteOtherZones) {
    ServedDisk served(four_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
    for (std::uint32_t round = 0; round < 12; ++round) {
        for (std::uint16_t queue = 1; queue < four_queues; ++queue)
            guest.submit_writes(ServedDisk::lba(zone + queue) + round * 16 * piece_sectors, 16,
                                queue, round * 16);
        // The resets must not affect the other zones.
        for (int i = 0; i < 4; ++i) {
            EXPECT_TRUE(must(guest.blk->write(ServedDisk::lba(zone), bytes_of(piece, round))).ok());
            EXPECT_TRUE(must(guest.blk->act(blk::reset, ServedDisk::lba(zone))).ok());
        }
        for (std::uint16_t queue = 1; queue < four_queues; ++queue) guest.expect_ok(queue, 16);
    }
    EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone));
    for (std::uint16_t queue = 1; queue < four_queues; ++queue)
        guest.expect_pieces(zone + queue, 0, 12 * 16);
}

TEST(ServedByWorkers, GuestMemoryMayChangeWithRequestsInFlightOnEveryWorker) {
    ServedDisk served(four_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
    driver::SharedMemory more;
    must(more.add(std::uint64_t{1} << 32, 1 << 20));
    for (std::uint32_t round = 0; round < 24; ++round) {
        for (std::uint16_t queue = 0; queue < four_queues; ++queue)
            guest.submit_writes(ServedDisk::lba(zone + queue) + round * 8 * piece_sectors, 8, queue,
                                round * 8);
        switch (round % 3) {
            case 0:
                must(guest.front_end.add_region(more.regions()[0]));
                break;
            case 1:
                must(guest.front_end.remove_region(more.regions()[0]));
                break;
            default:
                must(guest.front_end.share(guest.memory));
        }
        for (std::uint16_t queue = 0; queue < four_queues; ++queue) guest.expect_ok(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < four_queues; ++queue)
        guest.expect_pieces(zone + queue, 0, 24 * 8);
}

TEST(ServedByWorkers, OneQueueMayStopWhileTheOthersGoOn) {
    ServedDisk served(four_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
    for (std::uint32_t round = 0; round < 12; ++round) {
        const auto at = round * 16 * piece_sectors;
        const auto stopped = static_cast<std::uint16_t>(round % four_queues);
        for (std::uint16_t queue = 0; queue < four_queues; ++queue)
            guest.submit_writes(ServedDisk::lba(zone + queue) + at, 16, queue, round * 16);
        const auto base = must(guest.front_end.stop(stopped));
        auto& queue = guest.blk->queue(stopped);
        ASSERT_EQ(queue.ring.used_index(), base) << "every request that was taken completed";
        for (std::uint16_t other = 0; other < four_queues; ++other)
            if (other != stopped) guest.expect_ok(other, 16);
        must(guest.front_end.set_base(stopped, base));
        must(guest.front_end.start(queue));
        queue.kick();
        guest.expect_ok(stopped, 16);
    }
    for (std::uint16_t queue = 0; queue < four_queues; ++queue)
        guest.expect_pieces(zone + queue, 0, 12 * 16);
}

TEST(ServedByWorkers, ASessionMayEndWithRequestsInFlightOnEveryWorker) {
    ServedDisk served(four_workers(), "blk");
    for (std::uint32_t round = 0; round < 3; ++round) {
        const auto first = zone + round * four_queues;
        {
            BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
            for (std::uint16_t queue = 0; queue < four_queues; ++queue)
                guest.submit_writes(ServedDisk::lba(first + queue), 16, queue);
        }
        BlkGuest next(served);
        for (std::uint16_t queue = 0; queue < four_queues; ++queue) {
            const auto start = ServedDisk::lba(first + queue);
            const auto written = next.pointer(first + queue) - start;
            ASSERT_EQ(written % piece_sectors, 0U);
            ASSERT_LE(written, 16U * piece_sectors);
            next.expect_pieces(first + queue, 0,
                               static_cast<std::uint32_t>(written / piece_sectors));
            // So that the limit of open zones is not reached.
            ASSERT_TRUE(must(next.blk->act(blk::finish, start)).ok());
        }
    }
}

TEST(ServedByWorkers, SigtermWithWritesInFlightOnEveryWorkerLeavesTheDiskClean) {
    ServedDisk served(four_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
    for (std::uint16_t queue = 0; queue < four_queues; ++queue)
        guest.submit_writes(ServedDisk::lba(zone + queue), 16, queue);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_TRUE(guest.front_end.connection().closed());
    for (std::uint16_t queue = 0; queue < four_queues; ++queue) {
        // After a clean close, open zones stay open; otherwise they would be closed.
        const auto state = served.disk.state(zone + queue);
        EXPECT_TRUE(state == "implicit-open" || state == "empty") << state;
    }
}

TEST(ServedByWorkers, MalformedRingsOnSeveralWorkersEndOneSession) {
    ServedDisk served(four_workers(), "blk");
    for (int round = 0; round < 4; ++round) {
        BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
        for (std::uint16_t queue = 0; queue < four_queues; ++queue) {
            auto& ring = guest.blk->queue(queue).ring;
            ring.set_available_index(static_cast<std::uint16_t>(ring.size() + 1));
        }
        for (std::uint16_t queue = 0; queue < four_queues; ++queue) guest.blk->queue(queue).kick();
        EXPECT_TRUE(guest.front_end.connection().closed());
    }
    BlkGuest next(served, zoned_driver, options_for(four_queues, 64));
    for (std::uint16_t queue = 0; queue < four_queues; ++queue)
        next.submit_writes(ServedDisk::lba(zone + queue), 4, queue);
    for (std::uint16_t queue = 0; queue < four_queues; ++queue) next.expect_ok(queue, 4);
}

TEST(ServedByWorkers, SwitchingTheWriteCacheOffAppliesToEveryWorker) {
    ServedDisk served(four_workers(), "blk");
    {
        BlkGuest guest(served, zoned_driver, options_for(four_queues, 64));
        must(guest.front_end.set_config(32, std::array{std::byte{0}}));
        for (std::uint16_t queue = 0; queue < four_queues; ++queue)
            guest.submit_writes(ServedDisk::lba(zone + queue), 4, queue);
        for (std::uint16_t queue = 0; queue < four_queues; ++queue) guest.expect_ok(queue, 4);
        served.kill();
    }
    served.start();
    BlkGuest guest(served);
    for (std::uint16_t queue = 0; queue < four_queues; ++queue) {
        ASSERT_EQ(guest.pointer(zone + queue), ServedDisk::lba(zone + queue) + 4 * piece_sectors);
        guest.expect_pieces(zone + queue, 0, 4);
    }
}

}  // namespace
}  // namespace zonebridge::test
