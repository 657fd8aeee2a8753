// The target's task queue: every task has a slot, from submit until its result was reaped, and at
// most one request at the storage queue.
//
// Threads: belongs to the thread of its loop; the facts are shared by all queues of a target.
// Ownership: borrows the facts and the loop; owns its storage queue, its slots and its report
// buffers, all made when the queue is opened.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "zbc/cdb.h"
#include "zbc/control.h"
#include "zbc/geometry.h"
#include "zbc/index_ring.h"
#include "zbc/logical_unit.h"
#include "zbc/report_run.h"
#include "zbc/unit.h"
#include "zbc/unit_state.h"
#include "zbc/verify_run.h"
#include "zone/refusal.h"
#include "zone/transport.h"

namespace zonebridge::zbc {

/// Why [lba, lba + blocks) is not on the disk.
[[nodiscard]] std::optional<Sense> refuse_range(const Unit& unit, std::uint64_t lba,
                                                std::uint64_t blocks) noexcept;

/// What all queues of a target share. Immutable, but for the state, which guards itself.
struct TargetFacts {
    Transport& disk;
    const Unit unit;
    const Geometry geometry;
    UnitState state;
    RefusalSink* refusals = nullptr;  // hears of what is refused here; may be null
};

class TargetQueue final : public TaskQueue {
  public:
    TargetQueue(TargetFacts& facts, Loop& loop, std::size_t depth, std::unique_ptr<Queue> storage);

    std::size_t submit(std::span<const Task> tasks) noexcept override;
    std::size_t reap(std::span<TaskResult> out) noexcept override;
    std::size_t depth() const noexcept override { return slots_.size(); }

  private:
    using Index = std::uint32_t;

    /// What a slot's request at the disk is for, where its operation does not say so.
    enum class Step : std::uint8_t { operation, look_up, verify, stop };

    struct Slot {
        Step step = Step::operation;
        Request request;
        bool flush_after = false;  // a write with FUA to a disk that has none
        std::optional<Index> report_buffer;
        ReportRun report;
        VerifyRun verify;
        bool verifies = false;  // what follows look_up
        Request held;           // the read that follows it otherwise
        std::uint64_t held_end = 0;
        std::span<const iovec> data_out;  // a verification's
        TaskResult result;
    };

    // ---- Taking tasks: each ends by done(), refuse() or enqueue().
    void start(Index index, const Task& task) noexcept;
    void start_control(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_stop(Index index, const Task& task) noexcept;
    void start_mode_select(Index index, const Task& task) noexcept;
    void start_transfer(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_verify(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_flush(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_action(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_report(Index index, const Task& task) noexcept;

    /// Why the disk may not be changed.
    [[nodiscard]] std::optional<Sense> refuse_change() const noexcept;

    // ---- Going on when the disk has answered.
    void complete(const Completion& completion) noexcept;
    void complete_stop(Index index, const Completion& completion) noexcept;
    void complete_transfer(Index index) noexcept;
    void complete_action(Index index, const Completion& completion) noexcept;
    void complete_report(Index index, const Completion& completion) noexcept;
    void continue_report(Index index) noexcept;
    void give_back_buffer(Index index) noexcept;
    void wait_for_scratch(Index index) noexcept;
    void begin_verify(Index index) noexcept;
    void continue_verify(Index index) noexcept;
    void complete_verify(Index index, const Completion& completion) noexcept;
    void give_back_scratch() noexcept;
    void look_up(Index index, std::uint64_t offset, std::uint64_t length) noexcept;
    void complete_look_up(Index index, const Completion& completion) noexcept;
    void continue_read(Index index) noexcept;

    void done(Index index) noexcept { done_.push(index); }
    void refuse(Index index, const Sense& sense) noexcept;
    // What is refused here, for people (target_refusals.cc).
    void tell(const Task& task, const TaskResult& result) noexcept;
    void tell_past_pointer(const Slot& slot, const Zone& zone) noexcept;
    /// The slot's next request is a flush.
    void flush(Index index) noexcept;
    void enqueue(Index index) noexcept;
    void pump() noexcept;

    /// Whether a read of this range has to be held to the write pointer here.
    [[nodiscard]] bool restricted(std::uint64_t offset) const noexcept;

    /// Room for a list of buffers cut at the transfer length; a slot's own.
    [[nodiscard]] std::span<iovec> cut_room(Index index) noexcept {
        return {cut_buffers_.get() + std::size_t{index} * cut_size_, cut_size_};
    }
    [[nodiscard]] std::span<Zone> buffer(Index number) noexcept;
    /// Room for a piece, and behind it for a block.
    [[nodiscard]] std::span<std::uint8_t> scratch() noexcept;

    TargetFacts& facts_;
    Loop& loop_;
    std::vector<Slot> slots_;
    std::vector<Index> free_;   // a stack, never grows
    IndexRing waiting_;         // slots whose request the storage queue has not taken yet, in order
    IndexRing done_;            // slots whose result waits to be reaped
    IndexRing buffer_waiters_;  // slots whose report waits for a buffer
    IndexRing scratch_waiters_;  // slots whose verification waits for the scratch
    bool scratch_taken_ = false;
    std::size_t at_storage_ = 0;
    std::size_t cut_size_;
    std::unique_ptr<iovec[]> cut_buffers_;
    std::vector<Zone> report_zones_;
    std::vector<Index> free_buffers_;
    std::vector<Zone> looked_up_;  // a slot's zone each, where reads are held to the pointer here
    // A page of its own alignment, for disks that want that of what they read into.
    struct alignas(4096) Page {
        std::array<std::uint8_t, 4096> bytes;
    };
    std::size_t piece_;  // bytes; whole blocks
    std::unique_ptr<Page[]> scratch_;
    iovec scratch_list_{};
    // Room for a turn's work, kept because clearing it anew for each turn would cost more than a request.
    static constexpr std::size_t batch_size = 32;
    std::array<Request, batch_size> batch_;
    std::array<Completion, batch_size> completions_;
    std::array<std::uint8_t, max_control_reply> reply_{};
    std::unique_ptr<Queue> storage_;  // last, so that it lets go of the buffers first
};

}  // namespace zonebridge::zbc
