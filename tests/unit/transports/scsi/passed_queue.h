// A queue to a passed-through disk, over the project's own ZBC target, and a port that holds
// commands back, because no real disk can be made slow on demand.
//
// Threads: one, except for the port, which all threads of the queue use.
// Ownership: the fixture owns disk, port and queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/target_port.h"
#include "transports/scsi/passthrough/queue.h"
#include "transports/scsi/status_bytes.h"
#include "zbc/cdb.h"
#include "zbc/commands.h"

namespace zonebridge::scsi::test {

using zbc::Delivery;
using zbc::ScsiStatus;
using zonebridge::test::HandLoop;
using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;

inline constexpr std::uint32_t block = 512;
inline constexpr std::uint32_t zone_blocks = 128;

/// Holds commands back on their way to the disk until a test lets them through. Records the
/// commands that began, in order.
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
    /// Waits until `count` commands have begun.
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

inline std::vector<std::string>& lines() {
    static std::vector<std::string> all;
    return all;
}
inline std::mutex lines_lock;
inline void note(std::string_view line) noexcept {
    const std::lock_guard guard(lines_lock);
    lines().emplace_back(line);
}

class Sink final : public RefusalSink {
  public:
    bool wants() const noexcept override { return wanted; }
    void refused(const Refusal& refusal) noexcept override { refusals.push_back(refusal); }
    std::atomic<bool> wanted{true};
    std::vector<Refusal> refusals;
};

class PassedQueueTest : public testing::Test {
  public:
    struct Setting {
        MachineDiskShape shape = {};
        bool read_only = false;
        std::string allow = {};
        std::size_t depth = 64;
        bool attention = false;  ///< power_on is still pending.
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
    /// Submits a task with its buffers. Returns the number of the task.
    std::size_t submit(Bytes cdb, std::size_t in = 0, Bytes out = {}) {
        auto& stored = stored_.emplace_back();
        stored.cdb = std::move(cdb);
        stored.in.resize(in);
        stored.out = std::move(out);
        stored.in_buffer = {stored.in.data(), stored.in.size()};
        stored.out_buffer = {stored.out.data(), stored.out.size()};
        zbc::Task task{.tag = stored_.size() - 1, .cdb = stored.cdb};
        if (in != 0) task.data_in = {&stored.in_buffer, 1};
        if (!stored.out.empty()) task.data_out = {&stored.out_buffer, 1};
        EXPECT_EQ(queue_->submit({&task, 1}), 1u);
        return stored_.size() - 1;
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
    End run(Bytes cdb, std::size_t in = 0, Bytes out = {}) {
        return wait(submit(std::move(cdb), in, std::move(out)));
    }
    bool ended(std::size_t number) const { return ends_.contains(number); }
    const Bytes& in_of(std::size_t number) const { return stored_[number].in; }
    std::uint64_t zone(std::uint32_t number) const { return std::uint64_t{number} * zone_blocks; }
    /// LBAs of the writes that began, in order.
    std::vector<std::uint64_t> writes_begun() {
        std::vector<std::uint64_t> lbas;
        for (const auto& one : gate_->began())
            if (one.cdb[0] == 0x8A) lbas.push_back(ByteView(one.cdb).be64(2));
        return lbas;
    }

    struct StoredTask {
        Bytes cdb, in, out;
        iovec in_buffer, out_buffer;
    };

    HandLoop loop_;
    Sink sink_;
    std::unique_ptr<MachineDisk> memory_;
    std::unique_ptr<TargetPort> target_;
    DiskFacts disk_;
    std::unique_ptr<PassedFacts> facts_;
    GatedPort* gate_ = nullptr;  // owned by the queue
    std::deque<StoredTask> stored_;
    std::map<std::uint64_t, zbc::TaskResult> ends_;
    std::unique_ptr<zbc::TaskQueue> queue_;
};

}  // namespace zonebridge::scsi::test
