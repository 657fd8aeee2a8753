// A served virtio-scsi disk: the order of writes, sessions, stopping rings, resets, and how
// sessions and servers end.

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

constexpr std::uint32_t power_on_reset = 0x062900;
constexpr std::uint32_t unaligned_write = 0x052104;
constexpr std::uint32_t write_protected = 0x072700;

/// Expects that the zone holds pieces of consecutive seeds from its start on.
void expect_pieces(Guest& guest, std::uint32_t number, std::uint32_t first_seed,
                   std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto got = must(guest.scsi->read(ServedDisk::lba(number) + i * piece_blocks,
                                               piece_blocks, ServedDisk::block));
        ASSERT_TRUE(got.good()) << got.text();
        ASSERT_EQ(got.data, bytes_of(piece, first_seed + i)) << "zone " << number << " piece " << i;
    }
}

TEST(Served, CommandsChangeTheDisksFile) {
    ServedDisk served;
    {
        Guest guest(served);
        EXPECT_EQ(guest.attention, power_on_reset);
        const auto capacity = must(guest.scsi->read_capacity());
        EXPECT_EQ(capacity.last_lba, (64U << 20) / 512 - 1);
        const auto data = bytes_of(piece, 7);
        EXPECT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone), data, 512)).good());
        EXPECT_EQ(must(guest.scsi->write(ServedDisk::lba(zone), data, 512)).sense_code(),
                  unaligned_write);
        EXPECT_EQ(must(guest.scsi->read(ServedDisk::lba(zone), piece_blocks, 512)).data, data);
        EXPECT_TRUE(must(guest.scsi->zone_action(2, ServedDisk::lba(zone + 1))).good());
        EXPECT_TRUE(must(guest.scsi->zone_action(3, ServedDisk::lba(zone + 2))).good());
        const auto report = must(guest.scsi->report_zones());
        ASSERT_EQ(report.zones.size(), 16U);
        EXPECT_EQ(report.zones[zone].condition, 2);
        EXPECT_EQ(report.zones[zone + 1].condition, 0xE);
        EXPECT_EQ(report.zones[zone + 2].condition, 3);
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.disk.zone(zone)["write_pointer"], zone * (4U << 20) + piece);
    EXPECT_EQ(served.disk.state(zone), "implicit-open");
    EXPECT_EQ(served.disk.state(zone + 1), "full");
    EXPECT_EQ(served.disk.state(zone + 2), "explicit-open");
}

TEST(Served, WritesInFlightKeepTheirOrderOnEveryQueue) {
    ServedDisk served;
    Guest guest(served, {.request_queues = 4, .depth = 64});
    for (std::uint32_t round = 0; round < 8; ++round) {
        std::vector<std::vector<std::byte>> kept;
        for (std::uint16_t queue = 0; queue < 4; ++queue) {
            for (std::uint32_t i = 0; i < 16; ++i) {
                const auto at = round * 16 + i;
                kept.push_back(bytes_of(piece, 1000 * queue + at));
                guest.queue_write(ServedDisk::lba(zone + queue) + at * piece_blocks, kept.back(),
                                  queue);
            }
            guest.scsi->submit(queue);
        }
        for (std::uint16_t queue = 0; queue < 4; ++queue)
            for (int i = 0; i < 16; ++i) {
                const auto result = must(guest.scsi->wait(queue));
                ASSERT_TRUE(result.good()) << result.text();
            }
    }
    for (std::uint16_t queue = 0; queue < 4; ++queue)
        expect_pieces(guest, zone + queue, 1000 * queue, 128);
}

TEST(Served, OffersTheConfiguredNumberOfQueues) {
    ServedDisk served({"--queues", "2"});
    Guest guest(served, {.request_queues = 2});
    EXPECT_EQ(must(guest.front_end.ask(driver::message::get_queue_num)), 4U)
        << "with control and event queue";
    EXPECT_EQ(must(guest.front_end.config(0, 4)), driver::pack(std::uint32_t{2}));
    ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone), bytes_of(piece, 1), 512)).good());
}

TEST(Served, OneDiskServesOneSessionAfterAnother) {
    ServedDisk served;
    for (std::uint32_t session = 0; session < 5; ++session) {
        Guest guest(served);
        EXPECT_EQ(guest.attention, power_on_reset) << "each front end is a new initiator";
        EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + session * piece_blocks);
        ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone) + session * piece_blocks,
                                           bytes_of(piece, session), 512))
                        .good());
    }
    Guest last(served);
    expect_pieces(last, zone, 0, 5);
}

TEST(Served, ARingStopsOnlyAfterItsRequestsComplete) {
    ServedDisk served;
    Guest guest(served);
    guest.submit_writes(ServedDisk::lba(zone), 32, piece);
    const auto base = must(guest.front_end.stop(2));
    auto& ring = guest.scsi->request(0).ring;
    // Some commands may not have been taken. Those that were taken completed; base is the next
    // index.
    EXPECT_EQ(ring.used_index(), base);
    must(guest.front_end.set_base(2, base));
    must(guest.front_end.start(guest.scsi->request(0)));
    guest.scsi->request(0).kick();
    for (int i = 0; i < 32; ++i) ASSERT_TRUE(must(guest.scsi->wait()).good());
    EXPECT_EQ(ring.used_index(), 1 + 32) << "each completed once, before or after the stop";
    expect_pieces(guest, zone, 0, 32);
}

TEST(Served, AFrontEndThatDisconnectsLeavesNoHoles) {
    ServedDisk served;
    for (std::uint32_t round = 0; round < 6; ++round) {
        {
            Guest guest(served);
            guest.submit_writes(ServedDisk::lba(zone + round), 32, piece);
        }  // disconnects with 32 writes in flight
        Guest next(served);
        const auto written = next.pointer(zone + round) - ServedDisk::lba(zone + round);
        ASSERT_EQ(written % piece_blocks, 0U);
        ASSERT_LE(written, 32U * piece_blocks);
        expect_pieces(next, zone + round, 0, static_cast<std::uint32_t>(written / piece_blocks));
    }
}

TEST(Served, AbortsAndResetsCompleteAndAResetCausesAUnitAttention) {
    ServedDisk served;
    Guest guest(served);
    guest.submit_writes(ServedDisk::lba(zone), 16, piece);
    EXPECT_EQ(must(guest.scsi->abort_task(guest.last_write)), 0);
    EXPECT_EQ(guest.scsi->request(0).ring.used_index(), 1 + 16)
        << "all earlier commands have completed";
    for (int i = 0; i < 16; ++i) (void)must(guest.scsi->wait());
    EXPECT_EQ(must(guest.scsi->reset_logical_unit()), 0);
    EXPECT_EQ(must(guest.scsi->test_unit_ready()).sense_code(), power_on_reset);
    EXPECT_TRUE(must(guest.scsi->test_unit_ready()).good());
    EXPECT_EQ(must(guest.scsi->reset_logical_unit({.target = 0, .lun = 9})), 12);
    EXPECT_EQ(must(guest.scsi->reset_logical_unit({.target = 5, .lun = 0})), 3);
}

TEST(Served, GuestMemoryMayGrowAndShrinkWithWritesInFlight) {
    ServedDisk served;
    Guest guest(served);
    driver::SharedMemory more;
    must(more.add(std::uint64_t{1} << 32, 1 << 20));
    for (std::uint32_t round = 0; round < 16; ++round) {
        const auto data = bytes_of(piece, round);
        guest.queue_write(ServedDisk::lba(zone) + round * piece_blocks, data);
        guest.scsi->submit();
        if (round % 2 == 0)
            must(guest.front_end.add_region(more.regions()[0]));
        else
            must(guest.front_end.remove_region(more.regions()[0]));
        ASSERT_TRUE(must(guest.scsi->wait()).good());
    }
    expect_pieces(guest, zone, 0, 16);
}

TEST(Served, SigtermWithWritesInFlightLeavesTheDiskClean) {
    ServedDisk served;
    Guest guest(served);
    guest.submit_writes(ServedDisk::lba(zone), 32, piece);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_TRUE(guest.front_end.connection().closed());
    // After a clean close, open zones stay open; otherwise they would be closed.
    const auto state = served.disk.state(zone);
    EXPECT_TRUE(state == "implicit-open" || state == "empty") << state;
}

// Otherwise a flush of the next server would be good for data that is gone.
TEST(Served, WhatWasAnsweredSurvivesAKilledServer) {
    ServedDisk served;
    {
        Guest guest(served);
        for (const auto each : {zone, zone + 1})
            for (std::uint32_t i = 0; i < 8; ++i)
                ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(each) + i * piece_blocks,
                                                   bytes_of(piece, i), 512))
                                .good());
        ASSERT_TRUE(must(guest.scsi->synchronize_cache()).good());
        ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone) + 8 * piece_blocks,
                                           bytes_of(piece, 8), 512))
                        .good());
        ASSERT_TRUE(must(guest.scsi->zone_action(4, ServedDisk::lba(zone + 1))).good());
        served.kill();
    }
    for (int restarts = 0; restarts < 2; ++restarts) {
        served.start();
        Guest guest(served);
        EXPECT_TRUE(must(guest.scsi->synchronize_cache()).good());
        ASSERT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + 9 * piece_blocks);
        expect_pieces(guest, zone, 0, 9);
        EXPECT_EQ(guest.pointer(zone + 1), ServedDisk::lba(zone + 1));
        served.kill();
    }
}

TEST(Served, ADiskThatLostDataIsNotServedUntilTheLossIsAccepted) {
    ServedDisk served;
    {
        Guest guest(served);
        ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone), bytes_of(piece, 1), 512)).good());
        served.kill();
    }
    // The last byte of the piece; the file has room for the whole zone.
    std::filesystem::resize_file(served.disk.path(),
                                 std::filesystem::file_size(served.disk.path()) -
                                     ServedDisk::zone_blocks * ServedDisk::block + piece - 1);
    const std::vector<std::string> serve{"serve", served.disk.path(), "--virtio",
                                         "scsi",  "--socket",         served.socket()};
    const auto refused = zonebridge(serve);
    EXPECT_NE(refused.status, 0);
    EXPECT_NE(refused.err.find("zone 2 ends at offset 8388608 instead of 8404992"),
              std::string::npos)
        << refused.err;
    EXPECT_NE(refused.err.find("--accept-loss"), std::string::npos) << refused.err;
    const auto looked = zonebridge({"report", served.disk.path()});
    EXPECT_EQ(looked.status, 0);
    EXPECT_NE(looked.err.find("data is missing"), std::string::npos) << looked.err;
    auto accepting = serve;
    accepting.emplace_back("--accept-loss");
    Background server(accepting);
    EXPECT_NE(server.output_until("ready:").find("ready:"), std::string::npos);
}

TEST(Served, AReadOnlyDiskRefusesEveryChange) {
    ServedDisk served({"--read-only"});
    Guest guest(served);
    EXPECT_EQ(must(guest.scsi->write(0, bytes_of(4096, 1), 512)).sense_code(), write_protected);
    for (const std::uint8_t action : {1, 2, 3, 4})
        EXPECT_EQ(must(guest.scsi->zone_action(action, ServedDisk::lba(zone))).sense_code(),
                  write_protected);
    EXPECT_TRUE(must(guest.scsi->read(0, 8, 512)).good());
    EXPECT_TRUE(must(guest.scsi->synchronize_cache()).good());
}

}  // namespace
}  // namespace zonebridge::test
