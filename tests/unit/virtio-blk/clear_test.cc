// DISCARD and WRITE ZEROES: which requests are accepted, and their statuses.

#include <gtest/gtest.h>

#include "tests/unit/virtio-blk/bench.h"

namespace zonebridge::virtio_blk {
namespace {

constexpr BlockDevice::Mode clears{
    .zoned = false, .write_through = false, .discard = true, .write_zeroes = true};
constexpr test::MachineDiskShape plain{.model = Model::none, .max_clear = 16 << 10};
constexpr std::uint32_t unmap = 1;

struct Range {
    std::uint64_t sector;
    std::uint32_t sectors;
    std::uint32_t flags = 0;
};

Bytes bytes_of(std::initializer_list<Range> ranges) {
    Bytes bytes(ranges.size() * 16);
    auto* at = bytes.data();
    for (const auto& range : ranges) {
        std::memcpy(at, &range.sector, 8);
        std::memcpy(at + 8, &range.sectors, 4);
        std::memcpy(at + 12, &range.flags, 4);
        at += 16;
    }
    return bytes;
}

std::uint8_t clear(Bench& bench, std::uint32_t type, const Bytes& ranges, std::size_t cut = 0) {
    return bench.run({.type = type, .data_out = ranges}, cut).status;
}

std::uint8_t clear(Bench& bench, std::uint32_t type, std::initializer_list<Range> ranges) {
    return clear(bench, type, bytes_of(ranges));
}

Bytes filled(std::size_t size, std::uint8_t value) {
    return Bytes(size, static_cast<std::byte>(value));
}

TEST(BlkClear, WritesZeroesToTheGivenRangeOnly) {
    Bench bench(plain, clears);
    ASSERT_EQ(bench.write(0, pattern(16384)), blk::ok);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{8, 16}}), blk::ok);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{31, 1, unmap}}), blk::ok);
    auto expected = pattern(16384);
    std::fill_n(expected.begin() + 8 * 512, 16 * 512, std::byte{0});
    std::fill_n(expected.begin() + 31 * 512, 512, std::byte{0});
    EXPECT_EQ(bench.read(0, 16384).data, expected);
    ASSERT_EQ(bench.disk.taken.size(), 4U);
    EXPECT_FALSE(bench.disk.taken[1].may_unmap);
    EXPECT_TRUE(bench.disk.taken[2].may_unmap);
}

TEST(BlkClear, DiscardsEverySegment) {
    Bench bench(plain, clears);
    ASSERT_EQ(bench.write(0, pattern(4096)), blk::ok);
    bench.disk.taken.clear();
    EXPECT_EQ(clear(bench, blk::discard, {{0, 1}, {4, 2}, {100, 32}}), blk::ok);
    EXPECT_EQ(bench.read(4, 1024).data, filled(1024, test::MachineDisk::discarded));
    EXPECT_EQ(bench.read(100, 16384).data, filled(16384, test::MachineDisk::discarded));
    const auto data = pattern(4096);
    EXPECT_EQ(bench.read(1, 512).data, Bytes(data.begin() + 512, data.begin() + 1024));
    ASSERT_GE(bench.disk.taken.size(), 3U);
    EXPECT_EQ(bench.disk.taken[1].offset, 4U * 512);
    EXPECT_EQ(bench.disk.taken[2].length, 32U * 512);
}

TEST(BlkClear, TakesTheAdvertisedNumberOfSegmentsHoweverTheChainIsSplit) {
    ASSERT_EQ(make_config(test::limits_of(plain), 1).max_discard_segments, 16U);
    Bytes most;
    for (std::uint64_t i = 0; i < 17; ++i) {
        const auto one = bytes_of({{2 * i, 1}});
        most.insert(most.end(), one.begin(), one.end());
    }
    const auto allowed = Bytes(most.begin(), most.end() - 16);
    for (const std::size_t cut : {1, 15, 17, 31, 33, 16 + 255}) {
        Bench bench(plain, clears);
        EXPECT_EQ(clear(bench, blk::discard, allowed, cut), blk::ok) << cut;
        EXPECT_EQ(bench.disk.taken.size(), 16U) << cut;
    }
    Bench bench(plain, clears);
    for (const auto type : {blk::discard, blk::write_zeroes})
        EXPECT_EQ(clear(bench, type, most), blk::io_error) << "one segment too many";
    EXPECT_TRUE(bench.disk.taken.empty());
}

TEST(BlkClear, RefusesInvalidRequestsBeforeAnySegmentIsDone) {
    Bench bench(plain, clears);
    const auto end = bench.config.capacity;
    for (const auto type : {blk::discard, blk::write_zeroes}) {
        for (const auto& bad : {Range{end, 1}, Range{end - 1, 2}, Range{0, 33}, Range{0, 0},
                                Range{~std::uint64_t{0}, 1}, Range{(1ull << 55) + 8, 1},
                                Range{8, ~std::uint32_t{0}}}) {
            EXPECT_EQ(clear(bench, type, {bad}), blk::io_error) << bad.sector << "+" << bad.sectors;
            EXPECT_EQ(clear(bench, type, {{0, 1}, bad}), blk::io_error);
        }
        for (const std::uint32_t flags : {2U, 0x80000000U, 3U})
            EXPECT_EQ(clear(bench, type, {{0, 1}, {8, 1, flags}}), blk::unsupported) << flags;
        auto part = bytes_of({{0, 1}, {8, 1}});
        part.pop_back();
        EXPECT_EQ(clear(bench, type, part), blk::io_error) << "the last segment is incomplete";
        EXPECT_EQ(clear(bench, type, Bytes{}), blk::io_error) << "no segment";
    }
    EXPECT_EQ(clear(bench, blk::discard, {{0, 1, unmap}}), blk::unsupported);
    EXPECT_TRUE(bench.disk.taken.empty()) << "no request reaches the disk";
}

TEST(BlkClear, RangesMustBeWholeBlocks) {
    auto shape = plain;
    shape.logical_block_size = 4096;
    Bench bench(shape, clears);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{8, 4}}), blk::io_error);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{8, 8}}), blk::ok);
}

TEST(BlkClear, IsUnsupportedUnlessTheFeatureWasAccepted) {
    Bench bench(plain, {.zoned = false, .write_through = false, .discard = true});
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{0, 1}}), blk::unsupported);
    EXPECT_EQ(clear(bench, blk::discard, {{0, 1}}), blk::ok);
    bench.device->set_mode({.zoned = false, .write_through = false, .write_zeroes = true});
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{0, 1}}), blk::ok);
    EXPECT_EQ(clear(bench, blk::discard, {{0, 1}}), blk::unsupported);

    // The driver claims features that the disk does not have.
    Bench managed({},
                  {.zoned = true, .write_through = false, .discard = true, .write_zeroes = true});
    for (const auto type : {blk::discard, blk::write_zeroes})
        EXPECT_EQ(clear(managed, type, {{0, 1}}), blk::unsupported);
    EXPECT_TRUE(managed.disk.taken.empty());
}

TEST(BlkClear, WithoutAVolatileCacheTheRequestIsDurable) {
    auto mode = clears;
    mode.write_through = true;
    Bench bench(plain, mode);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{0, 1}, {8, 1}}), blk::ok);
    std::vector<Operation> taken;
    for (const auto& one : bench.disk.taken) taken.push_back(one.operation);
    EXPECT_EQ(taken,
              (std::vector{Operation::write_zeroes, Operation::write_zeroes, Operation::flush}))
        << "one flush for all segments";
}

TEST(BlkClear, AFailedSegmentFailsTheRequest) {
    Bench bench(plain, clears);
    const auto ranges = bytes_of({{0, 1}, {8, 1}, {16, 1}});
    const auto queued = bench.add({.type = blk::write_zeroes, .data_out = ranges});
    ASSERT_TRUE(bench.device->take(0));
    bench.disk.fail_next = StatusCode::media_error;  // fails the second segment
    bench.turn();
    ASSERT_TRUE(bench.ring.ring->take_used());
    EXPECT_EQ(Bench::answer_of(queued, 0).status, blk::io_error);
    EXPECT_EQ(bench.disk.taken.size(), 2U) << "the third segment is not submitted";
}

TEST(BlkClear, OnAHostAwareDiskWritesOfZeroesMoveThePointer) {
    Bench bench({.model = Model::host_aware, .max_clear = 16 << 10},
                {.zoned = true, .write_through = false, .discard = true, .write_zeroes = true});
    const auto at = Bench::sector(Bench::first_sequential);
    EXPECT_EQ(clear(bench, blk::write_zeroes, {{at, 8}}), blk::ok);
    EXPECT_EQ(bench.disk.machine().state(Bench::first_sequential), ZoneState::implicit_open);
    EXPECT_EQ(clear(bench, blk::discard, {{at, 8}}), blk::ok);
    EXPECT_EQ(bench.disk.machine().describe(Bench::first_sequential).write_pointer, (at + 8) * 512);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
