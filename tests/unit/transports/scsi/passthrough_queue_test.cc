// Tasks on their way to a passed-through disk and back, over the project's own ZBC target.

#include <atomic>
#include <condition_variable>
#include <map>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/target_port.h"
#include "transports/scsi/passthrough/queue.h"
#include "transports/scsi/status_bytes.h"
#include "zbc/cdb.h"
#include "zbc/time_limits.h"

namespace zonebridge::scsi::test {
namespace {

using zbc::Delivery;
using zbc::ScsiStatus;
using zonebridge::test::HandLoop;
using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;

constexpr std::uint32_t block = 512;
constexpr std::uint32_t zone_blocks = 128;

/// Holds commands back on their way to the disk until a test lets them through: nothing real can be
/// told to take long. Remembers what began, in order.
class GatedPort final : public Port {
  public:
    explicit GatedPort(Port& disk) : disk_(disk) {}

    Answer run(const Command& command) noexcept override {
        std::unique_lock guard(lock_);
        const auto opcode = command.cdb[0];
        began_.push_back({Bytes(command.cdb.begin(), command.cdb.end()), command.direction,
                          command.length, command.timeout_ms});
        changed_.notify_all();
        changed_.wait(guard, [&] { return open_ || pass_[opcode] > 0; });
        if (!open_) --pass_[opcode];
        if (const auto found = instead_.find(opcode); found != instead_.end()) return found->second;
        guard.unlock();
        return disk_.run(command);
    }

    struct Began {
        Bytes cdb;
        Direction direction;
        std::uint32_t length;
        std::uint32_t timeout_ms;
    };
    void close() {
        set([&] { open_ = false; });
    }
    void open() {
        set([&] { open_ = true; });
    }
    void pass(std::uint8_t opcode, int count = 1) {
        set([&] { pass_[opcode] += count; });
    }
    void answer(std::uint8_t opcode, const Answer& what) {
        set([&] { instead_[opcode] = what; });
    }
    std::vector<Began> began() {
        const std::lock_guard guard(lock_);
        return began_;
    }
    void forget() {
        set([&] { began_.clear(); });
    }
    /// Waits until `count` commands began.
    void wait_for(std::size_t count) {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [&] { return began_.size() >= count; });
    }

  private:
    template <typename Change>
    void set(Change change) {
        const std::lock_guard guard(lock_);
        change();
        changed_.notify_all();
    }

    Port& disk_;
    std::mutex lock_;
    std::condition_variable changed_;
    bool open_ = true;
    std::map<std::uint8_t, int> pass_;
    std::map<std::uint8_t, Answer> instead_;
    std::vector<Began> began_;
};

std::vector<std::string>& lines() {
    static std::vector<std::string> all;
    return all;
}
std::mutex lines_lock;
void note(std::string_view line) noexcept {
    const std::lock_guard guard(lines_lock);
    lines().emplace_back(line);
}

class Sink final : public RefusalSink {
  public:
    bool wants() const noexcept override { return wanted; }
    void refused(const Refusal& refusal) noexcept override { told.push_back(refusal); }
    std::atomic<bool> wanted{true};
    std::vector<Refusal> told;
};

class PassedQueueTest : public testing::Test {
  public:
    struct Setting {
        MachineDiskShape shape = {};
        bool read_only = false;
        std::string allow = {};
        std::size_t depth = 64;
        bool attention = false;  ///< The initiator has not been told of power on yet.
    };

    void start() { start({}); }
    void start(const Setting& setting) {
        lines().clear();
        memory_ = std::make_unique<MachineDisk>(setting.shape);
        target_ = std::make_unique<TargetPort>(*memory_);
        disk_ = std::move(
            discover(*target_, "d", {.host_max_transfer = 1 << 20, .max_segments = 64}).value());
        zbc::Allowed allowed;
        ASSERT_TRUE(setting.allow.empty() || allowed.add(setting.allow));
        facts_.reset(new PassedFacts{disk_,
                                     {.block_size = block,
                                      .max_transfer = disk_.limits.max_transfer,
                                      .read_only = setting.read_only,
                                      .has_block_limits = disk_.lists_block_limits,
                                      .peripheral = disk_.peripheral},
                                     allowed,
                                     &sink_,
                                     {},
                                     {"d", note}});
        auto gate = std::make_unique<GatedPort>(*target_);
        gate_ = gate.get();
        queue_ = std::move(
            PassedQueue::open(loop_, *facts_, {{}, std::move(gate), {}}, setting.depth).value());
        if (!setting.attention) {
            EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).sense_code, 0x062900u);
        }
        target_->sent.clear();
    }
    void TearDown() override {
        if (gate_ != nullptr) gate_->open();
        queue_.reset();
    }

    static Bytes bytes(std::initializer_list<std::uint8_t> list) { return list; }
    template <typename Cdb>
    static Bytes bytes(const Cdb& cdb) {
        return Bytes(cdb.begin(), cdb.end());
    }
    static Bytes write_cdb(std::uint64_t lba, std::uint32_t blocks) {
        return bytes(zbc::encode_write_16(lba, blocks, false));
    }
    static Bytes read_cdb(std::uint64_t lba, std::uint32_t blocks) {
        return bytes(zbc::encode_read_16(lba, blocks));
    }

    struct End {
        zbc::TaskResult result;
        std::uint32_t sense_code = 0;
    };
    /// Hands a task over, buffers and all; its number.
    std::size_t submit(Bytes cdb, std::size_t in = 0, Bytes out = {}, std::uint32_t initiator = 0) {
        auto& kept = kept_.emplace_back();
        kept.cdb = std::move(cdb);
        kept.in.resize(in);
        kept.out = std::move(out);
        kept.in_buffer = {kept.in.data(), kept.in.size()};
        kept.out_buffer = {kept.out.data(), kept.out.size()};
        zbc::Task task{.tag = kept_.size() - 1, .cdb = kept.cdb, .initiator = initiator};
        if (in != 0) task.data_in = {&kept.in_buffer, 1};
        if (!kept.out.empty()) task.data_out = {&kept.out_buffer, 1};
        EXPECT_EQ(queue_->submit({&task, 1}), 1u);
        return kept_.size() - 1;
    }
    void turn() {
        EXPECT_TRUE(loop_.turn(Loop::Wait::poll));
        zbc::TaskResult result;
        while (queue_->reap({&result, 1}) == 1) ends_[result.tag] = result;
        std::this_thread::yield();
    }
    End wait(std::size_t number) {
        while (!ends_.contains(number)) turn();
        End end{ends_[number], 0};
        if (const auto sense =
                zbc::decode_sense(std::span(end.result.sense).first(end.result.sense_length)))
            end.sense_code = sense->code();
        return end;
    }
    End run(Bytes cdb, std::size_t in = 0, Bytes out = {}, std::uint32_t initiator = 0) {
        return wait(submit(std::move(cdb), in, std::move(out), initiator));
    }
    bool ended(std::size_t number) const { return ends_.contains(number); }
    const Bytes& in_of(std::size_t number) const { return kept_[number].in; }
    std::uint64_t zone(std::uint32_t number) const { return std::uint64_t{number} * zone_blocks; }
    /// LBAs of the writes that began, in order.
    std::vector<std::uint64_t> writes_begun() {
        std::vector<std::uint64_t> lbas;
        for (const auto& one : gate_->began())
            if (one.cdb[0] == 0x8A) lbas.push_back(zbc::ByteView(one.cdb).be64(2));
        return lbas;
    }

    struct Kept {
        Bytes cdb, in, out;
        iovec in_buffer, out_buffer;
    };

    HandLoop loop_;
    Sink sink_;
    std::unique_ptr<MachineDisk> memory_;
    std::unique_ptr<TargetPort> target_;
    Disk disk_;
    std::unique_ptr<PassedFacts> facts_;
    GatedPort* gate_ = nullptr;  // the queue's
    std::deque<Kept> kept_;
    std::map<std::uint64_t, zbc::TaskResult> ends_;
    std::unique_ptr<zbc::TaskQueue> queue_;
};

TEST_F(PassedQueueTest, CommandsGoDownAsTheyAreAndDataComeBack) {
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

TEST_F(PassedQueueTest, ScatteredBuffersGoToTheKernelAsTheyAre) {
    start();
    Bytes memory(8 * block);
    const iovec pieces[] = {{memory.data(), 100}, {memory.data() + 100, memory.size() - 100}};
    const auto cdb = read_cdb(0, 8);
    const zbc::Task task{.tag = 7, .cdb = cdb, .data_in = pieces};
    ASSERT_EQ(queue_->submit({&task, 1}), 1u);
    EXPECT_EQ(wait(7).result.data_in_length, memory.size());
    EXPECT_EQ(gate_->began().back().length, memory.size());
}

TEST_F(PassedQueueTest, TheDisksSenseIsTheGuests) {
    start();
    const auto elsewhere = run(write_cdb(zone(3) + 8, 8), 0, Bytes(8 * block));
    EXPECT_EQ(elsewhere.result.delivery, Delivery::done);
    EXPECT_EQ(elsewhere.result.status, ScsiStatus::check_condition);
    EXPECT_EQ(elsewhere.sense_code, 0x052104u);
}

TEST_F(PassedQueueTest, WritesToOneZoneGoOneAtATimeAsTheyCame) {
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

TEST_F(PassedQueueTest, AFailedWriteLetsTheNextOneGo) {
    start();
    gate_->close();
    const auto wrong = submit(write_cdb(zone(3) + 8, 8), 0, Bytes(8 * block));
    const auto right = submit(write_cdb(zone(3), 8), 0, Bytes(8 * block));
    gate_->open();
    EXPECT_EQ(wait(wrong).sense_code, 0x052104u);
    EXPECT_EQ(wait(right).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, WhatTouchesAllZonesGoesAloneAndReadsGoBy) {
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

TEST_F(PassedQueueTest, WhatTakesLongLeavesTheOthersTheirThreads) {
    start({.allow = "format-unit"});
    gate_->close();
    // More than there are threads for such.
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

TEST_F(PassedQueueTest, TakesItsDepthAndNoMore) {
    start({.depth = 4});
    gate_->close();
    for (int i = 0; i < 4; ++i) submit(read_cdb(0, 8), 8 * block);
    const auto cdb = read_cdb(0, 8);
    const zbc::Task more{.tag = 99, .cdb = cdb};
    EXPECT_EQ(queue_->submit({&more, 1}), 0u);
    EXPECT_EQ(queue_->depth(), 4u);
    gate_->open();
    const auto before = kept_.size() - 4;
    for (auto task = before; task < kept_.size(); ++task)
        EXPECT_EQ(wait(task).result.status, ScsiStatus::good);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, ResidualsComeBesideGoodAndBesideCheckCondition) {
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

TEST_F(PassedQueueTest, BuffersOfAnotherLengthOrDirection) {
    start();
    gate_->forget();
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block - 1).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(block)).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(read_cdb(0, 8)).result.delivery, Delivery::overrun);
    EXPECT_EQ(run(read_cdb(0, 8), 0, Bytes(8 * block)).result.delivery, Delivery::overrun);
    EXPECT_TRUE(gate_->began().empty()) << "none of them went down";
    // More room than needed: only what the CDB says is moved.
    const auto longer = submit(read_cdb(0, 8), 9 * block);
    EXPECT_EQ(wait(longer).result.data_in_length, 8 * block);
    EXPECT_EQ(gate_->began().back().length, 8 * block);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0}), 512).result.data_in_length, 0u);
    EXPECT_EQ(gate_->began().back().direction, Direction::none);
    EXPECT_EQ(gate_->began().back().length, 0u);
    EXPECT_EQ(run(read_cdb(0, 0)).result.status, ScsiStatus::good);
    EXPECT_EQ(gate_->began().back().direction, Direction::none);
}

TEST_F(PassedQueueTest, WhatDidNotGetThroughIsNoSuccessAndIsTold) {
    start();
    Answer astray;
    astray.host = host_byte::transport_disrupted;
    gate_->answer(0x88, astray);
    const auto end = run(read_cdb(0, 8), 8 * block);
    EXPECT_EQ(end.result.delivery, Delivery::transport_failure);
    EXPECT_EQ(end.result.data_in_length, 0u);
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines()[0].find("disturbed"), std::string::npos) << lines()[0];
    for (int i = 0; i < 100; ++i) run(read_cdb(0, 8), 8 * block);
    EXPECT_LE(lines().size(), 10u);
    for (const auto& one : gate_->began()) EXPECT_NE(one.cdb[0], 0x94) << "nothing is tried anew";
    EXPECT_EQ(gate_->began().size(), 101u);
}

TEST_F(PassedQueueTest, WhatTheKernelForbidsIsSaidPlainly) {
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

TEST_F(PassedQueueTest, BusyAndFullAreForTheGuest) {
    start();
    gate_->answer(0x88, status_only(sam::busy));
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::busy);
    gate_->answer(0x8A, status_only(sam::task_set_full));
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.status,
              ScsiStatus::task_set_full);
    EXPECT_EQ(gate_->began().size(), 2u) << "each was sent once";
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

TEST_F(PassedQueueTest, ANewInitiatorAndAResetAreToldOnceHere) {
    start({.attention = true});
    // INQUIRY goes by; REQUEST SENSE is answered with it, as data.
    EXPECT_EQ(run(bytes(zbc::encode_inquiry(std::nullopt, 96)), 96).result.status,
              ScsiStatus::good);
    const auto sense = submit(bytes({0x03, 0, 0, 0, 252, 0}), 252);
    EXPECT_EQ(wait(sense).result.data_in_length, 18u);
    EXPECT_EQ(in_of(sense)[2], 0x06);
    EXPECT_EQ(in_of(sense)[12], 0x29);
    EXPECT_EQ(target_->count(0x03), 0u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0}), 0, {}, 1).sense_code, 0x062900u) << "another one";
    EXPECT_EQ(run(bytes({0x03, 0, 0, 0, 252, 0}), 252).result.status, ScsiStatus::good);
    EXPECT_EQ(target_->count(0x03), 1u) << "nothing waits here: it goes down";

    facts_->initiators.reset(0);
    gate_->forget();
    // It comes before a refusal, too.
    EXPECT_EQ(run(bytes({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0})).sense_code, 0x062900u);
    EXPECT_EQ(run(bytes({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0})).sense_code, 0x052000u);
    EXPECT_TRUE(gate_->began().empty());
}

TEST_F(PassedQueueTest, TheDisksOwnAttentionsPass) {
    start();
    target_->instead = {{0x88, {check_condition(0x6, 0x2A, 0x09)}}};
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).sense_code, 0x062A09u);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, AResetByTheKernelIsToldAsAReset) {
    start();
    Answer late;
    late.host = host_byte::time_out;
    gate_->answer(0x88, late);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.delivery, Delivery::failure);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).sense_code, 0x062900u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, WhatIsNotAllowedIsToldOnceForEachCommand) {
    start();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(bytes({0x3B, 0x05, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4)).sense_code,
                  0x052000u);
        EXPECT_EQ(run(bytes({0x55, 0x10, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4)).sense_code,
                  0x052000u);
    }
    ASSERT_EQ(lines().size(), 2u);
    EXPECT_NE(lines()[0].find("WRITE BUFFER"), std::string::npos) << lines()[0];
    EXPECT_NE(lines()[0].find("--allow write-buffer lets it through"), std::string::npos);
    EXPECT_NE(lines()[1].find("--allow mode-select lets it through"), std::string::npos);
    EXPECT_TRUE(gate_->began().empty());
}

TEST_F(PassedQueueTest, NoGuestCanFillTheLog) {
    start();
    for (unsigned opcode = 0xC0; opcode <= 0xFF; ++opcode)
        for (int i = 0; i < 3; ++i)
            run({static_cast<std::uint8_t>(opcode), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(lines().size(), 10u);
}

TEST_F(PassedQueueTest, WhatIsAllowedGoesDown) {
    start({.allow = "write-buffer"});
    run(bytes({0x3B, 0x05, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4));
    EXPECT_EQ(target_->count(0x3B), 1u);
    EXPECT_EQ(gate_->began().back().direction, Direction::out);
    EXPECT_EQ(gate_->began().back().length, 4u);
}

TEST_F(PassedQueueTest, ReadOnlyNothingThatChangesTheDiskGoesDown) {
    start({.read_only = true});
    gate_->forget();
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).sense_code, 0x072700u);
    for (const auto operation :
         {Operation::open, Operation::close, Operation::finish, Operation::reset})
        EXPECT_EQ(run(bytes(zbc::encode_zone_action(operation, {zone(3)}))).sense_code, 0x072700u);
    EXPECT_TRUE(gate_->began().empty());
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
    const auto mode = submit(bytes({0x1A, 0, 0x3F, 0, 252, 0}), 252);
    EXPECT_EQ(wait(mode).result.status, ScsiStatus::good);
    EXPECT_EQ(in_of(mode)[2] & 0x80, 0x80) << "WP";
}

TEST_F(PassedQueueTest, EditedPagesAreCutAtTheAllocationLength) {
    start();
    const auto whole = submit(bytes(zbc::encode_inquiry(0x00, 255)), 255);
    const auto length = wait(whole).result.data_in_length;
    ASSERT_GT(length, 8u);
    for (const std::uint16_t allocation : {0, 1, 4, 5, 8}) {
        const auto cut = submit(bytes(zbc::encode_inquiry(0x00, allocation)), 255);
        EXPECT_EQ(wait(cut).result.data_in_length, allocation);
        EXPECT_TRUE(
            std::equal(in_of(cut).begin(), in_of(cut).begin() + allocation, in_of(whole).begin()));
        EXPECT_TRUE(std::all_of(in_of(cut).begin() + allocation, in_of(cut).end(),
                                [](auto byte) { return byte == 0; }));
    }
    const auto limits = submit(bytes(zbc::encode_inquiry(0xB0, 255)), 255);
    EXPECT_EQ(wait(limits).result.data_in_length, 64u);
    EXPECT_EQ(zbc::ByteView(in_of(limits)).be32(8), disk_.limits.max_transfer / block);
    EXPECT_EQ(run(bytes(zbc::encode_inquiry(0x89, 255)), 255).sense_code, 0x052400u);
    // What the disk refuses is refused as it says, with nothing edited.
    target_->instead = {{0x12, {check_condition(0x5, 0x24, 0x00)}}};
    const auto refused = run(bytes(zbc::encode_inquiry(0xB0, 255)), 255);
    EXPECT_EQ(refused.sense_code, 0x052400u);
    EXPECT_EQ(refused.result.data_in_length, 0u);
}

TEST_F(PassedQueueTest, WhatTheDiskRefusesOfItsZonesIsTold) {
    start();
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.status, ScsiStatus::good);
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    ASSERT_EQ(sink_.told.size(), 1u);
    const auto& told = sink_.told[0];
    EXPECT_EQ(told.operation, Operation::write);
    EXPECT_EQ(told.offset, (zone(3) + 16) * block);
    EXPECT_EQ(told.length, 8u * block);
    EXPECT_EQ(told.status.code, StatusCode::unaligned_write);
    ASSERT_TRUE(told.zone);
    EXPECT_EQ(told.zone->start, zone(3) * block);
    EXPECT_EQ(told.zone->write_pointer, (zone(3) + 8) * block);
    EXPECT_EQ(told.zone->state, ZoneState::implicit_open);

    EXPECT_EQ(run(bytes(zbc::encode_zone_action(Operation::reset, {0}))).sense_code, 0x052400u);
    ASSERT_EQ(sink_.told.size(), 2u);
    EXPECT_EQ(sink_.told[1].operation, Operation::reset);
    EXPECT_EQ(sink_.told[1].status.code, StatusCode::not_sequential);
    // Neither what is not about zones, nor when nobody listens.
    EXPECT_EQ(run(read_cdb(1 << 30, 8), 8 * block).sense_code, 0x052100u);
    sink_.wanted = false;
    gate_->forget();
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    EXPECT_EQ(gate_->began().size(), 1u) << "no look at the zone";
    EXPECT_EQ(sink_.told.size(), 2u);
}

TEST_F(PassedQueueTest, AnAttentionThatALookAtAZoneTookIsNotLost) {
    start();
    target_->instead = {{0x95, {check_condition(0x6, 0x2A, 0x09)}}};
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    ASSERT_EQ(sink_.told.size(), 1u);
    EXPECT_FALSE(sink_.told[0].zone);
    EXPECT_EQ(target_->count(0x95), 1u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).sense_code, 0x062A09u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
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
