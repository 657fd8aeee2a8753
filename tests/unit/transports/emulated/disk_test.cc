// Requests to an emulated disk through the public interface.
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/support.h"

namespace zonebridge::emulated {
namespace {

class EmulatedDisk : public ::testing::Test, protected DiskInFile {
  protected:
    Zone zone(std::uint32_t index) { return disk().report(1, index * zone_size).at(0); }
};

TEST_F(EmulatedDisk, ANewDiskHasTheGivenShape) {
    make(small_shape());
    const auto zones = disk().report(100);
    ASSERT_EQ(zones.size(), 16U);
    for (std::uint32_t i = 0; i < 16; ++i) {
        const auto conventional = i < 2;
        EXPECT_EQ(zones[i].start, i * zone_size);
        EXPECT_EQ(zones[i].length, i == 15 ? zone_size / 2 : zone_size);
        EXPECT_EQ(zones[i].capacity, conventional ? zone_size : i == 15 ? zone_size / 2 : capacity);
        EXPECT_EQ(zones[i].state, conventional ? ZoneState::not_write_pointer : ZoneState::empty);
        EXPECT_EQ(zones[i].write_pointer,
                  conventional ? std::nullopt : std::optional(i * zone_size));
    }
    const auto& identity = rig_->transport().identity();
    EXPECT_EQ(identity.transport, "emulated");
    EXPECT_NE(identity.unique_id, 0U);
    EXPECT_TRUE(identity.notice.empty());
}

TEST_F(EmulatedDisk, WrittenDataIsThereAfterReopening) {
    make(small_shape());
    const auto first = pattern(1, 8192);
    const auto second = pattern(2, 4096);
    const auto plain = pattern(3, 1536);
    ASSERT_TRUE(disk().write(2 * zone_size, first).ok());
    ASSERT_TRUE(disk().write(2 * zone_size + 8192, second).ok());
    ASSERT_TRUE(disk().write(512, plain).ok());
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(disk().read(2 * zone_size, 8192), first);
        EXPECT_EQ(disk().read(2 * zone_size + 8192, 4096), second);
        EXPECT_EQ(disk().read(512, 1536), plain);
        EXPECT_EQ(zone(2).write_pointer, 2 * zone_size + 12288);
        EXPECT_EQ(zone(2).state, ZoneState::implicit_open);
        reopen();
    }
}

TEST_F(EmulatedDisk, ZoneStatesSurviveACleanClose) {
    make(small_shape());
    ASSERT_TRUE(disk().act(Operation::open, 3 * zone_size, zone_size).status.ok());
    ASSERT_TRUE(disk().write(4 * zone_size, pattern(1, 4096)).ok());
    ASSERT_TRUE(disk().act(Operation::close, 4 * zone_size, zone_size).status.ok());
    ASSERT_TRUE(disk().act(Operation::finish, 5 * zone_size, zone_size).status.ok());
    reopen();
    EXPECT_EQ(zone(3).state, ZoneState::explicit_open);
    EXPECT_EQ(zone(4).state, ZoneState::closed);
    EXPECT_EQ(zone(5).state, ZoneState::full);
    EXPECT_EQ(disk().read(5 * zone_size, 4096), Bytes(4096, 0));
}

TEST_F(EmulatedDisk, WritesThatMissThePointerAreRefused) {
    make(small_shape());
    EXPECT_EQ(disk().write(2 * zone_size + 4096, pattern(1, 4096)).code,
              StatusCode::unaligned_write);
    EXPECT_EQ(disk().write(2 * zone_size, pattern(1, 512)).code, StatusCode::unaligned_write);
    ASSERT_TRUE(disk().write(2 * zone_size, pattern(1, capacity)).ok());
    EXPECT_EQ(zone(2).state, ZoneState::full);
    EXPECT_EQ(disk().write(2 * zone_size, pattern(1, 4096)).code, StatusCode::zone_full);
}

TEST_F(EmulatedDisk, ReadsAcrossZonesGiveZeroesPastTheData) {
    make(small_shape());
    ASSERT_TRUE(disk().write(zone_size, pattern(1, zone_size)).ok());
    ASSERT_TRUE(disk().write(2 * zone_size, pattern(2, 4096)).ok());
    ASSERT_TRUE(disk().write(3 * zone_size, pattern(3, capacity)).ok());
    Bytes expected(3 * zone_size, 0);
    const auto put = [&](std::size_t at, const Bytes& data) {
        std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, pattern(1, zone_size));
    put(zone_size, pattern(2, 4096));
    put(2 * zone_size, pattern(3, capacity));
    EXPECT_EQ(disk().read(zone_size, 3 * zone_size), expected);
}

TEST_F(EmulatedDisk, ARequestTakesManySmallBuffers) {
    make(small_shape());
    const auto data = pattern(1, 32768);
    auto copy = data;
    std::vector<iovec> pieces;
    for (std::size_t at = 0; at < copy.size(); at += 64) pieces.push_back({copy.data() + at, 64});
    ASSERT_TRUE(disk()
                    .run(Request{.operation = Operation::write,
                                 .offset = 2 * zone_size,
                                 .length = copy.size(),
                                 .data = pieces,
                                 .zones = {}})
                    .status.ok());
    copy.assign(copy.size(), 0);
    ASSERT_TRUE(disk()
                    .run(Request{.operation = Operation::read,
                                 .offset = 2 * zone_size,
                                 .length = copy.size(),
                                 .data = pieces,
                                 .zones = {}})
                    .status.ok());
    EXPECT_EQ(copy, data);
}

TEST_F(EmulatedDisk, AContiguousBatchIsWrittenInOrder) {
    make(small_shape());
    auto data = pattern(1, capacity);
    std::vector<iovec> buffers;
    std::vector<Request> batch;
    for (std::size_t at = 0; at < data.size(); at += 4096) buffers.push_back({&data[at], 4096});
    for (std::size_t i = 0; i < buffers.size(); ++i)
        batch.push_back(Request{.operation = i % 3 == 2 ? Operation::append : Operation::write,
                                .fua = i % 4 == 1,
                                .offset = 2 * zone_size + (i % 3 == 2 ? 0 : i * 4096),
                                .length = 4096,
                                .data = {&buffers[i], 1},
                                .zones = {}});
    const auto done = disk().run(batch);
    for (std::size_t i = 0; i < done.size(); ++i) {
        EXPECT_TRUE(done[i].status.ok()) << i;
        EXPECT_EQ(done[i].result, i % 3 == 2 ? 2 * zone_size + i * 4096 : 0);
    }
    EXPECT_EQ(disk().read(2 * zone_size, capacity), data);
    EXPECT_EQ(zone(2).state, ZoneState::full);
}

TEST_F(EmulatedDisk, ABatchStopsAtTheEndOfTheZone) {
    make(small_shape());
    auto data = pattern(1, 4096);
    const iovec buffer{data.data(), data.size()};
    ASSERT_TRUE(disk().write(2 * zone_size, pattern(2, capacity - 4096)).ok());
    const Request append{.operation = Operation::append,
                         .offset = 2 * zone_size,
                         .length = 4096,
                         .data = {&buffer, 1},
                         .zones = {}};
    const std::array batch{append, append};
    const auto done = disk().run(batch);
    EXPECT_TRUE(done[0].status.ok());
    EXPECT_EQ(done[1].status.code, StatusCode::zone_full);
}

TEST_F(EmulatedDisk, ResetGivesTheSpaceBackAndOldDataIsNeverRead) {
    make(small_shape());
    for (std::uint32_t i = 2; i < 15; ++i)
        ASSERT_TRUE(disk().write(i * zone_size, pattern(i, capacity)).ok());
    ASSERT_TRUE(disk().flush().ok());
    const auto full = space_used();
    ASSERT_TRUE(disk().act_all(Operation::reset).ok());
    EXPECT_EQ(disk().read(2 * zone_size, capacity), Bytes(capacity, 0));
    ASSERT_TRUE(disk().write(2 * zone_size, pattern(99, 4096)).ok());
    EXPECT_EQ(disk().read(2 * zone_size + 4096, capacity - 4096), Bytes(capacity - 4096, 0));
    reopen();
    EXPECT_LE(space_used(), full - 12 * capacity);
    EXPECT_EQ(zone(3).state, ZoneState::empty);
    EXPECT_EQ(disk().read(2 * zone_size, 4096), pattern(99, 4096));
}

TEST_F(EmulatedDisk, ADiskWithoutZonesIsWrittenAnywhere) {
    Shape shape;
    shape.model = Model::none;
    shape.size = 10 << 20;
    make(shape);
    const auto data = pattern(1, 6144);
    ASSERT_TRUE(disk().write((10 << 20) - 6144, data).ok());
    ASSERT_TRUE(disk().write(512, pattern(2, 512), true).ok());
    reopen();
    EXPECT_EQ(disk().read((10 << 20) - 6144, 6144), data);
    EXPECT_EQ(disk().read(0, 512), Bytes(512, 0));
    EXPECT_EQ(disk().read(512, 512), pattern(2, 512));
    EXPECT_EQ(disk().append(0, data).status.code, StatusCode::unsupported);
}

TEST_F(EmulatedDisk, AHostAwareDiskTakesWritesAnywhere) {
    auto shape = small_shape();
    shape.model = Model::host_aware;
    shape.physical_block_size = 512;
    make(shape);
    ASSERT_TRUE(disk().write(2 * zone_size + 8192, pattern(1, 512)).ok());
    EXPECT_EQ(zone(2).write_pointer, 2 * zone_size + 8704);
    ASSERT_TRUE(disk().write(2 * zone_size + 512, pattern(2, 512)).ok());
    EXPECT_EQ(zone(2).write_pointer, 2 * zone_size + 8704);
    reopen();
    EXPECT_EQ(disk().read(2 * zone_size, 512), Bytes(512, 0));
    EXPECT_EQ(disk().read(2 * zone_size + 512, 512), pattern(2, 512));
    EXPECT_EQ(disk().read(2 * zone_size + 8192, 512), pattern(1, 512));
}

TEST_F(EmulatedDisk, AGuestsBadBufferFailsOnlyItsOwnRequest) {
    make(small_shape());
    auto data = pattern(1, 4096);
    const iovec good{data.data(), data.size()};
    const iovec bad{reinterpret_cast<void*>(8), 4096};
    const auto request = [&](Operation operation, std::uint64_t offset, const iovec& buffer) {
        return Request{.operation = operation,
                       .offset = offset,
                       .length = 4096,
                       .data = {&buffer, 1},
                       .zones = {}};
    };
    const std::array batch{request(Operation::write, 2 * zone_size, good),
                           request(Operation::write, 2 * zone_size + 4096, bad),
                           request(Operation::append, 2 * zone_size, good),
                           request(Operation::read, 2 * zone_size, bad),
                           request(Operation::read, 3 * zone_size, bad)};
    const auto done = disk().run(batch);
    EXPECT_TRUE(done[0].status.ok());
    EXPECT_EQ(done[1].status, (Status{StatusCode::io_error, NativeCause::os_error(EFAULT)}));
    EXPECT_TRUE(done[2].status.ok());
    EXPECT_EQ(done[2].result, 2 * zone_size + 4096);
    EXPECT_EQ(done[3].status.code, StatusCode::io_error);
    EXPECT_EQ(done[4].status.code, StatusCode::io_error);
    EXPECT_EQ(zone(2).write_pointer, 2 * zone_size + 8192);
}

TEST_F(EmulatedDisk, OpeningAndClosingWithoutAChangeLeavesTheFileUnchanged) {
    make(small_shape());
    ASSERT_TRUE(rig_->close());
    rig_.reset();
    struct stat before {};
    ASSERT_EQ(::stat(path_.c_str(), &before), 0);
    {
        Rig again(path_);
        EXPECT_EQ(again->read(0, 4096), Bytes(4096, 0));
        EXPECT_TRUE(again->flush().ok());
        EXPECT_TRUE(again.close());
    }
    struct stat after {};
    ASSERT_EQ(::stat(path_.c_str(), &after), 0);
    EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

}  // namespace
}  // namespace zonebridge::emulated
