// Tasks to a passed-through disk: which commands reach the disk, in which order, and how they end.

#include "tests/unit/transports/scsi/passed_queue.h"

namespace zonebridge::scsi::test {
namespace {

TEST_F(PassedQueueTest, CommandsReachTheDiskUnchangedAndDataComesBack) {
    start();
    Bytes out(8 * block);
    std::iota(out.begin(), out.end(), std::uint8_t{1});
    auto cdb = write_cdb(zone(3), 8);
    cdb[1] = 0x18;   // DPO, FUA
    cdb[14] = 0x2A;  // a group number
    const auto written = run(cdb, 0, out);
    EXPECT_EQ(written.result.status, ScsiStatus::good);
    EXPECT_EQ(written.result.data_out_length, out.size());
    EXPECT_EQ(target_->sent.back(), cdb);
    const auto read = submit(read_cdb(zone(3), 8), out.size());
    EXPECT_EQ(wait(read).result.data_in_length, out.size());
    EXPECT_EQ(in_of(read), out);
}

TEST_F(PassedQueueTest, ScatteredBuffersReachTheKernelUnchanged) {
    start();
    Bytes memory(8 * block);
    const iovec pieces[] = {{memory.data(), 100}, {memory.data() + 100, memory.size() - 100}};
    const auto cdb = read_cdb(0, 8);
    const zbc::Task task{.tag = 7, .cdb = cdb, .data_in = pieces};
    ASSERT_EQ(queue_->submit({&task, 1}), 1u);
    EXPECT_EQ(wait(7).result.data_in_length, memory.size());
    EXPECT_EQ(gate_->began().back().length, memory.size());
}

TEST_F(PassedQueueTest, KeepsTheLoopAwakeUntilAllResultsAreReaped) {
    start();
    for (int i = 0; i < 3; ++i) (void)submit(Bytes(16, 0xFF));  // refused at once
    std::array<zbc::TaskResult, 2> results;
    for (const std::size_t expected : {0U, 2U, 1U}) {
        EXPECT_TRUE(loop_.ready()) << "before " << expected << " are reaped";
        ASSERT_TRUE(loop_.turn(Loop::Wait::sleep));
        EXPECT_EQ(queue_->reap(std::span(results).first(expected)), expected);
    }
    EXPECT_FALSE(loop_.ready()) << "no result is left";
}

TEST_F(PassedQueueTest, SenseOfTheDiskIsPassedOn) {
    start();
    const auto elsewhere = run(write_cdb(zone(3) + 8, 8), 0, Bytes(8 * block));
    EXPECT_EQ(elsewhere.result.delivery, Delivery::done);
    EXPECT_EQ(elsewhere.result.status, ScsiStatus::check_condition);
    EXPECT_EQ(elsewhere.sense_code, 0x052104u);
}

TEST_F(PassedQueueTest, WritesToOneZoneGoOneAtATimeInOrder) {
    start();
    gate_->close();
    std::vector<std::size_t> tasks;
    for (std::uint32_t i = 0; i < 8; ++i)
        tasks.push_back(submit(write_cdb(zone(3) + i * 8, 8), 0, Bytes(8 * block)));
    tasks.push_back(submit(write_cdb(zone(4), 8), 0, Bytes(8 * block)));
    turn();
    gate_->wait_for(2);
    auto begun = writes_begun();
    std::sort(begun.begin(), begun.end());
    EXPECT_EQ(begun, (std::vector{zone(3), zone(4)}));
    gate_->open();
    for (const auto task : tasks) EXPECT_EQ(wait(task).result.status, ScsiStatus::good);
    begun = writes_begun();
    std::erase(begun, zone(4));
    EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
    EXPECT_EQ(begun.size(), 8u);
}

TEST_F(PassedQueueTest, AFailedWriteDoesNotBlockTheNextOne) {
    start();
    gate_->close();
    const auto wrong = submit(write_cdb(zone(3) + 8, 8), 0, Bytes(8 * block));
    const auto right = submit(write_cdb(zone(3), 8), 0, Bytes(8 * block));
    gate_->open();
    EXPECT_EQ(wait(wrong).sense_code, 0x052104u);
    EXPECT_EQ(wait(right).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, ActionsOnAllZonesGoAloneAndReadsDoNotWait) {
    start();
    gate_->close();
    const auto first = submit(write_cdb(zone(3), 8), 0, Bytes(8 * block));
    const auto reset = submit(bytes(zbc::encode_zone_action(Operation::reset, {0, 1, true})));
    const auto second = submit(write_cdb(zone(3), 8), 0, Bytes(8 * block));
    const auto read = submit(read_cdb(0, 8), 8 * block);
    turn();
    gate_->wait_for(2);
    EXPECT_EQ(gate_->began().size(), 2u);
    gate_->pass(0x88);
    EXPECT_EQ(wait(read).result.status, ScsiStatus::good);
    gate_->pass(0x8A);
    EXPECT_EQ(wait(first).result.status, ScsiStatus::good);
    turn();
    gate_->wait_for(3);
    EXPECT_EQ(gate_->began().back().cdb[0], 0x94);
    gate_->open();
    EXPECT_EQ(wait(reset).result.status, ScsiStatus::good);
    EXPECT_EQ(wait(second).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, SlowCommandsLeaveThreadsForTheOthers) {
    start({.allow = "format-unit"});
    gate_->close();
    // More than there are threads for slow commands.
    std::vector<std::size_t> flushes;
    for (int i = 0; i < 12; ++i)
        flushes.push_back(submit(bytes(zbc::encode_synchronize_cache_16())));
    const auto finish = submit(bytes(zbc::encode_zone_action(Operation::finish, {0, 1, true})));
    const auto format = submit(bytes({0x04, 0, 0, 0, 0, 0}));
    turn();
    gate_->wait_for(PassedQueue::slow_threads + 1);
    gate_->pass(0x88, 20);
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
    for (const auto flush : flushes) EXPECT_FALSE(ended(flush));
    EXPECT_FALSE(ended(finish));
    EXPECT_FALSE(ended(format));
    gate_->open();
    for (const auto flush : flushes) wait(flush);
    wait(finish);
    wait(format);
}

TEST_F(PassedQueueTest, TakesNoMoreThanItsDepth) {
    start({.depth = 4});
    gate_->close();
    for (int i = 0; i < 4; ++i) submit(read_cdb(0, 8), 8 * block);
    const auto cdb = read_cdb(0, 8);
    const zbc::Task more{.tag = 99, .cdb = cdb};
    EXPECT_EQ(queue_->submit({&more, 1}), 0u);
    EXPECT_EQ(queue_->depth(), 4u);
    gate_->open();
    const auto before = stored_.size() - 4;
    for (auto task = before; task < stored_.size(); ++task)
        EXPECT_EQ(wait(task).result.status, ScsiStatus::good);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, ResidualsComeWithGoodAndWithCheckCondition) {
    start();
    auto shorter = status_only(sam::good);
    shorter.residual = 3 * block;
    gate_->answer(0x88, shorter);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.data_in_length, 5 * block);
    auto broken = check_condition(0x3, 0x11, 0x00);
    broken.residual = 6 * block;
    gate_->answer(0x88, broken);
    const auto end = run(read_cdb(0, 8), 8 * block);
    EXPECT_EQ(end.sense_code, 0x031100u);
    EXPECT_EQ(end.result.data_in_length, 2 * block);
    gate_->answer(0x8A, broken);
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.data_out_length, 2 * block);
}

TEST_F(PassedQueueTest, ShortOrMisdirectedBuffersAreRefused) {
    start();
    gate_->forget();
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block - 1).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(block)).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(read_cdb(0, 8)).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(read_cdb(0, 8), 0, Bytes(8 * block)).result.delivery, Delivery::overrun);
    EXPECT_TRUE(gate_->began().empty()) << "no command reached the disk";
    // Larger buffers are allowed. Only the length in the CDB is moved.
    const auto longer = submit(read_cdb(0, 8), 9 * block);
    EXPECT_EQ(wait(longer).result.data_in_length, 8 * block);
    EXPECT_EQ(gate_->began().back().length, 8 * block);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0}), 512).result.data_in_length, 0u);
    EXPECT_EQ(gate_->began().back().direction, Direction::none);
    EXPECT_EQ(gate_->began().back().length, 0u);
    EXPECT_EQ(run(read_cdb(0, 0)).result.status, ScsiStatus::good);
    EXPECT_EQ(gate_->began().back().direction, Direction::none);
}

TEST_F(PassedQueueTest, UndeliveredCommandsFailAndAreLogged) {
    start();
    Answer undelivered;
    undelivered.host = host_byte::transport_disrupted;
    gate_->answer(0x88, undelivered);
    const auto end = run(read_cdb(0, 8), 8 * block);
    EXPECT_EQ(end.result.delivery, Delivery::transport_failure);
    EXPECT_EQ(end.result.data_in_length, 0u);
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines()[0].find("disturbed"), std::string::npos) << lines()[0];
    for (int i = 0; i < 100; ++i) run(read_cdb(0, 8), 8 * block);
    EXPECT_LE(lines().size(), 10u);
    EXPECT_EQ(gate_->began().size(), 101u) << "no command is retried";
}

TEST_F(PassedQueueTest, CommandsThatTheKernelForbidsAreLogged) {
    start();
    Answer forbidden;
    forbidden.os_error = EPERM;
    gate_->answer(0x94, forbidden);
    EXPECT_EQ(run(bytes(zbc::encode_zone_action(Operation::reset, {zone(3)}))).result.delivery,
              Delivery::failure);
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines()[0].find("RESET WRITE POINTER"), std::string::npos) << lines()[0];
    EXPECT_NE(lines()[0].find("CAP_SYS_RAWIO"), std::string::npos) << lines()[0];
}

TEST_F(PassedQueueTest, AnUnpluggedDiskIsGone) {
    start();
    Answer unplugged;
    unplugged.os_error = ENODEV;
    for (const auto opcode : {0x00, 0x88, 0x8A})
        gate_->answer(static_cast<std::uint8_t>(opcode), unplugged);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.delivery, Delivery::gone);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.delivery, Delivery::gone);
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.delivery, Delivery::gone);
}

TEST_F(PassedQueueTest, BusyAndTaskSetFullArePassedOn) {
    start();
    gate_->answer(0x88, status_only(sam::busy));
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::busy);
    gate_->answer(0x8A, status_only(sam::task_set_full));
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.status,
              ScsiStatus::task_set_full);
    EXPECT_EQ(gate_->began().size(), 2u) << "each command was sent once";
    EXPECT_TRUE(lines().empty());
}

TEST_F(PassedQueueTest, EveryCommandHasItsTimeLimit) {
    start();
    const auto limit_of = [&](const Bytes& cdb, std::size_t in = 0) {
        run(cdb, in);
        return gate_->began().back().timeout_ms;
    };
    EXPECT_EQ(limit_of(read_cdb(0, 8), 8 * block), zbc::data_limit_ms);
    EXPECT_EQ(limit_of(bytes(zbc::encode_synchronize_cache_16())), zbc::flush_limit_ms);
    EXPECT_EQ(limit_of(bytes(zbc::encode_zone_action(Operation::finish, {zone(3)}))),
              zbc::action_limit_ms(Operation::finish, false));
    EXPECT_EQ(limit_of(bytes(zbc::encode_zone_action(Operation::finish, {0, 1, true}))),
              zbc::action_limit_ms(Operation::finish, true));
}

TEST_F(PassedQueueTest, ClosesWithCommandsInFlight) {
    start();
    gate_->close();
    for (std::uint32_t i = 0; i < 32; ++i)
        submit(write_cdb(zone(3) + i * 8, 8), 0, Bytes(8 * block));
    for (int i = 0; i < 16; ++i) submit(read_cdb(0, 8), 8 * block);
    turn();
    gate_->wait_for(PassedQueue::quick_threads);
    std::thread later([&] { gate_->open(); });
    // No buffer is touched after this.
    queue_.reset();
    gate_ = nullptr;
    later.join();
}

}  // namespace
}  // namespace zonebridge::scsi::test
