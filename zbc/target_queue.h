// The target's task queue: every task has a slot, from submit until its result is reaped, and at most
// one request at the storage queue.
//
// Threads: belongs to the thread of its loop; all queues of a target share the facts.
// Ownership: borrows the facts and the loop. Whatever it needs it allocates when it is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ring_buffer.h"
#include "zbc/cdb.h"
#include "zbc/control.h"
#include "zbc/logical_unit.h"
#include "zbc/report_run.h"
#include "zbc/target_requests.h"
#include "zbc/verify_run.h"
#include "zone/transport.h"

namespace zonebridge::zbc {

class TargetQueue final : public TaskQueue {
  public:
    /// Requires a storage queue of at least that depth.
    TargetQueue(TargetFacts& facts, Loop& loop, std::size_t depth, std::unique_ptr<Queue> storage);

    std::size_t submit(std::span<const Task> tasks) noexcept override;
    std::size_t reap(std::span<TaskResult> out) noexcept override;
    std::size_t depth() const noexcept override { return slots_.size(); }

  private:
    using Index = std::uint32_t;

    /// The step of a command that a slot's request at the disk belongs to.
    enum class Step : std::uint8_t { operation, look_up, verify, stop };

    struct Slot {
        Step step = Step::operation;
        Request request;
        bool flush_after = false;  // a write with FUA to a disk that has none
        ReportRun report;
        std::optional<Index> report_buffer;
        VerifyRun verify;
        std::span<const iovec> data_out;       // a verification's
        std::optional<Request> after_look_up;  // the read; absent: a verification
        std::uint64_t look_up_end = 0;         // in bytes
        TaskResult result;
    };

    // ---- Taking tasks: each ends by done(), refuse() or enqueue().
    void start(Index index, const Task& task) noexcept;
    void answer(Index index, const Task& task,
                const tl::expected<std::size_t, Sense>& length) noexcept;
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
    /// Whether a read there has to be held to the write pointer by the target.
    [[nodiscard]] bool needs_look_up(std::uint64_t offset) const noexcept;
    void look_up(Index index, const ByteRange& range) noexcept;
    void complete_look_up(Index index, const Completion& completion) noexcept;

    void done(Index index) noexcept { done_.push(index); }
    void refuse(Index index, const Sense& sense) noexcept;
    /// The slot's next request is a flush.
    void flush(Index index) noexcept;
    void enqueue(Index index) noexcept;
    void submit_batch() noexcept;

    /// Room for a list of buffers cut at the transfer length; a slot's own.
    [[nodiscard]] std::span<iovec> cut_room(Index index) noexcept {
        return {cut_buffers_.get() + std::size_t{index} * cut_size_, cut_size_};
    }

    TargetFacts& facts_;
    Loop& loop_;
    std::vector<Slot> slots_;
    std::vector<Index> free_;         // a stack, never grows
    RingBuffer<std::uint32_t> done_;  // slots whose result is to be reaped
    std::vector<Request> batch_;      // this call's requests, submitted together at its end
    std::size_t cut_size_;
    std::unique_ptr<iovec[]> cut_buffers_;
    ReportBuffers report_buffers_;
    VerifyScratch scratch_;
    std::vector<Zone> looked_up_;  // a slot's zone each; empty if no read needs a look-up
    // Members, because to clear them for each turn would cost more than a request.
    std::array<Completion, 32> completions_;
    std::array<std::uint8_t, max_control_reply> reply_{};
    std::unique_ptr<Queue> storage_;  // last, so that it is closed before the buffers go
};

}  // namespace zonebridge::zbc
