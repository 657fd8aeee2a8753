// Results of requests when the host's file fails.
#include <array>
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/faulty_file.h"
#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/queue.h"

namespace zonebridge::emulated {
namespace {

class FailingDisk : public DiskInFaultyFile {
  protected:
    std::vector<Completion> write_blocks(std::uint64_t offset, std::size_t count,
                                         const Bytes& data) {
        std::vector<iovec> buffers(count);
        std::vector<Request> batch;
        for (std::size_t i = 0; i < count; ++i) {
            buffers[i] = {const_cast<std::uint8_t*>(&data[i * 4096]), 4096};
            batch.push_back(Request{.operation = Operation::write,
                                    .offset = offset + i * 4096,
                                    .length = 4096,
                                    .data = {&buffers[i], 1},
                                    .zones = {}});
        }
        return driver_->run(batch);
    }
    std::uint64_t slots() const { return Geometry(small_shape()).slots_offset; }
};

TEST_F(FailingDisk, AFullFileSystemLeavesThePointerAtTheFirstFailure) {
    const auto data = pattern(1, 12288);
    faults_.full_at = slots() + 6000;
    const auto done = write_blocks(2 * zone_size, 3, data);
    EXPECT_TRUE(done[0].status.ok());
    EXPECT_EQ(done[1].status, (Status{StatusCode::no_space, NativeCause::os_error(ENOSPC)}));
    EXPECT_EQ(done[2].status.code, StatusCode::unaligned_write);
    EXPECT_EQ(driver_->report(1, 2 * zone_size)[0].write_pointer, 2 * zone_size + 4096);
    faults_.full_at = std::numeric_limits<std::uint64_t>::max();
    EXPECT_TRUE(driver_->write(2 * zone_size + 4096, std::span(data).subspan(4096)).ok());
    EXPECT_EQ(driver_->read(2 * zone_size, 12288), data);
}

TEST_F(FailingDisk, WaitsForTheSpaceThatAResetGivesBack) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, capacity)).ok());
    ASSERT_TRUE(driver_->act(Operation::reset, 2 * zone_size, zone_size).status.ok());
    faults_.full_at = slots() + capacity + 4096;
    faults_.punching_makes_room = true;
    const auto data = pattern(2, 12288);
    for (const auto& done : write_blocks(3 * zone_size, 3, data)) EXPECT_TRUE(done.status.ok());
    EXPECT_EQ(driver_->read(3 * zone_size, 12288), data);
}

// The table of zones can't be written on a full file system that copies what it overwrites.
TEST_F(FailingDisk, AFullFileSystemFailsAFlushThatSucceedsWhenThereIsSpaceAgain) {
    for (const auto offset : {std::uint64_t{0}, std::uint64_t{4096}}) {
        ASSERT_TRUE(driver_->write(2 * zone_size + offset, pattern(1, 4096)).ok());
        faults_.write_error = ENOSPC;
        for (int i = 0; i < 2; ++i)
            EXPECT_EQ(driver_->flush(),
                      (Status{StatusCode::no_space, NativeCause::os_error(ENOSPC)}));
        faults_.write_error = 0;
        EXPECT_TRUE(driver_->flush().ok());
    }
    kill();
    faults_.other_boot = true;
    open();
    EXPECT_EQ(driver_->report(1, 2 * zone_size)[0].write_pointer, 2 * zone_size + 8192);
    EXPECT_EQ(driver_->read(2 * zone_size + 4096, 4096), pattern(1, 4096));
}

// While slots are punched they are neither free nor waiting for anything: with no other slot left,
// a write must wait for them, although the host has space.
TEST_F(FailingDisk, WaitsForSlotsThatAreBeingPunched) {
    kill();
    open({.writable = true, .idle_commit = std::nullopt});
    const auto data = pattern(1, 4096);
    for (auto slot = Geometry(small_shape()).slot_count; slot != 0; --slot) {
        ASSERT_TRUE(driver_->write(2 * zone_size, data).ok());
        ASSERT_TRUE(driver_->act(Operation::reset, 2 * zone_size, zone_size).status.ok());
    }
    faults_.hold_punches = true;
    ASSERT_TRUE(driver_->flush().ok());
    while (!faults_.punching) std::this_thread::yield();
    const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
    driver_->submit(Request{.operation = Operation::write,
                            .offset = 3 * zone_size,
                            .length = data.size(),
                            .data = {&buffer, 1},
                            .zones = {}});
    EXPECT_TRUE(ring_->turn(Loop::Wait::poll));
    std::array<Completion, 1> early;
    const auto ended = driver_->queue().reap(early);
    faults_.hold_punches = false;
    ASSERT_EQ(ended, 0U) << explain(early[0].status.code);
    EXPECT_TRUE(driver_->drain(1)[0].status.ok());
    EXPECT_EQ(driver_->read(3 * zone_size, data.size()), data);
}

TEST_F(FailingDisk, AWriteErrorFailsThatWriteOnly) {
    faults_.write_error = EIO;
    // The disk can't even be marked as in use.
    EXPECT_EQ(driver_->write(2 * zone_size, pattern(1, 4096)).code, StatusCode::io_error);
    faults_.write_error = 0;
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, 4096)).ok());
    faults_.write_error = EIO;
    const auto failed = driver_->write(2 * zone_size + 4096, pattern(2, 4096));
    EXPECT_EQ(failed.cause, NativeCause::os_error(EIO));
    faults_.write_error = 0;
    EXPECT_TRUE(driver_->write(2 * zone_size + 4096, pattern(3, 4096)).ok());
    EXPECT_EQ(driver_->read(2 * zone_size + 4096, 4096), pattern(3, 4096));
}

TEST_F(FailingDisk, ReadErrorsAreMediaErrors) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, 4096)).ok());
    faults_.read_error = EIO;
    Bytes data(4096);
    const iovec buffer{data.data(), data.size()};
    EXPECT_EQ(driver_
                  ->run(Request{.operation = Operation::read,
                                .offset = 2 * zone_size,
                                .length = 4096,
                                .data = {&buffer, 1},
                                .zones = {}})
                  .status.code,
              StatusCode::media_error);
}

// The kernel may drop data that it could not write, and reports the error only once. After that,
// the disk can't promise that any data is durable.
TEST_F(FailingDisk, AFailedSyncFailsAllLaterWritesAndFlushes) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, 4096)).ok());
    ASSERT_TRUE(driver_->flush().ok());
    ASSERT_TRUE(driver_->write(2 * zone_size + 4096, pattern(2, 4096)).ok());
    faults_.sync_error = EIO;
    EXPECT_EQ(driver_->flush(), (Status{StatusCode::io_error, NativeCause::os_error(EIO)}));
    faults_.sync_error = 0;
    EXPECT_EQ(driver_->flush().cause, NativeCause::os_error(EIO));
    EXPECT_EQ(driver_->write(3 * zone_size, pattern(3, 4096)).cause, NativeCause::os_error(EIO));
    EXPECT_EQ(driver_->act(Operation::reset, 2 * zone_size, zone_size).status.cause,
              NativeCause::os_error(EIO));
    EXPECT_EQ(driver_->read(2 * zone_size, 4096), pattern(1, 4096));
    driver_.reset();
    const auto closed = disk_->close();
    ASSERT_FALSE(closed);
    EXPECT_NE(closed.error().message.find(path_), std::string::npos);
    disk_.reset();
    // The next process is not deceived by data that is in the page cache only, and a restart does not
    // make the failure forgotten.
    for (const auto other_boot : {false, true}) {
        faults_.other_boot = other_boot;
        const auto refused = try_to_open({.writable = true});
        EXPECT_NE(refused.find("could not be made durable"), std::string::npos) << refused;
        EXPECT_NE(refused.find("--accept-loss"), std::string::npos) << refused;
    }
    faults_.other_boot = false;
    open({.writable = true, .accept_loss = true});
    EXPECT_EQ(driver_->read(2 * zone_size, 4096), pattern(1, 4096));
    EXPECT_TRUE(driver_->flush().ok());
    kill();
    open();  // the loss was accepted once and for all
}

TEST_F(FailingDisk, ReadsThatMissThePageCacheGoThroughTheRing) {
    const auto data = pattern(1, capacity);
    ASSERT_TRUE(driver_->write(2 * zone_size, data).ok());
    ASSERT_TRUE(driver_->write(3 * zone_size, data).ok());
    faults_.cold = true;
    auto expected = data;
    expected.resize(zone_size, 0);
    expected.insert(expected.end(), data.begin(), data.end());
    EXPECT_EQ(driver_->read(2 * zone_size, zone_size + capacity), expected);
}

TEST_F(FailingDisk, ClosingAQueueWaitsForReadsInFlight) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, capacity)).ok());
    faults_.cold = true;
    Bytes data(capacity);
    const iovec buffer{data.data(), data.size()};
    driver_->submit(Request{.operation = Operation::read,
                            .offset = 2 * zone_size,
                            .length = capacity,
                            .data = {&buffer, 1},
                            .zones = {}});
    ASSERT_TRUE(ring_->turn(Loop::Wait::poll));
    driver_.reset();
    EXPECT_EQ(data, pattern(1, capacity));
}

TEST_F(FailingDisk, FlushesShareOneSyncAndNeedNoneIfNothingChanged) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, 4096)).ok());
    const std::uint64_t before = faults_.syncs;
    std::vector<Request> flushes(8,
                                 Request{.operation = Operation::flush, .data = {}, .zones = {}});
    for (const auto& done : driver_->run(flushes)) EXPECT_TRUE(done.status.ok());
    EXPECT_EQ(faults_.syncs, before + 1);
    ASSERT_TRUE(driver_->flush().ok());
    EXPECT_EQ(faults_.syncs, before + 1);
}

TEST_F(FailingDisk, WritesToManyZonesWaitForRoomInTheLedgerAndSucceed) {
    kill();
    open({.writable = true, .ledger_capacity = 2});
    const auto data = pattern(1, 4096);
    const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
    std::vector<Request> batch;
    for (std::uint64_t zone = 2; zone < 15; ++zone)
        for (std::uint64_t i = 0; i < 3; ++i)
            batch.push_back(Request{.operation = Operation::write,
                                    .offset = zone * zone_size + i * 4096,
                                    .length = 4096,
                                    .data = {&buffer, 1},
                                    .zones = {}});
    for (const auto& done : driver_->run(batch)) EXPECT_TRUE(done.status.ok());
    for (std::uint64_t zone = 2; zone < 15; ++zone)
        EXPECT_EQ(driver_->report(1, zone * zone_size)[0].write_pointer, zone * zone_size + 12288);
}

TEST_F(FailingDisk, TheHostsLimitOnTheFileSizeIsReportedAsNoSpace) {
    ASSERT_TRUE(driver_->write(2 * zone_size, pattern(1, 4096)).ok());
    struct rlimit old {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = old;
    small.rlim_cur = slots() + 8192;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto data = pattern(2, 8192);
    const auto done = write_blocks(2 * zone_size + 4096, 2, data);
    const auto other = driver_->write(3 * zone_size, data);
    ::setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, handler);
    EXPECT_TRUE(done[0].status.ok());
    EXPECT_EQ(done[1].status, (Status{StatusCode::no_space, NativeCause::os_error(EFBIG)}));
    EXPECT_EQ(other.code, StatusCode::no_space);
    EXPECT_TRUE(driver_->write(3 * zone_size, data).ok());
}

}  // namespace
}  // namespace zonebridge::emulated
