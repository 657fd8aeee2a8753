// A hostile initiator on a passed-through disk: half-valid and random CDBs with buffers of any
// length. A command that passes ends exactly as on the disk itself. A command that does not pass
// never reaches the disk.

#include <random>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/iovec.h"
#include "tests/unit/transports/scsi/target_port.h"
#include "transports/scsi/passthrough/queue.h"
#include "zbc/commands.h"
#include "zbc/target.h"

namespace zonebridge::scsi::test {
namespace {

using zbc::Delivery;
using zonebridge::test::HandLoop;
using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;

constexpr std::uint8_t untouched = 0xEE;

/// Buffers of one direction, in pieces.
struct Pieces {
    Pieces(std::size_t length, std::mt19937_64& random, bool random_bytes) {
        while (length != 0) {
            const auto part = pieces.size() == 7 ? length : 1 + random() % length;
            auto& piece = pieces.emplace_back(part, untouched);
            if (random_bytes)
                for (auto& byte : piece) byte = static_cast<std::uint8_t>(random());
            length -= part;
        }
        for (auto& piece : pieces) list.push_back({piece.data(), piece.size()});
    }
    [[nodiscard]] Bytes joined() const {
        Bytes all;
        for (const auto& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
        return all;
    }
    std::vector<Bytes> pieces;
    std::vector<iovec> list;
};

class PassedHostileTest : public testing::Test {
  public:
    void start(const MachineDiskShape& shape, std::string_view allow = {}, bool read_only = false) {
        shape_ = shape;
        memory_ = std::make_unique<MachineDisk>(shape);
        target_ = std::make_unique<TargetPort>(*memory_);
        disk_ = std::move(
            discover(*target_, "d", {.host_max_transfer = 1 << 20, .max_segments = 64}).value());
        zbc::Allowed allowed;
        ASSERT_TRUE(allow.empty() || allowed.add(allow));
        facts_.reset(new PassedFacts{disk_,
                                     {.block_size = shape.logical_block_size,
                                      .max_transfer = disk_.limits.max_transfer,
                                      .read_only = read_only,
                                      .has_block_limits = disk_.lists_block_limits,
                                      .peripheral = disk_.peripheral},
                                     allowed,
                                     nullptr,
                                     {},
                                     {"d", nullptr}});
        queue_ =
            std::move(PassedQueue::open(loop_, *facts_,
                                        {{}, std::make_unique<BorrowedPort>(*target_), {}}, depth)
                          .value());
        // The same disk without passthrough.
        twin_memory_ = std::make_unique<MachineDisk>(shape);
        twin_ = std::move(zbc::make_target(*twin_memory_).value());
        twin_queue_ = std::move(twin_->open_queue(twin_loop_, 1).value());
        const Bytes ready(6);
        for (int i = 0; i < 4; ++i) {  // unit attentions first
            static_cast<void>(passed({.tag = 1, .cdb = ready}));
            static_cast<void>(straight({.tag = 1, .cdb = ready}));
        }
        target_->sent.clear();
    }
    void TearDown() override {
        queue_.reset();
        twin_queue_.reset();
    }

  protected:
    static constexpr std::size_t depth = 16;

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }

    static zbc::TaskResult run(zbc::TaskQueue& queue, HandLoop& loop, const zbc::Task& task) {
        EXPECT_EQ(queue.submit({&task, 1}), 1u);
        zbc::TaskResult result;
        while (queue.reap({&result, 1}) == 0) {
            EXPECT_TRUE(loop.turn(Loop::Wait::poll));
            std::this_thread::yield();
        }
        EXPECT_EQ(result.tag, task.tag);
        return result;
    }
    zbc::TaskResult passed(const zbc::Task& task) { return run(*queue_, loop_, task); }
    zbc::TaskResult straight(const zbc::Task& task) { return run(*twin_queue_, twin_loop_, task); }

    /// Mostly an LBA near the start of a zone, a write pointer or the end of the disk.
    std::uint64_t pick_lba() {
        const auto block = shape_.logical_block_size;
        const auto zones = shape_.zones;
        const auto zone = static_cast<std::uint32_t>(pick(zones));
        auto at = zone * shape_.zone_size;
        switch (pick(6)) {
            case 0:
                return random_();
            case 1:
                at = zones * shape_.zone_size;
                break;
            case 2:
                break;
            default:
                at = memory_->machine().describe(zone).write_pointer.value_or(at);
                break;
        }
        const auto lba = at / block;
        const auto off = pick(8) == 0 ? pick(5) : 2;
        return lba + off < 2 ? 0 : lba + off - 2;
    }

    /// Mostly an existing command with mostly valid fields.
    Bytes pick_cdb() {
        Bytes cdb(pick(16) == 0 ? pick(41) : 32);
        if (pick(8) == 0)
            for (auto& byte : cdb) byte = static_cast<std::uint8_t>(random_());
        if (cdb.size() < 32 || pick(16) == 0) return cdb;
        const auto all = zbc::all_commands();
        auto command = all[pick(all.size())];
        while (command.passing != zbc::Passing::by_default && pick(8) != 0)
            command = all[pick(all.size())];
        ByteWriter out(cdb);
        out.u8(0, command.opcode);
        if (pick(32) != 0) out.u8(1, 0);
        if (command.action) out.u8(1, *command.action);
        out.u8(command.cdb_length - std::size_t{1}, 0);
        if (command.lba.width == 8) out.be64(command.lba.at, pick_lba());
        if (command.lba.width == 4) out.be32(command.lba.at, pick_lba());
        if (command.lba.width == 3) out.be24(command.lba.at, pick_lba() & 0x1FFFFF);
        const auto is_data =
            command.touch == zbc::ZoneTouch::reads || command.touch == zbc::ZoneTouch::writes;
        const std::uint64_t physical = shape_.physical_block_size / shape_.logical_block_size;
        const auto length = pick(32) == 0 ? random_()
                            : is_data     ? pick(5) * (pick(8) == 0 ? 1 : physical)
                                          : pick(pick(2) == 0 ? 16 : 600);
        if (command.length.width == 4) out.be32(command.length.at, length);
        if (command.length.width == 3) out.be24(command.length.at, length);
        if (command.length.width == 2) out.be16(command.length.at, length);
        if (command.length.width == 1) out.u8(command.length.at, length);
        switch (command.opcode) {
            case 0x12: {  // INQUIRY: a page, mostly
                constexpr std::array<std::uint8_t, 8> pages{0x00, 0x80, 0x83, 0x89,
                                                            0xB0, 0xB1, 0xB2, 0xB6};
                if (pick(4) != 0) out.u8(1, 1);
                out.u8(2, cdb[1] == 1 ? pages[pick(pages.size())] : 0);
                break;
            }
            case 0x1A:
            case 0x5A:
                if (pick(4) != 0) out.u8(2, 0x3F), out.u8(3, 0);
                break;
            case 0x94:
                if (pick(4) != 0) out.be32(10, pick(3));
                out.u8(14, pick(16) == 0 ? 1 : 0);
                break;
            case 0x95:
                if (pick(2) != 0) out.be64(2, pick_lba());
                out.u8(14, pick(2) == 0 ? 0 : pick(0x40));
                break;
            case 0x2F:
            case 0x8F:
            case 0xAF:
                out.u8(1, 2 * pick(4));
                break;
        }
        return cdb;
    }

    /// Lengths of the buffers, out and in, that mostly fit the command.
    std::pair<std::size_t, std::size_t> pick_buffers(const Bytes& cdb) {
        std::size_t length = pick(4) == 0 ? pick(64 << 10) : 0;
        const auto* const command =
            zbc::find_command(ByteView(cdb).u8(0), zbc::action_of(ByteView(cdb)));
        // Without limits, the plan shows the length that the command wants.
        auto free = facts_->facts;
        free.read_only = false;
        for (const auto out : {true, false}) {
            const auto plan = zbc::plan_passthrough(ByteView(cdb), facts_->allowed, free,
                                                    out ? 1 << 20 : 0, out ? 0 : 1 << 20);
            if (!plan || plan->direction == zbc::Direction::none) continue;
            const auto wanted = plan->edit == zbc::Edit::none ? plan->length : plan->reply_limit;
            if (command == nullptr || command->rule == zbc::LengthRule::buffers) break;
            length = pick(16) == 0 ? pick(wanted + std::size_t{1})
                                   : wanted + (pick(8) == 0 ? pick(1000) : 0);
            return {out ? length : 0, out ? 0 : length};
        }
        const auto way = pick(8);
        return {way < 4 ? length : 0, way > 2 ? length : 0};
    }

    std::mt19937_64 random_{0x5EED5};
    MachineDiskShape shape_;
    HandLoop loop_;
    HandLoop twin_loop_;
    std::unique_ptr<MachineDisk> memory_;
    std::unique_ptr<TargetPort> target_;
    DiskFacts disk_;
    std::unique_ptr<PassedFacts> facts_;
    std::unique_ptr<zbc::TaskQueue> queue_;
    std::unique_ptr<MachineDisk> twin_memory_;
    std::unique_ptr<zbc::LogicalUnit> twin_;
    std::unique_ptr<zbc::TaskQueue> twin_queue_;

    /// Sends each command to both disks, one after the other.
    void run_both(int rounds) {
        std::size_t compared = 0, good = 0, failed = 0, refused = 0, edited = 0;
        for (int round = 0; round < rounds && !HasFailure(); ++round) {
            const auto cdb = pick_cdb();
            const auto [out_length, in_length] = pick_buffers(cdb);
            const Pieces out(out_length, random_, true);
            const Pieces in(in_length, random_, false);
            const Pieces twin_in(in_length, random_, false);
            const auto plan = zbc::plan_passthrough(ByteView(cdb), facts_->allowed, facts_->facts,
                                                    out_length, in_length);
            const auto sent_before = target_->sent.size();
            const auto result = passed({static_cast<std::uint64_t>(round), cdb, out.list, in.list});
            const auto where = fmt::format("round {}: opcode {:02X}h, {} out, {} in", round,
                                           ByteView(cdb).u8(0), out_length, in_length);
            EXPECT_LE(result.data_in_length, in_length) << where;
            EXPECT_LE(result.data_out_length, out_length) << where;
            if (!plan) {
                ++refused;
                EXPECT_EQ(target_->sent.size(), sent_before)
                    << where << ": a refused command never reaches the disk";
                EXPECT_EQ(result.delivery, plan.error().delivery) << where;
                EXPECT_EQ(result.data_in_length + result.data_out_length, 0u) << where;
                EXPECT_EQ(in.joined(), Bytes(in_length, untouched)) << where;
                continue;
            }
            const auto twin =
                straight({static_cast<std::uint64_t>(round), cdb, out.list, twin_in.list});
            ASSERT_EQ(twin.delivery, Delivery::done) << where;
            EXPECT_EQ(result.delivery, Delivery::done) << where;
            EXPECT_EQ(result.status, twin.status) << where;
            EXPECT_EQ(result.sense_length, twin.sense_length) << where;
            EXPECT_EQ(result.sense, twin.sense) << where;
            (result.status == zbc::ScsiStatus::good ? good : failed) += 1;
            if (plan->edit != zbc::Edit::none) {
                ++edited;
                EXPECT_LE(result.data_in_length, plan->reply_limit) << where;
            } else {
                ++compared;
                EXPECT_EQ(result.data_in_length, twin.data_in_length) << where;
                EXPECT_EQ(result.data_out_length, twin.data_out_length) << where;
                EXPECT_EQ(in.joined(), twin_in.joined()) << where;
                EXPECT_EQ(target_->sent.back(), Bytes(cdb.begin(), cdb.begin() + plan->cdb_length))
                    << where << ": the CDB is unchanged";
            }
            const auto tail = in.joined();
            EXPECT_TRUE(
                std::all_of(tail.begin() + static_cast<std::ptrdiff_t>(result.data_in_length),
                            tail.end(), [](std::uint8_t byte) { return byte == untouched; }))
                << where << ": the rest of the buffers is unchanged";
        }
        // Both disks must be in the same state.
        EXPECT_EQ(memory_->bytes(), twin_memory_->bytes());
        for (std::uint32_t zone = 0; zone < shape_.zones; ++zone) {
            const auto one = memory_->machine().describe(zone);
            const auto other = twin_memory_->machine().describe(zone);
            EXPECT_EQ(one.state, other.state) << zone;
            EXPECT_EQ(one.write_pointer, other.write_pointer) << zone;
        }
        EXPECT_GT(compared, static_cast<std::size_t>(rounds) / 8)
            << "too few commands were compared";
        EXPECT_GT(good, static_cast<std::size_t>(rounds) / 16);
        EXPECT_GT(failed, static_cast<std::size_t>(rounds) / 64);
        EXPECT_GT(refused, static_cast<std::size_t>(rounds) / 64);
        EXPECT_GT(edited, 10u);
    }
};

TEST_F(PassedHostileTest, PassedCommandsEndAsOnTheDiskItself) {
    start({.max_open = 4});
    run_both(6000);
}

TEST_F(PassedHostileTest, PassedCommandsEndAsOnTheDiskItselfWithLargeBlocks) {
    start({.zone_size = 256 << 10, .logical_block_size = 4096, .physical_block_size = 4096});
    run_both(3000);
}

TEST_F(PassedHostileTest, ADiskServedReadOnlyIsNeverChanged) {
    start({}, "write-buffer,mode-select,unmap,format-unit,0xC1,write-same", true);
    run_both(3000);
    EXPECT_EQ(memory_->bytes(), MachineDisk(shape_).bytes());
    for (const auto& cdb : target_->sent) {
        const auto* const command = zbc::find_command(cdb[0], zbc::action_of(ByteView(cdb)));
        ASSERT_TRUE(command != nullptr && !command->changes);
    }
}

TEST_F(PassedHostileTest, ManyTasksAtOnceEndOnceEachAndOnlyAllowedOnesReachTheDisk) {
    start({.max_open = 4}, "write-same,0xC1");
    struct Slot {
        Bytes cdb;
        std::optional<Pieces> out, in;
        bool busy = false;
    };
    std::vector<Slot> slots(depth);
    std::size_t ended = 0, begun = 0;
    std::array<zbc::TaskResult, 4> results;
    const auto collect = [&] {
        EXPECT_TRUE(loop_.turn(Loop::Wait::poll));
        std::this_thread::yield();
        for (std::size_t i = 0, count = queue_->reap(results); i < count; ++i) {
            ASSERT_LT(results[i].tag, slots.size());
            auto& slot = slots[results[i].tag];
            ASSERT_TRUE(slot.busy) << "a task ends only once";
            EXPECT_LE(results[i].data_in_length, total_length(slot.in->list));
            EXPECT_LE(results[i].data_out_length, total_length(slot.out->list));
            slot.busy = false;
            ++ended;
        }
    };
    constexpr std::size_t rounds = 6000;
    // The CDBs are made first, because pick_cdb() reads zones that running commands change.
    std::vector<Bytes> cdbs;
    for (std::size_t i = 0; i < rounds; ++i) cdbs.push_back(pick_cdb());
    while (begun < rounds) {
        const auto at = pick(slots.size());
        auto& slot = slots[at];
        if (!slot.busy) {
            slot.cdb = cdbs[begun];
            const auto [out, in] = pick_buffers(slot.cdb);
            slot.out.emplace(out, random_, true);
            slot.in.emplace(in, random_, false);
            const zbc::Task task{at, slot.cdb, slot.out->list, slot.in->list};
            slot.busy = queue_->submit({&task, 1}) == 1;
            begun += slot.busy ? 1 : 0;
        }
        if (pick(4) == 0) collect();
        if (HasFailure()) break;
    }
    while (ended < begun && !HasFailure()) collect();
    EXPECT_EQ(ended, begun);
    EXPECT_GT(target_->sent.size(), rounds / 8);
    for (const auto& cdb : target_->sent) {
        ASSERT_TRUE(facts_->allowed.passes(ByteView(cdb)));
        ASSERT_LE(cdb.size(), zbc::Plan::max_cdb);
    }
}

}  // namespace
}  // namespace zonebridge::scsi::test
