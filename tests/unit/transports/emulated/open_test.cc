// Creating and opening disks: who may write, what readers see, and what a failed creation leaves.
#include <fcntl.h>
#include <filesystem>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/disk.h"

namespace zonebridge::emulated {
namespace {

std::string error_of(const Shape& shape) {
    const auto valid = validate(shape);
    return valid ? "" : valid.error().message;
}

TEST(Shapes, InvalidShapesAreRefusedWithTheReason) {
    const auto with = [](auto change) {
        auto shape = small_shape();
        change(shape);
        return error_of(shape);
    };
    EXPECT_EQ(error_of(small_shape()), "");
    EXPECT_EQ(with([](Shape& shape) {
                  shape.zone_capacity = 2 << 20;
                  shape.zone_size = 1 << 19;
              }),
              "zone capacity 2 MiB is larger than the zone size 512 KiB");
    EXPECT_EQ(with([](Shape& shape) { shape.conventional = 16; }),
              "16 conventional zones of 16 leave no sequential zone");
    EXPECT_EQ(with([](Shape& shape) {
                  shape.max_open = 5;
                  shape.max_active = 4;
              }),
              "max open 5 is larger than max active 4: an open zone is active");
    EXPECT_EQ(with([](Shape& shape) { shape.logical_block_size = 1024; }),
              "a block size of 1024 is not possible: give 512 or 4096");
    EXPECT_EQ(with([](Shape& shape) { shape.model = Model::none; }),
              "a disk without zones has no zone size");
    EXPECT_EQ(with([](Shape& shape) { shape.zone_size = 2 << 20; }),
              "zone size 2 MiB is larger than the disk (992 KiB)");
    EXPECT_EQ(with([](Shape& shape) {
                  shape.zone_size = std::uint64_t{4} << 40;
                  shape.zone_capacity.reset();
                  shape.size = std::uint64_t{40} << 40;
              }),
              "zone size 4 TiB is too large: a zone is smaller than 2 TiB");
}

class OpenedDisk : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(create(path_, small_shape())); }
    ScratchFolder folder_;
    std::string path_ = folder_.file("disk");
};

TEST_F(OpenedDisk, IsNeverOverwrittenByCreate) {
    const auto again = create(path_, small_shape());
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().message.find("exists already"), std::string::npos);
    EXPECT_TRUE(open(path_, {}));
}

TEST_F(OpenedDisk, AFailedCreateLeavesNothingBehind) {
    const auto path = folder_.file("bad");
    auto shape = small_shape();
    shape.zone_capacity = 1;
    EXPECT_FALSE(create(path, shape));
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_FALSE(create(folder_.file("none/bad"), small_shape()));
}

TEST_F(OpenedDisk, HasOneWriterAndASecondIsToldItsProcess) {
    const Rig rig(path_);
    const auto second = open(path_, {true});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find(fmt::format("process {}", ::getpid())), std::string::npos)
        << second.error().message;
}

// After io_uring requests, the kernel may hold the open file for a while.
TEST_F(OpenedDisk, CanBeReopenedForWritingWhileTheOldOpenFileExists) {
    std::vector<UniqueFd> held;
    {
        const Rig rig(path_);
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code failed;
            if (std::filesystem::read_symlink(entry, failed) == path_)
                held.emplace_back(::dup(std::stoi(entry.path().filename())));
        }
    }
    ASSERT_FALSE(held.empty());
    const auto again = open(path_, {true});
    EXPECT_TRUE(again) << again.error().message;
}

TEST_F(OpenedDisk, ReadersSeeTheLastFlushedStateAndReportThat) {
    Rig writer(path_);
    ASSERT_TRUE(writer->write(2 * zone_size, pattern(1, 8192)).ok());
    ASSERT_TRUE(writer->flush().ok());
    ASSERT_TRUE(writer->write(2 * zone_size + 8192, pattern(2, 4096)).ok());
    Rig reader(path_, false);
    EXPECT_NE(
        reader.transport().identity().notice.find("what is shown here is the last flushed state"),
        std::string::npos);
    EXPECT_EQ(reader->report(1, 2 * zone_size)[0].write_pointer, 2 * zone_size + 8192);
    EXPECT_EQ(reader->read(2 * zone_size, 8192), pattern(1, 8192));
    EXPECT_EQ(reader->read(2 * zone_size + 8192, 4096), Bytes(4096, 0));
    EXPECT_EQ(reader->write(2 * zone_size, pattern(1, 4096)).code, StatusCode::read_only);
    EXPECT_TRUE(reader->flush().ok());
}

TEST_F(OpenedDisk, AReaderNeverReadsLaterDataFromAReusedSlot) {
    Rig writer(path_);
    ASSERT_TRUE(writer->write(2 * zone_size, pattern(1, 8192)).ok());
    ASSERT_TRUE(writer->flush().ok());
    Rig reader(path_, false);
    EXPECT_EQ(reader->read(2 * zone_size, 8192), pattern(1, 8192));
    ASSERT_TRUE(writer->act(Operation::reset, 2 * zone_size, zone_size).status.ok());
    ASSERT_TRUE(writer->flush().ok());
    ASSERT_TRUE(writer->write(3 * zone_size, pattern(2, 8192)).ok());
    ASSERT_TRUE(writer->flush().ok());
    Bytes data(8192);
    const iovec buffer{data.data(), data.size()};
    EXPECT_EQ(reader
                  ->run(Request{.operation = Operation::read,
                                .offset = 2 * zone_size,
                                .length = 8192,
                                .data = {&buffer, 1},
                                .zones = {}})
                  .status.cause,
              NativeCause::os_error(ESTALE));
}

TEST_F(OpenedDisk, AnUncleanDiskIsReadWithoutAWrite) {
    const auto copy = folder_.file("copy");
    {
        Rig writer(path_);
        ASSERT_TRUE(writer->write(2 * zone_size, pattern(1, 8192)).ok());
        ASSERT_TRUE(writer->act(Operation::open, 3 * zone_size, zone_size).status.ok());
        ASSERT_TRUE(writer->flush().ok());
        std::filesystem::copy_file(path_, copy);  // as a backup that runs meanwhile would
    }
    const auto read_all = [&] {
        Rig reader(copy, false);
        EXPECT_NE(reader.transport().identity().notice.find("it is a copy"), std::string::npos);
        EXPECT_EQ(reader->report(1, 2 * zone_size)[0].write_pointer, 2 * zone_size + 8192);
        EXPECT_EQ(reader->report(1, 3 * zone_size)[0].state, ZoneState::explicit_open);
        EXPECT_EQ(reader->read(2 * zone_size, 8192), pattern(1, 8192));
    };
    struct stat before {};
    ASSERT_EQ(::stat(copy.c_str(), &before), 0);
    read_all();
    struct stat after {};
    ASSERT_EQ(::stat(copy.c_str(), &after), 0);
    EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    EXPECT_FALSE(open(copy, {.writable = true}));
    auto writer = open(copy, {.writable = true, .accept_loss = true});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->close());
    writer->reset();
    const Rig reader(copy, false);
    EXPECT_EQ(const_cast<Rig&>(reader).transport().identity().notice, "");
}

TEST_F(OpenedDisk, ALargeDiskTakesLittleMemoryAndIsUsable) {
    const auto path = folder_.file("large");
    Shape shape;
    shape.size = std::uint64_t{32} << 40;
    shape.zone_size = 32 << 20;
    shape.max_open = 128;
    ASSERT_TRUE(create(path, shape));
    constexpr std::uint64_t zones = std::uint64_t{1} << 20;
    const auto used = [] {
        const auto info = ::mallinfo2();
        return info.uordblks + info.hblkhd;
    };
    const auto before = used();
    {
        auto disk = open(path, {true});
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_LE(used() - before, 16 * zones);
        ASSERT_TRUE((*disk)->close());
    }
    const auto last = shape.size - shape.zone_size;
    {
        Rig rig(path);
        ASSERT_TRUE(rig->write(last, pattern(1, 4096)).ok());
        ASSERT_TRUE(rig.close());
    }
    Rig again(path);
    EXPECT_EQ(again->read(last, 4096), pattern(1, 4096));
    EXPECT_EQ(again->report(2, last).at(0).write_pointer, last + 4096);
    EXPECT_EQ(again->report(zones + 1).size(), zones);
}

}  // namespace
}  // namespace zonebridge::emulated
