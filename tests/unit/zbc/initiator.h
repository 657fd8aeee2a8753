// An initiator that runs commands against a target over a disk in memory.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "tests/unit/support/hand_loop.h"
#include "tests/unit/zbc/support.h"
#include "zbc/logical_unit.h"
#include "zbc/target.h"

namespace zonebridge::zbc::test {

using zonebridge::test::HandLoop;

inline const Bytes test_unit_ready = hex("00*6");
inline constexpr MachineDiskShape with_gaps{.zone_capacity = 48 << 10, .last_zone_size = 56 << 10};

/// The result of a task.
struct Outcome {
    TaskResult result;
    Bytes data;  ///< The data that arrived: data_in_length bytes.

    [[nodiscard]] std::optional<Sense> sense() const {
        if (result.status == ScsiStatus::good) return std::nullopt;
        return decode_sense(std::span(result.sense).first(result.sense_length));
    }
    [[nodiscard]] std::string words() const {
        if (result.delivery == Delivery::overrun) return "overrun";
        if (result.status != ScsiStatus::good && !sense()) return "no sense";
        return test::words(sense());
    }
    [[nodiscard]] ByteView view() const { return ByteView(data); }
};

class Initiator {
  public:
    explicit Initiator(const MachineDiskShape& shape = {}, const UnitOptions& options = {},
                       std::size_t depth = 8)
        : disk(shape) {
        target = std::move(make_target(disk, options).value());
        queue = std::move(target->open_queue(loop, depth).value());
        run(hex("00*6"));  // clears the unit attention of a new initiator
    }

    /// Runs one command to its end; data_in has room for `in_room` bytes.
    Outcome run(const Bytes& cdb, std::size_t in_room = 0, Bytes out = {}) {
        Outcome outcome;
        outcome.data.assign(in_room, 0xAA);
        const iovec in{outcome.data.data(), outcome.data.size()};
        const iovec data_out{out.data(), out.size()};
        Task task;
        task.tag = ++next_tag_;
        task.cdb = cdb;
        if (in_room != 0) task.data_in = {&in, 1};
        if (!out.empty()) task.data_out = {&data_out, 1};
        EXPECT_EQ(queue->submit({&task, 1}), 1u);
        outcome.result = wait();
        EXPECT_EQ(outcome.result.tag, task.tag);
        EXPECT_LE(outcome.result.data_in_length, in_room);
        outcome.data.resize(std::min<std::size_t>(outcome.result.data_in_length, in_room));
        return outcome;
    }
    template <std::size_t Size>
    Outcome run(const std::array<std::uint8_t, Size>& cdb, std::size_t in_room = 0,
                Bytes out = {}) {
        return run(Bytes(cdb.begin(), cdb.end()), in_room, std::move(out));
    }

    /// Turns the loop until a result was reaped.
    TaskResult wait() {
        TaskResult result;
        for (int turns = 0; turns < 100000; ++turns) {
            if (queue->reap({&result, 1}) == 1) return result;
            EXPECT_TRUE(loop.ready()) << "a real loop would never wake";
            (void)loop.turn(Loop::Wait::poll);
        }
        ADD_FAILURE() << "the task did not complete";
        return result;
    }

    [[nodiscard]] std::uint64_t lba(std::uint64_t zone, std::uint64_t bytes = 0) const {
        return (disk.limits().layout.zone_size() * zone + bytes) / disk.limits().logical_block_size;
    }
    [[nodiscard]] std::uint32_t blocks(std::uint64_t bytes) const {
        return static_cast<std::uint32_t>(bytes / disk.limits().logical_block_size);
    }

    /// In bytes; the payload is `fill` throughout.
    Outcome write(std::uint64_t zone, std::uint64_t at, std::uint64_t length,
                  std::uint8_t fill = 0x5A) {
        return run(encode_write_16(lba(zone, at), blocks(length), false), 0, Bytes(length, fill));
    }
    Outcome read(std::uint64_t zone, std::uint64_t at, std::uint64_t length) {
        return run(encode_read_16(lba(zone, at), blocks(length)), length);
    }
    Outcome act(Operation operation, std::uint64_t zone, std::uint32_t count = 1) {
        return run(encode_zone_action(operation, {lba(zone), count, false}));
    }
    Outcome act_all(Operation operation) {
        return run(encode_zone_action(operation, {0, 0, true}));
    }
    Outcome report(std::uint64_t start_lba, std::size_t allocation, std::uint8_t options = 0,
                   bool partial = false) {
        return run(encode_report_zones(
                       {start_lba, static_cast<std::uint32_t>(allocation), partial, options}),
                   allocation);
    }
    ZoneState state(std::uint32_t zone) { return disk.machine().state(zone); }

    MachineDisk disk;
    HandLoop loop;
    std::unique_ptr<LogicalUnit> target;
    std::unique_ptr<TaskQueue> queue;

  private:
    std::uint64_t next_tag_ = 100;
};

}  // namespace zonebridge::zbc::test
