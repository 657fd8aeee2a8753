// Habits of drivers other than Linux' that break devices which were tried with Linux only; the drivers
// are named at each test (tests/driver/profile.cc has the sources).

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

std::uint64_t number_in(const std::vector<std::byte>& bytes, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, width);
    return value;
}

// OpenBSD accepts VIRTIO_F_NOTIFY_ON_EMPTY (24) and then waits for it with interrupts masked; Windows
// accepts packed rings (34).
TEST(DriverHabits, FeaturesThatDriversWouldMisuseAreNotOffered) {
    for (const auto* const device : {"scsi", "blk"}) {
        ServedDisk served({}, device);
        driver::FrontEnd front_end(must(driver::Connection::to(served.socket())));
        must(front_end.negotiate({}));
        EXPECT_EQ(front_end.offered() & (1ull << 24), 0U) << device;
        EXPECT_EQ(front_end.offered() & (1ull << 34), 0U) << device;
        EXPECT_NE(front_end.offered() & (1ull << 28), 0U) << device;
    }
}

// Windows and OpenBSD scan below max_target and max_lun, cut to 8 bits: 0 or 256 shows no disk. EDK2
// wants one channel, and uses half of max_sectors; FreeBSD's buffers for events have 16 bytes;
// OpenBSD refuses a seg_max below 17.
TEST(DriverHabits, TheConfigurationOfScsiSuitsEveryScan) {
    ServedDisk served;
    Guest guest(served);
    const auto config = must(guest.front_end.config(0, 36));
    EXPECT_GE(number_in(config, 4, 4), 17U) << "seg_max";
    EXPECT_GE(number_in(config, 8, 4), 2U) << "max_sectors";
    EXPECT_EQ(number_in(config, 16, 4), 16U) << "event_info_size";
    EXPECT_EQ(number_in(config, 20, 4), 96U) << "sense_size";
    EXPECT_EQ(number_in(config, 24, 4), 32U) << "cdb_size";
    EXPECT_EQ(number_in(config, 28, 2), 0U) << "max_channel";
    EXPECT_NE(number_in(config, 30, 2) % 256, 0U) << "max_target";
    EXPECT_NE(number_in(config, 32, 4) % 256, 0U) << "max_lun";
}

// Windows and SPDK leave out 40h in the address, in commands and in task management functions.
// Windows resets {1, 0, 0, 0}, whichever disk hangs.
TEST(DriverHabits, AddressesWithAndWithout40hAreOneUnit) {
    ServedDisk served;
    Guest guest(served);
    for (const std::uint8_t method : {std::uint8_t{0x40}, std::uint8_t{0}}) {
        const std::array<std::uint8_t, 8> address{1, 0, method, 0};
        const auto ready =
            must(guest.scsi->run({.cdb = std::vector<std::uint8_t>(6), .raw_address = address}));
        EXPECT_TRUE(ready.good()) << int{method} << ": " << ready.text();
        std::array<std::byte, 24> function{};
        function[4] = std::byte{5};  // LOGICAL UNIT RESET
        std::memcpy(function.data() + 8, address.data(), address.size());
        const auto answer = must(guest.scsi->control_raw(function, 1));
        EXPECT_EQ(answer.at(0), std::byte{0}) << int{method};
        (void)must(guest.scsi->test_unit_ready());  // the unit attention of the reset
    }
}

// EDK2 gives 260 bytes for an allocation of 255, SPDK another number. OpenBSD and NetBSD take any
// sense length for an error; Windows shortens a transfer by the residual.
TEST(DriverHabits, BuffersLargerThanTheAllocationLeaveAResidual) {
    ServedDisk served;
    Guest guest(served);
    for (const std::uint32_t room : {255U, 256U, 260U, 4096U}) {
        const auto pages =
            must(guest.scsi->run({.cdb = {0x12, 1, 0, 0, 255, 0}, .data_in_length = room}));
        ASSERT_TRUE(pages.good()) << pages.text();
        EXPECT_TRUE(pages.sense.empty());
        ASSERT_GE(pages.data.size(), 5U);
        EXPECT_EQ(pages.data.size(), 4 + std::size_t(pages.data[3])) << room;
        EXPECT_EQ(pages.residual, room - pages.data.size());
        EXPECT_EQ(pages.data[4], std::byte{0}) << "the list begins with page 00h";
        for (std::size_t i = 5; i < pages.data.size(); ++i)
            EXPECT_LT(pages.data[i - 1], pages.data[i]) << "the list ascends";
    }
}

// FreeBSD: an ioprio of 1 in every request, and a discard whose header has a sector. Windows and
// U-Boot flush without having accepted flushes; EDK2 uses one buffer of up to 1 GiB.
TEST(DriverHabits, OddHeadersOfBlkRequestsAreAccepted) {
    ServedDisk served({}, "blk", {"--size", "128M", "--model", "none"});
    driver::BlkOptions options;
    options.max_transfer = 64u << 20;
    options.depth = 1;
    BlkGuest guest(served, blk::f_discard, options);
    EXPECT_EQ(must(guest.blk->act(blk::flush)).status, blk::ok);
    std::vector<std::byte> range(16);
    const std::uint32_t sectors = 8;
    std::memcpy(range.data() + 8, &sectors, sizeof sectors);
    EXPECT_EQ(must(guest.blk->run({.type = blk::discard, .sector = 77, .data_out = range})).status,
              blk::ok);
    const auto data = bytes_of(64u << 20, 3);
    EXPECT_EQ(must(guest.blk->write(1, data)).status, blk::ok);
    EXPECT_TRUE(must(guest.blk->read(1, static_cast<std::uint32_t>(data.size()))).data == data);
}

}  // namespace
}  // namespace zonebridge::test
