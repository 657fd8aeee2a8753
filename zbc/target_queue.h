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
#include "zbc/initiators.h"
#include "zbc/logical_unit.h"
#include "zbc/report_run.h"
#include "zbc/unit.h"
#include "zone/transport.h"

namespace zonebridge::zbc {

/// What all queues of a target share. Immutable, but for the initiators, which guard themselves.
struct TargetFacts {
    Transport& disk;
    const Unit unit;
    const Geometry geometry;
    Initiators initiators;
};

class TargetQueue final : public TaskQueue {
  public:
    TargetQueue(TargetFacts& facts, Loop& loop, std::size_t depth, std::unique_ptr<Queue> storage);

    std::size_t submit(std::span<const Task> tasks) noexcept override;
    std::size_t reap(std::span<TaskResult> out) noexcept override;
    std::size_t depth() const noexcept override { return slots_.size(); }

  private:
    using Index = std::uint32_t;

    struct Slot {
        std::uint32_t initiator = 0;
        Request request;
        bool flush_after = false;  // a write with FUA to a disk that has none
        std::optional<Index> report_buffer;
        ReportRun report;
        TaskResult result;
    };

    // ---- Taking tasks: each ends by done(), refuse() or enqueue().
    void start(Index index, const Task& task) noexcept;
    void start_control(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_mode_select(Index index, const Task& task) noexcept;
    void start_transfer(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_flush(Index index, const Task& task, const CommandInfo& info) noexcept;
    void start_action(Index index, const Task& task, Operation operation) noexcept;
    void start_report(Index index, const Task& task) noexcept;

    // ---- Going on when the disk has answered.
    void complete(const Completion& completion) noexcept;
    void complete_transfer(Index index) noexcept;
    void complete_action(Index index, const Completion& completion) noexcept;
    void complete_report(Index index, const Completion& completion) noexcept;
    void continue_report(Index index) noexcept;
    void give_back_buffer(Index index) noexcept;

    void done(Index index) noexcept { done_.push(index); }
    void refuse(Index index, const Sense& sense) noexcept;
    void enqueue(Index index) noexcept;
    void pump() noexcept;

    /// Room for a list of buffers cut at the transfer length; a slot's own.
    [[nodiscard]] std::span<iovec> cut_room(Index index) noexcept {
        return {cut_buffers_.get() + std::size_t{index} * cut_size_, cut_size_};
    }
    [[nodiscard]] std::span<Zone> buffer(Index number) noexcept;

    TargetFacts& facts_;
    Loop& loop_;
    std::vector<Slot> slots_;
    std::vector<Index> free_;   // a stack, never grows
    IndexRing waiting_;         // slots whose request the storage queue has not taken yet, in order
    IndexRing done_;            // slots whose result waits to be reaped
    IndexRing buffer_waiters_;  // slots whose report waits for a buffer
    std::size_t at_storage_ = 0;
    std::size_t cut_size_;
    std::unique_ptr<iovec[]> cut_buffers_;
    std::vector<Zone> report_zones_;
    std::vector<Index> free_buffers_;
    // Room for a turn's work, kept because clearing it anew for each turn would cost more than a request.
    static constexpr std::size_t batch_size = 32;
    std::array<Request, batch_size> batch_;
    std::array<Completion, batch_size> completions_;
    std::array<std::uint8_t, max_control_reply> reply_{};
    std::unique_ptr<Queue> storage_;  // last, so that it lets go of the buffers first
};

}  // namespace zonebridge::zbc
