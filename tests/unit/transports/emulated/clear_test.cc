// Discards and writes of zeroes on an emulated disk: what reads return, how much space the file
// takes, and what is left when the disk is opened again.
#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/transports/emulated/support.h"

namespace zonebridge::emulated {
namespace {

Shape plain_shape() {
    Shape shape;
    shape.size = 32 * MiB;
    shape.model = Model::none;
    return shape;
}

Shape aware_shape() {
    auto shape = small_shape();
    shape.zone_capacity.reset();
    shape.model = Model::host_aware;
    return shape;
}

class Clearing : public ::testing::TestWithParam<ScratchFolder::Place>, protected DiskInFile {
  protected:
    Clearing() : DiskInFile(GetParam()) {}

    std::uint64_t flushed_space() {
        EXPECT_TRUE(disk().flush().ok());
        return space_used();
    }
    Status zero(std::uint64_t offset, std::uint64_t length, bool may_unmap) {
        return disk()
            .run(Request{.operation = Operation::write_zeroes,
                         .may_unmap = may_unmap,
                         .offset = offset,
                         .length = length,
                         .data = {},
                         .zones = {}})
            .status;
    }
};

TEST_P(Clearing, GivesSpaceBackAndReadsAsZeroes) {
    make(plain_shape());
    for (const auto unmaps : {false, true}) {
        for (std::uint64_t at = 0; at < 8 * MiB; at += MiB)
            ASSERT_TRUE(disk().write(at, pattern(at + 1, MiB)).ok());
        const auto full = flushed_space();
        ASSERT_GE(full, 8 * MiB);
        ASSERT_TRUE(unmaps ? zero(MiB, 6 * MiB, true).ok()
                           : disk().clear(Operation::discard, MiB, 6 * MiB).ok());
        // The file system may need some space for its list of extents.
        EXPECT_LE(flushed_space(), full - 6 * MiB + 65536);
        for (int round = 0; round < 2; ++round) {
            EXPECT_EQ(disk().read(0, MiB), pattern(1, MiB));
            EXPECT_EQ(disk().read(MiB, 4 * MiB), Bytes(4 * MiB, 0));
            EXPECT_EQ(disk().read(7 * MiB, MiB), pattern(7 * MiB + 1, MiB));
            reopen();
        }
    }
}

TEST_P(Clearing, ZeroesThatMayNotUnmapKeepTheirSpace) {
    make(plain_shape());
    ASSERT_TRUE(disk().write(0, pattern(1, 4 * MiB)).ok());
    const auto full = flushed_space();
    ASSERT_TRUE(zero(0, 8 * MiB, false).ok());
    EXPECT_GE(flushed_space(), full + 4 * MiB) << "the zeroes get space where the file had none";
    EXPECT_EQ(disk().read(0, 4 * MiB), Bytes(4 * MiB, 0));
    EXPECT_EQ(disk().read(4 * MiB, 4 * MiB), Bytes(4 * MiB, 0));
    // A discard gives the space back, also past the former end of the file.
    ASSERT_TRUE(disk().clear(Operation::discard, 0, 16 * MiB).ok());
    EXPECT_LE(flushed_space(), full - 4 * MiB + 65536);
}

TEST_P(Clearing, ChangesOnlyTheGivenRange) {
    make(plain_shape());
    for (const auto operation : {Operation::discard, Operation::write_zeroes}) {
        auto expected = pattern(5, 64 << 10);
        ASSERT_TRUE(disk().write(MiB, expected).ok());
        // Parts of pages: exactly the given bytes become zeroes.
        ASSERT_TRUE(disk().clear(operation, MiB + 512, 10240).ok());
        std::fill_n(expected.begin() + 512, 10240, std::uint8_t{0});
        EXPECT_EQ(disk().read(MiB, 64 << 10), expected);
    }
    const auto size = plain_shape().size;
    EXPECT_TRUE(disk().clear(Operation::discard, size - 512, 512).ok());
    EXPECT_EQ(disk().clear(Operation::discard, size - 512, 1024).code, StatusCode::out_of_range);
}

TEST_P(Clearing, ManyAtOnceAllComplete) {
    make(plain_shape());
    ASSERT_TRUE(disk().write(0, pattern(1, 4 * MiB)).ok());
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 64; ++i)
        requests.push_back({.operation = i % 3 == 0   ? Operation::flush
                                         : i % 3 == 1 ? Operation::discard
                                                      : Operation::write_zeroes,
                            .offset = i % 3 == 0 ? 0 : i * 65536,
                            .length = i % 3 == 0 ? 0 : 4096U,
                            .data = {},
                            .zones = {}});
    for (const auto& done : disk().run(requests)) EXPECT_TRUE(done.status.ok());
    for (std::uint64_t i = 1; i < 64; ++i)
        if (i % 3 != 0) {
            EXPECT_EQ(disk().read(i * 65536, 4096), Bytes(4096, 0)) << i;
        }
}

TEST_P(Clearing, WritesOfZeroesMoveHostAwarePointersAndDiscardsDoNot) {
    make(aware_shape());
    const auto pointer = [&](std::uint32_t zone) {
        return disk().report(1, zone * zone_size).at(0).write_pointer;
    };
    // From the conventional zones into the first preferred one.
    ASSERT_TRUE(disk().write(2 * zone_size - 8192, pattern(1, 16384)).ok());
    EXPECT_EQ(pointer(2), 2 * zone_size + 8192);
    ASSERT_TRUE(zero(2 * zone_size - 4096, 8192, true).ok());
    auto expected = pattern(1, 16384);
    std::fill_n(expected.begin() + 4096, 8192, std::uint8_t{0});
    EXPECT_EQ(disk().read(2 * zone_size - 8192, 16384), expected);
    EXPECT_EQ(pointer(2), 2 * zone_size + 8192)
        << "zeroes below the pointer do not move the pointer";
    // Beyond the pointer after a gap, over two zones that have no data in the file yet.
    ASSERT_TRUE(zero(5 * zone_size + 32768, zone_size, false).ok());
    EXPECT_EQ(pointer(5), std::nullopt) << "zone 5 is written to its end";
    EXPECT_EQ(pointer(6), 6 * zone_size + 32768);
    // A discard over written, partly written and empty zones.
    ASSERT_TRUE(disk().write(8 * zone_size, pattern(3, 12288)).ok());
    ASSERT_TRUE(disk().clear(Operation::discard, zone_size, 10 * zone_size).ok());
    EXPECT_EQ(pointer(8), 8 * zone_size + 12288);
    EXPECT_EQ(pointer(9), 9 * zone_size);
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(disk().read(zone_size, 10 * zone_size), Bytes(10 * zone_size, 0));
        EXPECT_EQ(pointer(6), 6 * zone_size + 32768);
        reopen();
    }
}

TEST_P(Clearing, IsUnsupportedOnHostManagedDisks) {
    make(small_shape());
    const auto& limits = rig_->transport().limits();
    EXPECT_FALSE(limits.max_discard);
    EXPECT_FALSE(limits.max_write_zeroes);
    EXPECT_EQ(disk().clear(Operation::discard, 0, 4096).code, StatusCode::unsupported);
}

TEST_P(Clearing, IsRefusedOnReadOnlyDisks) {
    make(plain_shape());
    ASSERT_TRUE(rig_->close());
    rig_.emplace(path_, false);
    EXPECT_EQ(disk().clear(Operation::discard, 0, 4096).code, StatusCode::read_only);
    EXPECT_EQ(disk().clear(Operation::write_zeroes, 0, 4096).code, StatusCode::read_only);
}

INSTANTIATE_TEST_SUITE_P(On, Clearing,
                         ::testing::Values(ScratchFolder::Place::disk,
                                           ScratchFolder::Place::memory),
                         [](const auto& place) {
                             return place.param == ScratchFolder::Place::disk ? "Disk" : "Memory";
                         });

}  // namespace
}  // namespace zonebridge::emulated
