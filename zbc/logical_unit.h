// A logical unit as a SCSI front end uses it, and one thread's queue of tasks to it. There are two
// kinds: the target in zbc/target.h, which translates to the zone model, and a disk that
// transports/scsi passes through.
//
// Threads: a LogicalUnit is safe from any thread. A TaskQueue belongs to the thread of the loop it
// was opened on.
// Ownership: a TaskQueue borrows its Loop and its LogicalUnit, which outlive it. It borrows a task's
// CDB and buffers from submit until the result is reaped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <sys/uio.h>

#include <tl/expected.hpp>

#include "zbc/sense.h"
#include "zone/loop.h"
#include "zone/status.h"

namespace zonebridge::zbc {

/// SAM-5 status codes that a logical unit returns.
enum class ScsiStatus : std::uint8_t {
    good = 0x00,
    check_condition = 0x02,
    busy = 0x08,
    reservation_conflict = 0x18,
    task_set_full = 0x28,
    task_aborted = 0x40,
};

/// One SCSI command. `cdb` is the submitter's own copy, which the initiator can't change.
struct Task {
    std::uint64_t tag = 0;
    std::span<const std::uint8_t> cdb = {};
    std::span<const iovec> data_out = {};  ///< From the initiator.
    std::span<const iovec> data_in = {};   ///< To the initiator.
};

/// Whether the logical unit answered a task. Only `done` has a status and sense data; for each of the
/// others virtio-scsi has a response (virtio 1.2, 5.6.6.1).
enum class Delivery : std::uint8_t {
    done,               ///< The logical unit answered.
    overrun,            ///< The command moves more than the buffers hold.
    busy,               ///< It can't be sent now; send it again.
    reset,              ///< The path to the unit was reset while the task was in flight.
    transport_failure,  ///< The path to the unit failed; another command may succeed.
    target_failure,     ///< The unit itself failed, on every path.
    gone,               ///< The unit does not exist any more.
    failure,            ///< Anything else; the command may have been carried out.
};

struct TaskResult {
    static constexpr std::size_t max_sense = 96;

    std::uint64_t tag = 0;
    Delivery delivery = Delivery::done;
    ScsiStatus status = ScsiStatus::good;
    std::uint8_t sense_length = 0;
    std::array<std::uint8_t, max_sense> sense{};
    std::uint64_t data_in_length = 0;   ///< Bytes put into data_in.
    std::uint64_t data_out_length = 0;  ///< Bytes taken from data_out.
};

/// The storage queue's contract (zone/transport.h): submit accepts a prefix, every accepted task ends
/// exactly once by reap, neither allocates, and tasks in flight have no order. Results that do not fit
/// into reap's `out` are noted with Loop::note_ready().
class TaskQueue {
  public:
    virtual ~TaskQueue() = default;
    [[nodiscard]] virtual std::size_t submit(std::span<const Task> tasks) noexcept = 0;
    [[nodiscard]] virtual std::size_t reap(std::span<TaskResult> out) noexcept = 0;
    /// Tasks that may be in flight at once.
    [[nodiscard]] virtual std::size_t depth() const noexcept = 0;
};

/// The most that one command moves.
struct TransferLimits {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::uint32_t max_segments = 0;  ///< Buffers.
};

class LogicalUnit {
  public:
    virtual ~LogicalUnit() = default;

    [[nodiscard]] virtual TransferLimits transfer_limits() const noexcept = 0;

    [[nodiscard]] virtual tl::expected<std::unique_ptr<TaskQueue>, Error> open_queue(
        Loop& loop, std::size_t depth) = 0;

    /// The unit was reset, or has a new initiator: the mode pages get their default values, and the
    /// next command but INQUIRY, REPORT LUNS and REQUEST SENSE gets the unit attention 29h/00h
    /// (SAM-5 5.14, SPC-4 "power on, reset, or bus device reset occurred").
    virtual void reset() noexcept = 0;

    /// The initiator of an earlier server goes on with this unit, and its power on is still pending.
    /// A REPORT ZONES then does not get this attention, because Linux does not repeat that command;
    /// the next command of another kind does. Until the next reset(). Units that an attention is not
    /// pending for need not do anything.
    virtual void continue_initiator() noexcept {}

    /// Makes a unit attention pending: the next command that does not pass unit attentions gets it.
    /// One that is pending is not reported twice.
    virtual void raise(Attention attention) noexcept = 0;
};

}  // namespace zonebridge::zbc
