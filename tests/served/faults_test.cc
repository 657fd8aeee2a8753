// serve --fault and --explain, seen by drivers: the sense data and statuses for injected faults,
// and the log lines.

#include <sstream>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

constexpr std::uint64_t zone_bytes = ServedDisk::zone_blocks * ServedDisk::block;

std::vector<std::string> faults(std::initializer_list<const char*> rules) {
    std::vector<std::string> options;
    for (const auto* rule : rules) options.insert(options.end(), {"--fault", rule});
    return options;
}

std::uint32_t sense_of(const driver::Result<driver::ScsiResult>& result) {
    return must(result).sense_code();
}

TEST(ServedFaults, AZoneBecomesReadOnlyForAScsiInitiator) {
    ServedDisk served(faults({"zone=3,state=read-only,operation=write,after=2"}));
    Guest guest(served);
    const auto at = ServedDisk::lba(3);
    const auto data = bytes_of(4096, 1);
    EXPECT_TRUE(must(guest.scsi->write(at, data, 512)).good());
    EXPECT_TRUE(must(guest.scsi->write(at + 8, data, 512)).good());
    EXPECT_EQ(must(guest.scsi->report_zones(at)).zones.at(0).condition, 2);
    EXPECT_EQ(sense_of(guest.scsi->write(at + 16, data, 512)), 0x072708U);
    EXPECT_EQ(must(guest.scsi->report_zones(at)).zones.at(0).condition, 0xD);
    EXPECT_EQ(must(guest.scsi->read(at, 8, 512)).data, data);
    EXPECT_EQ(sense_of(guest.scsi->zone_action(4, at)), 0x072708U);
    EXPECT_TRUE(must(guest.scsi->zone_action(4, 0, true)).good());
    EXPECT_EQ(must(guest.scsi->report_zones(at)).zones.at(0).condition, 0xD);
    // READ ONLY as a reporting option.
    EXPECT_EQ(must(guest.scsi->report_zones(0, 0x06)).zones.size(), 1U);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.disk.state(3), "implicit-open") << "the disk itself is unchanged";
}

TEST(ServedFaults, AnOfflineZoneCanNeitherBeReadNorWritten) {
    ServedDisk served(faults({"zone=3-4,state=offline"}));
    Guest guest(served);
    for (const std::uint64_t zone_number : {3, 4}) {
        const auto at = zone_number * ServedDisk::zone_blocks;
        EXPECT_EQ(sense_of(guest.scsi->read(at, 8, 512)), 0x072C0EU);
        EXPECT_EQ(sense_of(guest.scsi->write(at, bytes_of(4096, 1), 512)), 0x072C0EU);
        EXPECT_EQ(must(guest.scsi->report_zones(at)).zones.at(0).condition, 0xF);
    }
    EXPECT_TRUE(must(guest.scsi->read(ServedDisk::lba(5), 8, 512)).good());
}

TEST(ServedFaults, ABadOffsetIsAMediumError) {
    const auto offset = std::to_string(4 * zone_bytes + 4096);
    ServedDisk served(faults({("offset=" + offset + ",error=media").c_str()}));
    Guest guest(served);
    const auto at = ServedDisk::lba(4);
    EXPECT_EQ(sense_of(guest.scsi->read(at + 8, 1, 512)), 0x031100U);
    EXPECT_EQ(sense_of(guest.scsi->read(at, 16, 512)), 0x031100U);
    EXPECT_TRUE(must(guest.scsi->read(at, 8, 512)).good());
    EXPECT_TRUE(must(guest.scsi->read(at + 9, 8, 512)).good());
    EXPECT_TRUE(must(guest.scsi->write(at, bytes_of(4096, 1), 512)).good());
    EXPECT_EQ(sense_of(guest.scsi->write(at + 8, bytes_of(4096, 1), 512)), 0x030C00U);
}

TEST(ServedFaults, ADelayedRequestDoesNotDelayOthers) {
    ServedDisk served(faults({"zone=5,latency=100ms"}));
    Guest guest(served);
    const auto slow = guest.queue_write(ServedDisk::lba(5), bytes_of(4096, 1));
    const auto quick = guest.queue_write(ServedDisk::lba(6), bytes_of(4096, 1));
    guest.scsi->submit();
    const auto first = must(guest.scsi->wait());
    EXPECT_EQ(first.id, quick);
    EXPECT_TRUE(first.good());
    const auto second = must(guest.scsi->wait());
    EXPECT_EQ(second.id, slow);
    EXPECT_TRUE(second.good());
}

// This takes as long as the program's own limit, 30 s.
TEST(ServedFaults, AServerWhoseDiskHangsExitsWithAMessage) {
    ServedDisk served(faults({"zone=5,latency=60s"}), "scsi", {}, ServedDisk::Log::kept);
    Guest guest(served);
    (void)guest.queue_write(ServedDisk::lba(5), bytes_of(4096, 1));
    const auto quick = guest.queue_write(ServedDisk::lba(6), bytes_of(4096, 1));
    guest.scsi->submit();
    EXPECT_EQ(must(guest.scsi->wait()).id, quick)
        << "the delayed request has reached the disk by now";
    EXPECT_EQ(served.stop(), 1);
    EXPECT_NE(served.log().find("told to end 30 s ago"), std::string::npos) << served.log();
}

TEST(ServedFaults, EveryQueueOfABlkDiskSeesAZoneGoOffline) {
    ServedDisk served(faults({"zone=3,state=offline,operation=write,after=4"}), "blk");
    BlkGuest guest(served, zoned_driver, {.queues = 4});
    const auto at = ServedDisk::lba(3);
    guest.submit_writes(at, 4);
    guest.expect_ok(0, 4);
    guest.submit_writes(at + 4 * piece_sectors, 1, 1);
    EXPECT_EQ(must(guest.blk->wait(1)).status, blk::invalid);
    for (std::uint16_t queue = 0; queue < 4; ++queue) {
        const auto read =
            must(guest.blk->run({.type = blk::in, .sector = at, .data_in_length = 512}, queue));
        EXPECT_EQ(read.status, blk::invalid) << queue;
    }
    EXPECT_EQ(must(guest.blk->report(at, 128)).at(0).state, 15);
    EXPECT_TRUE(must(guest.blk->act(blk::reset_all)).ok());
    EXPECT_EQ(must(guest.blk->report(at, 128)).at(0).state, 15);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.disk.zone(3)["write_pointer"], 3 * zone_bytes + 4 * piece);
}

TEST(ServedFaults, ADiskThatIsGoneFailsEveryRequest) {
    ServedDisk served(faults({"error=gone,operation=flush"}), "blk");
    BlkGuest guest(served);
    EXPECT_EQ(must(guest.blk->read(0, 512)).status, blk::ok);
    EXPECT_EQ(must(guest.blk->act(blk::flush)).status, blk::io_error);
    EXPECT_EQ(must(guest.blk->read(0, 512)).status, blk::io_error);
    EXPECT_EQ(must(guest.blk->act(blk::reset, ServedDisk::lba(3))).status, blk::io_error);
}

TEST(ServedExplain, ARefusedWriteIsExplainedInTheLog) {
    ServedDisk served({"--explain"}, "scsi", {}, ServedDisk::Log::kept);
    {
        Guest guest(served);
        const auto at = ServedDisk::lba(4);
        EXPECT_TRUE(must(guest.scsi->write(at, bytes_of(8192, 1), 512)).good());
        EXPECT_EQ(sense_of(guest.scsi->write(at + 24, bytes_of(8192, 1), 512)), 0x052104U);
        EXPECT_EQ(sense_of(guest.scsi->zone_action(1, ServedDisk::lba(5))), 0U);
    }
    EXPECT_EQ(served.stop(), 0);
    const auto log = served.log();
    EXPECT_NE(log.find("zonebridge: refused: write of 8 KiB at 16 MiB + 12 KiB: zone 4 is "
                       "implicit-open with its write pointer at 16 MiB + 8 KiB, and a sequential "
                       "write required zone takes writes only there\n"),
              std::string::npos)
        << log;
}

TEST(ServedExplain, RefusalsByTheFrontEndsAreExplainedToo) {
    const auto has = [](const std::string& log, const std::string& sentence) {
        EXPECT_NE(log.find("zonebridge: refused: " + sentence + "\n"), std::string::npos)
            << sentence << "\n"
            << log;
    };
    ServedDisk scsi({"--explain", "--urswrz", "0"}, "scsi", {}, ServedDisk::Log::kept);
    {
        Guest guest(scsi);
        const auto at = ServedDisk::lba(4);
        const auto data = bytes_of(4096, 1);
        EXPECT_EQ(sense_of(guest.scsi->read(1 << 20, 8, 512)), 0x052100U);
        EXPECT_EQ(sense_of(guest.scsi->write(at + ServedDisk::zone_blocks - 4, data, 512)),
                  0x052105U);
        EXPECT_EQ(sense_of(guest.scsi->zone_action(3, at + 8)), 0x052400U);
        EXPECT_EQ(sense_of(guest.scsi->zone_action(4, 0)), 0x052400U);
        EXPECT_TRUE(must(guest.scsi->write(at, data, 512)).good());
        EXPECT_EQ(sense_of(guest.scsi->read(at, 16, 512)), 0x052106U);
        EXPECT_EQ(sense_of(guest.scsi->run({.cdb = {0xC1, 0, 0, 0, 0, 0}})), 0x052000U);
    }
    EXPECT_EQ(scsi.stop(), 0);
    auto log = scsi.log();
    has(log, "read of 4 KiB at 512 MiB: the disk ends at 64 MiB");
    has(log,
        "write of 4 KiB at 16 MiB + 4094 KiB: the request must not leave its zone or run past its "
        "capacity, which ends at 16 MiB + 4 MiB");
    has(log,
        "open at 16 MiB + 4 KiB: an action names a zone by its first byte, and zone 4 begins at 16 "
        "MiB");
    has(log,
        "reset of zone 0 at 0 bytes: a conventional zone has no write pointer and can't be reset");
    has(log,
        "read of 8 KiB at 16 MiB: zone 4 is implicit-open with its write pointer at 16 MiB + 4 "
        "KiB, and this disk refuses reads beyond a zone's write pointer");

    ServedDisk disk({"--explain"}, "blk", {}, ServedDisk::Log::kept);
    {
        BlkGuest guest(disk);
        EXPECT_NE(must(guest.blk->read(1 << 20, 4096)).status, blk::ok);
        EXPECT_NE(must(guest.blk->read(ServedDisk::lba(5) - 4, 4096)).status, blk::ok);
        EXPECT_NE(must(guest.blk->act(blk::reset, 1 << 20)).status, blk::ok);
    }
    EXPECT_EQ(disk.stop(), 0);
    log = disk.log();
    has(log, "read of 4 KiB at 512 MiB: the disk ends at 64 MiB");
    has(log,
        "read of 4 KiB at 16 MiB + 4094 KiB: one read must not cover several zones of this disk");
    has(log, "reset at 512 MiB: the disk ends at 64 MiB");
}

TEST(ServedExplain, AnInjectedFaultIsExplainedAndMarkedAsInjected) {
    auto options = faults({"zone=4,error=media"});
    options.emplace_back("--explain");
    ServedDisk served(options, "blk", {}, ServedDisk::Log::kept);
    {
        BlkGuest guest(served);
        EXPECT_EQ(must(guest.blk->read(ServedDisk::lba(4), 4096)).status, blk::io_error);
    }
    EXPECT_EQ(served.stop(), 0);
    const auto log = served.log();
    EXPECT_NE(log.find("fault on purpose: zone=4,error=media begins to act"), std::string::npos)
        << log;
    EXPECT_NE(log.find("failed: read of 4 KiB at 16 MiB: zone 4 is empty with its write pointer at "
                       "16 MiB, and the medium could not be read there\n"),
              std::string::npos)
        << log;
}

TEST(ServedExplain, ManyRefusalsAreCounted) {
    ServedDisk served({"--explain"}, "blk", {}, ServedDisk::Log::kept);
    constexpr int count = 1000;
    {
        BlkGuest guest(served);
        for (int i = 0; i < count; ++i)
            EXPECT_EQ(must(guest.blk->write(ServedDisk::lba(4) + 8, bytes_of(4096, 1))).status,
                      blk::unaligned);
    }
    EXPECT_EQ(served.stop(), 0);
    int counted = 0;
    std::istringstream lines(served.log());
    for (std::string line; std::getline(lines, line);) {
        if (line.find("refused: write") != std::string::npos) ++counted;
        if (const auto at = line.find("refused or failed: "); at != std::string::npos)
            counted += std::stoi(line.substr(at + 19));
    }
    EXPECT_EQ(counted, count);
}

}  // namespace
}  // namespace zonebridge::test
