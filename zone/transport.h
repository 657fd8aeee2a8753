// The one storage seam: an open device (Transport), and one thread's queue to it (Queue).
//
// Threads: a Transport is safe from any thread. A Queue belongs to the thread of the loop it was
// opened on.
// Ownership: a Queue borrows its Loop and its Transport, which outlive it; buffers are borrowed
// from submit until their completion is reaped.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <tl/expected.hpp>

#include "base/export.h"
#include "base/ring_buffer.h"
#include "zone/limits.h"
#include "zone/loop.h"
#include "zone/request.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Every accepted request, refused ones included, completes exactly once, through reap. Requests in
/// flight have no order, and there is no partial success, but for long requests
/// (Limits::any_length). Nothing allocates or throws once the queue is open.
///
/// Destroying a queue withdraws requests that were not issued and waits until the kernel holds none
/// of its buffers; completions not reaped by then are lost.
class Queue {
  public:
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    virtual ~Queue() = default;

    /// Takes a prefix of `requests` and returns its length: all of them, unless more than depth()
    /// would be in flight; 0 means full: reap first. Makes no system call that the loop's turn
    /// could make for it. Requests that fail zone/check complete as refused.
    [[nodiscard]] std::size_t submit(std::span<const Request> requests) noexcept;

    /// For layers (a transport over a transport) only: takes all of `requests`, which passed
    /// zone/check in the queue above and since then changed in nothing but their tags. So a request
    /// is checked once, where it enters the model. Requests that a layer makes or changes go
    /// through submit. Requires room for all of them, and that this transport allows everything
    /// that the limits of the queue above allow.
    void take_checked(std::span<const Request> requests) noexcept;

    /// Hands out completions, at most out.size(); returns their number.
    [[nodiscard]] std::size_t reap(std::span<Completion> out) noexcept;

    /// The most requests that may be in flight at once: accepted and not yet reaped. At least 1.
    [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

  protected:
    Queue(Loop& loop, const Limits& limits, std::size_t depth);

    /// Takes all of `requests`, which passed zone/check; with them at most depth() are in flight.
    virtual void accept(std::span<const Request> requests) noexcept = 0;
    /// Like reap. If completions remain that do not fit into `out`, the implementation must call
    /// Loop::note_ready(), or the loop may sleep on them.
    [[nodiscard]] virtual std::size_t collect(std::span<Completion> out) noexcept = 0;
    /// Called for a request that zone/check refuses. True: the queue has taken it, and collect()
    /// hands out its completion; false: the base class completes it as refused. For a layer that
    /// looks up the zone before the completion goes out.
    [[nodiscard]] virtual bool take_refused(const Request& request, StatusCode code) noexcept;

    /// For a collect() whose completions are in `done`: hands out the first ones, and notes the
    /// others with the loop.
    [[nodiscard]] std::size_t hand_out(RingBuffer<Completion>& done,
                                       std::span<Completion> out) noexcept {
        const auto count = done.take(out);
        if (!done.empty()) loop_.note_ready();
        return count;
    }

    [[nodiscard]] Loop& loop() const noexcept { return loop_; }
    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }

  private:
    Loop& loop_;
    const Limits& limits_;
    std::size_t depth_;
    std::size_t in_flight_ = 0;
    RingBuffer<Completion> refused_;  // refused by the check
};

struct QueueOptions {
    std::size_t depth = 256;
};

class Transport {
  public:
    virtual ~Transport() = default;

    [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
    [[nodiscard]] virtual const Identity& identity() const noexcept = 0;

    /// Opens a queue to this device for the thread of `loop`.
    [[nodiscard]] virtual tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) = 0;

    /// Looks whether a disk without zones has another size now, and returns the size. If so,
    /// limits() has it from then on, and queues refuse requests beyond it as out_of_range. One
    /// thread at a time, any. A disk whose size can't change, or can't be asked for, keeps it.
    virtual std::uint64_t look_at_size() { return limits().size(); }

    /// Makes everything durable and leaves the device clean; call it when all queues are closed.
    /// The destructor does the same, but can't report a failure.
    [[nodiscard]] virtual tl::expected<void, Error> close() = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
