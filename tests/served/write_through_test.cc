// Without a volatile write cache, what a server answered is durable: it is there after the server
// was killed and came back, data and the states of zones.

#include <array>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

// MODE SELECT (6) with the caching page, WCE 0.
constexpr std::array<std::uint8_t, 6> select_caching{0x15, 0x10, 0, 0, 24, 0};
constexpr std::uint8_t close_zone = 1, finish_zone = 2, open_zone = 3, reset_zone = 4;

std::vector<std::byte> cache_off() {
    std::vector<std::byte> list(24);
    list[4] = std::byte{0x08};
    list[5] = std::byte{0x12};
    return list;
}

/// A zone's state is durable if it is what it was before the kill. A zone that was open is closed.
void expect_states(const ServedDisk& served) {
    EXPECT_EQ(served.disk.state(zone), "empty");
    EXPECT_EQ(served.disk.state(zone + 1), "full");
    EXPECT_EQ(served.disk.state(zone + 2), "closed");
    EXPECT_EQ(served.disk.zone(zone + 2)["write_pointer"],
              ServedDisk::lba(zone + 2) * ServedDisk::block + piece);
}

/// What the driver of a blk device does to have no volatile cache.
enum class Without : bool { flush, write_cache };

void run_blk(Without without) {
    ServedDisk served({}, "blk");
    {
        BlkGuest guest(served);
        for (std::uint32_t i = 0; i < 3; ++i)
            ASSERT_TRUE(must(guest.blk->write(ServedDisk::lba(zone + i), bytes_of(piece, i))).ok());
        ASSERT_TRUE(must(guest.blk->act(blk::flush)).ok());
    }
    BlkGuest guest(served, without == Without::flush ? blk::f_zoned | blk::f_mq : zoned_driver);
    if (without == Without::write_cache)
        must(guest.front_end.set_config(32, std::array{std::byte{0}}));
    ASSERT_TRUE(must(guest.blk->act(blk::reset, ServedDisk::lba(zone))).ok());
    ASSERT_TRUE(must(guest.blk->act(blk::finish, ServedDisk::lba(zone + 1))).ok());
    ASSERT_TRUE(must(guest.blk->act(blk::close, ServedDisk::lba(zone + 2))).ok());
    const auto appended = must(guest.blk->append(ServedDisk::lba(zone + 3), bytes_of(piece, 9)));
    ASSERT_TRUE(appended.ok());
    served.kill();
    expect_states(served);
    served.start();
    BlkGuest next(served);
    EXPECT_EQ(must(next.blk->read(appended.append_sector, piece)).data, bytes_of(piece, 9));
}

TEST(WriteThrough, WhatABlkDriverWithoutFlushesWasAnsweredOutlivesAKill) {
    run_blk(Without::flush);
}

TEST(WriteThrough, WhatABlkDriverWithoutAWriteCacheWasAnsweredOutlivesAKill) {
    run_blk(Without::write_cache);
}

TEST(WriteThrough, ABlkResetOfAllZonesOutlivesAKill) {
    ServedDisk served({}, "blk");
    BlkGuest guest(served, blk::f_zoned | blk::f_mq);
    for (std::uint32_t i = 0; i < 3; ++i)
        ASSERT_TRUE(must(guest.blk->write(ServedDisk::lba(zone + i), bytes_of(piece, i))).ok());
    ASSERT_TRUE(must(guest.blk->act(blk::reset_all)).ok());
    served.kill();
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(served.disk.state(zone + i), "empty");
}

TEST(WriteThrough, WhatAScsiInitiatorWithoutAWriteCacheWasAnsweredOutlivesAKill) {
    ServedDisk served;
    Guest guest(served);
    for (std::uint32_t i = 0; i < 3; ++i)
        ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone + i), bytes_of(piece, i),
                                           ServedDisk::block))
                        .good());
    const auto list = cache_off();
    ASSERT_TRUE(must(guest.scsi->run(
                         {.cdb = {select_caching.begin(), select_caching.end()}, .data_out = list}))
                    .good());
    ASSERT_TRUE(must(guest.scsi->zone_action(reset_zone, ServedDisk::lba(zone))).good());
    ASSERT_TRUE(must(guest.scsi->zone_action(finish_zone, ServedDisk::lba(zone + 1))).good());
    ASSERT_TRUE(must(guest.scsi->zone_action(open_zone, ServedDisk::lba(zone + 2))).good());
    ASSERT_TRUE(must(guest.scsi->zone_action(close_zone, ServedDisk::lba(zone + 2))).good());
    served.kill();
    expect_states(served);
}

}  // namespace
}  // namespace zonebridge::test
