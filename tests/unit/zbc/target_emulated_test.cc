// The target over an emulated disk in a file, on a real loop. The other tests use a disk in memory;
// these check that a real transport behaves the same.

#include <filesystem>
#include <random>
#include <unistd.h>

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "transports/emulated/emulated.h"
#include "transports/ring.h"

namespace zonebridge::zbc::test {
namespace {

class TargetEmulated : public testing::Test {
  public:
    TargetEmulated() {
        path_ = testing::TempDir() + "zbc-target-" + std::to_string(getpid()) + ".zbd";
        std::filesystem::remove(path_);
        emulated::Shape shape;
        shape.size = 16 * MiB;
        shape.zone_size = 1 * MiB;
        shape.zone_capacity = 768 * KiB;
        shape.conventional = 2;
        shape.max_open = 4;
        EXPECT_TRUE(emulated::create(path_, shape));
        disk_ = std::move(emulated::open(path_, {true}).value());
        target_ = std::move(make_target(*disk_).value());
        queue_ = std::move(target_->open_queue(*ring_, 32).value());
        EXPECT_EQ(run(hex("00*6")).words(), "6/29/00");
    }
    ~TargetEmulated() override {
        queue_.reset();
        target_.reset();
        EXPECT_TRUE(disk_->close());
        disk_.reset();
        std::filesystem::remove(path_);
    }

    template <typename Cdb>
    Outcome run(const Cdb& cdb, std::size_t in_room = 0, Bytes out = {}) {
        Outcome outcome;
        outcome.data.assign(in_room, 0xAA);
        const iovec in{outcome.data.data(), in_room};
        const iovec data_out{out.data(), out.size()};
        const Task task{1, cdb, {&data_out, 1}, {&in, 1}};
        EXPECT_EQ(queue_->submit({&task, 1}), 1u);
        while (queue_->reap({&outcome.result, 1}) == 0) EXPECT_TRUE(ring_->turn(Loop::Wait::sleep));
        outcome.data.resize(outcome.result.data_in_length);
        return outcome;
    }
    std::string act(Operation operation, std::uint64_t zone, std::uint32_t count = 1) {
        return run(encode_zone_action(operation, {zone * 2048, count, false})).words();
    }
    std::uint32_t count_of(std::uint8_t option) {
        return run(encode_report_zones({0, 64, false, option}), 64).view().be32(0) / 64;
    }
    TaskQueue& task_queue() { return *queue_; }
    Loop& loop() { return *ring_; }

  private:
    std::string path_;
    std::unique_ptr<Ring> ring_ = std::move(Ring::create().value());
    std::unique_ptr<Transport> disk_;
    std::unique_ptr<LogicalUnit> target_;
    std::unique_ptr<TaskQueue> queue_;
};

TEST_F(TargetEmulated, WritesAreReadBackAndReported) {
    Bytes data(64 * KiB);
    std::mt19937 random(1);
    for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
    EXPECT_EQ(run(encode_write_16(3 * 2048, 128, true), 0, data).words(), "good");
    EXPECT_EQ(run(encode_write_16(3 * 2048, 128, true), 0, data).words(), "5/21/04");
    EXPECT_EQ(run(encode_write_16(3 * 2048 + 1536, 8, false), 0, Bytes(4 * KiB)).words(),
              "5/21/09");
    EXPECT_EQ(run(encode_synchronize_cache_16()).words(), "good");
    data.resize(128 * KiB);  // zeroes past the pointer
    EXPECT_EQ(run(encode_read_16(3 * 2048, 256), 128 * KiB).data, data);
    const auto report = run(encode_report_zones({3 * 2048, 192, true, 0}), 192);
    EXPECT_EQ(report.view().u8(64), 2);
    EXPECT_EQ(report.view().u8(65), 0x20);
    EXPECT_EQ(report.view().be64(64 + 8), 1536u);
    EXPECT_EQ(report.view().be64(64 + 24), 3 * 2048u + 128);
    EXPECT_EQ(report.view().u8(128), 5);
    EXPECT_EQ(report.view().be64(128 + 8), 512u);
}

TEST_F(TargetEmulated, ZoneActionsWorkOnOneSeveralAndAllZones) {
    EXPECT_EQ(act(Operation::finish, 4), "good");
    EXPECT_EQ(act(Operation::open, 3, 3), "good") << "a full zone is skipped";
    EXPECT_EQ(count_of(0x03), 2u);
    EXPECT_EQ(act(Operation::open, 6, 3), "7/55/0E");
    EXPECT_EQ(count_of(0x03), 4u) << "the zones before the one that failed";
    EXPECT_EQ(act(Operation::close, 2, 14), "good");
    EXPECT_EQ(count_of(0x01), 13u);
    EXPECT_EQ(run(encode_zone_action(Operation::reset, {0, 0, true})).words(), "good");
    EXPECT_EQ(count_of(0x01), 14u);
    EXPECT_EQ(count_of(0x3F), 16u);
    EXPECT_EQ(count_of(0x00), 30u);
}

TEST_F(TargetEmulated, AZoneIsFilledAtFullDepthInOrder) {
    constexpr std::uint32_t count = 24;
    std::vector<Bytes> data;
    std::vector<iovec> buffers;
    std::vector<Cdb> cdbs;
    std::vector<Task> tasks;
    for (std::uint32_t i = 0; i < count; ++i) {
        data.emplace_back(32 * KiB, static_cast<std::uint8_t>(i));
        cdbs.push_back(encode_write_16(5 * 2048 + i * 64, 64, false));
    }
    for (auto& bytes : data) buffers.push_back({bytes.data(), bytes.size()});
    for (std::uint32_t i = 0; i < count; ++i) tasks.push_back({i, cdbs[i], {&buffers[i], 1}, {}});
    auto& queue = task_queue();
    ASSERT_EQ(queue.submit(tasks), count);
    for (std::uint32_t ended = 0; ended < count;) {
        TaskResult result;
        if (queue.reap({&result, 1}) == 0) {
            ASSERT_TRUE(loop().turn(Loop::Wait::sleep));
            continue;
        }
        ++ended;
        EXPECT_EQ(result.status, ScsiStatus::good);
    }
    EXPECT_EQ(count_of(0x05), 1u) << "the capacity is used up";
    for (std::uint32_t i = 0; i < count; ++i)
        EXPECT_EQ(run(encode_read_16(5 * 2048 + i * 64, 64), 32 * KiB).data, data[i]);
}

}  // namespace
}  // namespace zonebridge::zbc::test
