// Writes and flushes: refused writes change nothing, and accepted ones are read back.
#include <algorithm>
#include <random>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Writes : public DataContract {
  protected:
    StatusCode write(std::uint64_t offset, std::uint64_t length, bool fua = false) {
        return disk().write(offset, pattern(offset + 1, length), fua).code;
    }
    /// An offset that can be written, on any kind of device.
    [[nodiscard]] std::uint64_t place() { return zoned() ? start(zones().front()) : 0; }
};

class ZoneWrites : public Writes {
  protected:
    void SetUp() override {
        Writes::SetUp();
        if (IsSkipped()) return;
        if (!zoned()) GTEST_SKIP() << "the device has no zones";
        if (!required()) GTEST_SKIP() << "the device's zones only prefer sequential writes";
        zone_ = zones()[zones().size() / 2];
    }
    /// Expects that refused writes changed nothing: the pointer is `written` bytes behind the
    /// start, and the data before it are those of fill().
    void expect_untouched(std::uint64_t written, std::uint64_t stamp) {
        EXPECT_EQ(zone(zone_).write_pointer, start(zone_) + written);
        expect_filled(disk(), start(zone_), written, stamp);
        if (limits().reads_past_pointer) expect_blank(start(zone_) + written, unit());
    }
    std::uint32_t zone_ = 0;
};

TEST_F(ZoneWrites, ElsewhereThanAtThePointerAreRefused) {
    fill(start(zone_), 4 * unit(), 3);
    for (const auto at : {0UL, unit(), 3 * unit(), 5 * unit(), 9 * unit()})
        EXPECT_EQ(write(start(zone_) + at, unit()), StatusCode::unaligned_write) << at;
    expect_untouched(4 * unit(), 3);
    EXPECT_EQ(write(start(zone_) + 4 * unit(), unit()), StatusCode::ok);
}

TEST_F(ZoneWrites, OfPartsOfPhysicalBlocksAreRefused) {
    const auto logical = limits().logical_block_size;
    fill(start(zone_), 2 * unit(), 4);
    EXPECT_EQ(write(start(zone_) + 2 * unit() + 1, unit()), StatusCode::misaligned);
    EXPECT_EQ(write(start(zone_) + 2 * unit(), unit() + 1), StatusCode::misaligned);
    if (logical < unit()) {
        EXPECT_EQ(write(start(zone_) + 2 * unit(), logical), StatusCode::unaligned_write);
        EXPECT_EQ(write(start(zone_) + 2 * unit(), unit() + logical), StatusCode::unaligned_write);
    }
    expect_untouched(2 * unit(), 4);
}

TEST_F(ZoneWrites, OverTheZonesEndOrCapacityAreRefusedWhole) {
    const auto room = capacity(zone_);
    if (room % unit() != 0) GTEST_SKIP() << "the capacity is no whole number of physical blocks";
    fill(start(zone_), room - unit(), 5);
    EXPECT_EQ(write(start(zone_) + room - unit(), 2 * unit()), StatusCode::crosses_boundary);
    EXPECT_EQ(zone(zone_).write_pointer, start(zone_) + room - unit());
    if (room < layout().length_of(zone_)) {
        EXPECT_EQ(write(start(zone_) + room, unit()), StatusCode::crosses_boundary);
    }
    if (zone_ + 1 < layout().zone_count()) {
        EXPECT_EQ(write(start(zone_ + 1) - unit(), 2 * unit()), StatusCode::crosses_boundary);
    }
    EXPECT_EQ(write(start(zone_) + room - unit(), unit()), StatusCode::ok);
    EXPECT_EQ(zone(zone_).state, ZoneState::full);
    expect_filled(disk(), start(zone_), room - unit(), 5);
}

TEST_F(ZoneWrites, ToAFullZoneAreRefused) {
    fill(start(zone_), 2 * unit(), 6);
    ASSERT_EQ(act(Operation::finish, zone_).status.code, StatusCode::ok);
    for (const auto at : {0UL, 2 * unit(), 4 * unit()})
        EXPECT_EQ(write(start(zone_) + at, unit()), StatusCode::zone_full) << at;
    EXPECT_EQ(zone(zone_).state, ZoneState::full);
    expect_filled(disk(), start(zone_), 2 * unit(), 6);
}

TEST_F(ZoneWrites, GoOnAfterARefusalAndAfterAReset) {
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(write(start(zone_) + 3 * unit(), unit()), StatusCode::unaligned_write);
        fill(start(zone_), 2 * unit(), 8);
        EXPECT_EQ(write(start(zone_), unit()), StatusCode::unaligned_write);
        fill(start(zone_) + 2 * unit(), 2 * unit(), 9);
        expect_filled(disk(), start(zone_) + 2 * unit(), 2 * unit(), 9);
        ASSERT_EQ(act(Operation::reset, zone_).status.code, StatusCode::ok);
    }
}

TEST_F(ZoneWrites, FillAWholeZoneAndItsLastBlockMakesItFull) {
    const auto room = capacity(zone_) / unit() * unit();
    fill(start(zone_), room - unit(), 21);
    EXPECT_EQ(zone(zone_).state, ZoneState::implicit_open);
    fill(start(zone_) + room - unit(), unit(), 22);
    if (room == capacity(zone_)) {
        EXPECT_EQ(zone(zone_).state, ZoneState::full);
        EXPECT_FALSE(zone(zone_).write_pointer);
    }
    expect_filled(disk(), start(zone_), room - unit(), 21);
    expect_filled(disk(), start(zone_) + room - unit(), unit(), 22);
}

TEST_F(Writes, BeyondTheEndOrOfNoWholeBlocksAreRefused) {
    const auto end = limits().size();
    const auto block = limits().logical_block_size;
    EXPECT_EQ(write(end, unit()), StatusCode::out_of_range);
    EXPECT_EQ(write(end - block, 2 * block), StatusCode::out_of_range);
    EXPECT_EQ(write(1, block), StatusCode::misaligned);
    EXPECT_EQ(write(0, block + 1), StatusCode::misaligned);
    EXPECT_EQ(write(0, 0), StatusCode::invalid_request);
}

TEST_F(Writes, OfAnyLengthAreTaken) {
    const auto at = place();
    const auto room = zoned() ? capacity(zones().front()) : limits().size();
    const auto most = limits().max_transfer / unit() * unit();
    const auto length = std::min(most, room) / unit() * unit();
    const auto data = pattern(31, length);
    ASSERT_EQ(disk().write(at, data).code, StatusCode::ok);
    EXPECT_TRUE(disk().read(at, length) == data);
    // What is longer than the device transfers at once goes in pieces.
    ASSERT_TRUE(limits().any_length);
    const auto longer = std::min(3 * most + unit(), room - length) / unit() * unit();
    if (longer == 0) return;
    const auto more = pattern(32, longer);
    ASSERT_EQ(disk().write(at + length, more).code, StatusCode::ok);
    EXPECT_TRUE(disk().read(at + length, longer) == more);
}

TEST_F(Writes, OfScatteredBuffersLieInOrder) {
    std::mt19937_64 random(2);
    auto at = place();
    for (const std::size_t most : {2U, 3U, 7U, 16U, 64U}) {
        const auto pieces = std::min<std::size_t>(most, limits().max_segments);
        SCOPED_TRACE(pieces);
        const auto length = piece();
        const auto data = pattern(most, length);
        Bytes memory(length + 64 * pieces, 0xEE);
        std::vector<iovec> buffers;
        std::size_t position = 0;
        std::size_t done = 0;
        for (std::size_t i = 0; i < pieces; ++i) {
            position += 1 + random() % 63;
            const auto share = i + 1 == pieces
                                   ? length - done
                                   : std::min(length - done, random() % (2 * length / pieces));
            std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(done), share,
                        memory.begin() + static_cast<std::ptrdiff_t>(position));
            buffers.push_back({memory.data() + position, share});
            position += share;
            done += share;
        }
        const auto written = disk().run(request_of(Operation::write, at, length, buffers));
        ASSERT_EQ(written.status.code, StatusCode::ok) << to_string(written.status.cause);
        EXPECT_TRUE(disk().read(at, length) == data);
        at += length;
    }
}

TEST_F(Writes, OfMoreBuffersThanTheDeviceTakesAreTaken) {
    const auto at = place();
    const auto room = zoned() ? capacity(zones().front()) : limits().size();
    const auto length = std::min<std::uint64_t>(64 * unit(), room) / unit() * unit();
    const auto data = pattern(33, length);
    // The blocks in buffers of their own, and more empty buffers than the device takes.
    std::vector<iovec> buffers(std::size_t{limits().max_segments} + 1, iovec{nullptr, 0});
    for (std::uint64_t i = 0; i < length; i += unit())
        buffers.push_back({const_cast<std::uint8_t*>(data.data()) + i, unit()});
    ASSERT_EQ(disk().run(request_of(Operation::write, at, length, buffers)).status.code,
              StatusCode::ok);
    EXPECT_TRUE(disk().read(at, length) == data);
}

TEST_F(Writes, ThatMustBeDurableAreTaken) {
    if (limits().fua == Support::absent) {
        EXPECT_EQ(write(place(), unit(), true), StatusCode::unsupported);
        GTEST_SKIP() << "the device has no FUA: refused, as it should be";
    }
    const auto at = place();
    const auto data = pattern(41, unit());
    EXPECT_EQ(disk().write(at, data, true).code, StatusCode::ok);
    EXPECT_EQ(disk().write(at + unit(), data, false).code, StatusCode::ok);
    EXPECT_EQ(disk().write(at + 2 * unit(), data, true).code, StatusCode::ok);
    for (const auto place : {at, at + unit(), at + 2 * unit()})
        EXPECT_TRUE(disk().read(place, unit()) == data);
}

TEST_F(Writes, AreCoveredByAFlush) {
    EXPECT_EQ(disk().flush().code, StatusCode::ok);
    fill(place(), 4 * unit(), 43);
    EXPECT_EQ(disk().flush().code, StatusCode::ok);
    EXPECT_EQ(disk().flush().code, StatusCode::ok);
    expect_filled(disk(), place(), 4 * unit(), 43);
}

TEST_F(Writes, OverwriteAtWillWhereNothingIsSequential) {
    const auto length = 16 * piece();
    const auto area = random_area(length);
    if (!area) GTEST_SKIP() << "no conventional zone";
    fill(*area, length, 51);
    std::mt19937_64 random(3);
    auto expected = disk().read(*area, 0 + piece());
    for (std::uint64_t at = piece(); at < length; at += piece()) {
        const auto more = disk().read(*area + at, piece());
        expected.insert(expected.end(), more.begin(), more.end());
    }
    for (int i = 0; i < 40; ++i) {
        const auto block = limits().logical_block_size;
        const auto size = block * (1 + random() % (piece() / block));
        const auto at = block * (random() % ((length - size) / block + 1));
        const auto data = pattern(1000 + static_cast<std::uint64_t>(i), size);
        ASSERT_EQ(disk().write(*area + at, data).code, StatusCode::ok) << size << " at " << at;
        std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
    }
    for (std::uint64_t at = 0; at < length; at += piece())
        ASSERT_TRUE(std::equal(expected.begin() + static_cast<std::ptrdiff_t>(at),
                               expected.begin() + static_cast<std::ptrdiff_t>(at + piece()),
                               disk().read(*area + at, piece()).begin()))
            << at;
}

}  // namespace
}  // namespace zonebridge::contract
