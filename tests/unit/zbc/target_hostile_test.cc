// A hostile initiator: random and half-valid commands with random buffers. The target completes
// every task, stays within its buffers (the sanitizers check that), and reports consistent results.

#include <random>

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"

namespace zonebridge::zbc::test {
namespace {

class Hostile {
  public:
    Hostile(unsigned seed, const MachineDiskShape& shape)
        : initiator_(shape, {.reads_past_pointer = restrict_reads(shape)}, 16), random_(seed) {}

    void run(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            disturb();
            submit();
            collect();
            if (testing::Test::HasFailure()) return;
        }
        initiator_.disk.hold = false;
        initiator_.disk.take_at_most = ~std::size_t{0};
        initiator_.loop.note_ready();
        for (int turns = 0; in_flight_ != 0 && turns < 1000; ++turns) collect();
        EXPECT_EQ(in_flight_, 0u) << "a task did not complete";
        EXPECT_GT(good_, 500u) << "the random commands were too rarely valid";
        EXPECT_GT(refused_, 500u);
        EXPECT_GT(initiator_.disk.taken.size(), 200u);
    }

  private:
    struct Slot {
        bool busy = false;
        Cdb cdb{};
        std::size_t cdb_length = 0;
        std::vector<Bytes> out;
        std::vector<Bytes> in;
        std::vector<iovec> out_list;
        std::vector<iovec> in_list;
        std::uint64_t in_total = 0;
        std::uint64_t out_total = 0;
    };

    /// For some shapes the target restricts reads to the write pointer.
    static std::optional<bool> restrict_reads(const MachineDiskShape& shape) {
        if (shape.model != Model::host_managed || shape.max_open) return std::nullopt;
        return false;
    }

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }

    void disturb() {
        initiator_.disk.hold = pick(4) == 0;
        initiator_.disk.reverse = pick(2) == 0;
        initiator_.disk.take_at_most = pick(3) == 0 ? pick(4) : ~std::size_t{0};
        if (pick(20) == 0)
            initiator_.disk.fail_next =
                static_cast<StatusCode>(pick(static_cast<unsigned>(StatusCode::aborted)) + 1);
        if (pick(50) == 0) initiator_.target->reset();
    }

    void make_buffers(std::vector<Bytes>& buffers, std::vector<iovec>& list, std::uint64_t& total) {
        buffers.clear();
        list.clear();
        total = 0;
        // Each on the heap with its exact length, so that the sanitizers see a byte too far.
        for (auto count = pick(5) == 0 ? pick(20) : pick(3); count > 0; --count)
            buffers.emplace_back(pick(3) == 0 ? pick(100) : 512 * pick(20));
        for (auto& buffer : buffers) {
            for (auto& byte : std::span(buffer).first(std::min<std::size_t>(buffer.size(), 600)))
                byte = static_cast<std::uint8_t>(random_());
            list.push_back({buffer.data(), buffer.size()});
            total += buffer.size();
        }
    }

    std::uint64_t some_lba() {
        switch (pick(4)) {
            case 0:
                return random_();
            case 1:
                return initiator_.lba(pick(18));
            case 2:
                return initiator_.lba(pick(17), 4 * KiB * pick(16));
            default: {
                if (initiator_.disk.limits().model == Model::none) return pick(2000);
                const auto zone =
                    initiator_.disk.machine().describe(static_cast<std::uint32_t>(pick(16)));
                return zone.write_pointer.value_or(zone.start) /
                       initiator_.disk.limits().logical_block_size;
            }
        }
    }

    void make_cdb(Slot& slot) {
        for (auto& byte : slot.cdb) byte = static_cast<std::uint8_t>(random_());
        slot.cdb_length = pick(50) == 0 ? pick(slot.cdb.size() + 1) : slot.cdb.size();
        if (pick(10) == 0) return;
        static const auto commands = target_commands();
        const auto& info = commands[pick(commands.size())];
        ByteWriter out(slot.cdb);
        out.u8(0, info.opcode);
        if (info.action && pick(20) != 0) out.u8(1, *info.action);
        if (pick(20) != 0) out.u8(info.cdb_length - 1, 0);
        if (info.cdb_length != 16) {
            if (pick(2) == 0)
                for (std::size_t i = 1; i < info.cdb_length; ++i)
                    slot.cdb[i] &=
                        pick(2) == 0 ? info.target->usage[i] & 0x0F : info.target->usage[i];
            return;
        }
        out.be64(2, some_lba());
        out.be32(10, pick(8) == 0 ? random_() : pick(64));
        if (info.target->handler == Handler::verify)
            out.u8(1, pick(16) == 0 ? random_() : pick(4) * 2);
        if (info.target->handler == Handler::read || info.target->handler == Handler::write)
            out.u8(1, pick(16) == 0 ? random_() : pick(2) * 0x08);
        if (info.target->handler == Handler::report_zones) out.be32(10, pick(4000));
        if (info.target->handler == Handler::report_zones || info.opcode == 0x94)
            out.u8(14, pick(4) == 0 ? random_() : pick(2) * 0x80);
    }

    void submit() {
        std::vector<Task> tasks;
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            auto& slot = slots_[i];
            if (slot.busy || pick(2) == 0) continue;
            make_cdb(slot);
            make_buffers(slot.out, slot.out_list, slot.out_total);
            make_buffers(slot.in, slot.in_list, slot.in_total);
            slot.busy = true;
            tasks.push_back(
                {i, std::span(slot.cdb).first(slot.cdb_length), slot.out_list, slot.in_list});
        }
        EXPECT_EQ(initiator_.queue->submit(tasks), tasks.size());
        in_flight_ += tasks.size();
    }

    void collect() {
        std::array<TaskResult, 5> results;
        std::size_t count = 0;
        (void)initiator_.loop.turn(Loop::Wait::poll);
        while ((count = initiator_.queue->reap(results)) != 0)
            for (const auto& result : std::span(results).first(count)) check(result);
    }

    void check(const TaskResult& result) {
        ASSERT_LT(result.tag, slots_.size());
        auto& slot = slots_[result.tag];
        ASSERT_TRUE(slot.busy) << "the task completed twice";
        slot.busy = false;
        --in_flight_;
        EXPECT_LE(result.data_in_length, slot.in_total);
        EXPECT_LE(result.data_out_length, slot.out_total);
        if (result.delivery == Delivery::overrun) {
            EXPECT_EQ(result.data_in_length + result.data_out_length, 0u);
        }
        if (result.status == ScsiStatus::check_condition) {
            const auto sense = decode_sense(std::span(result.sense).first(result.sense_length));
            ASSERT_TRUE(sense);
            ++refused_;
            EXPECT_NE(sense->key, SenseKey::no_sense);
        } else {
            EXPECT_EQ(result.status, ScsiStatus::good);
            if (result.delivery == Delivery::done) ++good_;
            EXPECT_EQ(result.sense_length, 0);
        }
    }

    Initiator initiator_;
    std::mt19937_64 random_;
    std::array<Slot, 16> slots_;
    std::size_t in_flight_ = 0;
    unsigned good_ = 0;
    unsigned refused_ = 0;
};

TEST(TargetHostile, EveryRandomCommandCompletes) {
    const MachineDiskShape shapes[] = {
        {.max_open = 3, .max_active = 5},
        {.zone_capacity = 48 * KiB, .last_zone_size = 52 * KiB, .logical_block_size = 4096},
        {.model = Model::host_aware, .fua = Support::absent},
        {.model = Model::none},
        {.fua = Support::absent, .reads_past_pointer = false},
    };
    unsigned seed = 1;
    for (const auto& shape : shapes) {
        SCOPED_TRACE(seed);
        Hostile(seed++, shape).run(1500);
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
