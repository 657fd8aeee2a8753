// The place where one thread waits: for file descriptors, the kernel's completions, and calls
// posted by other threads, with one system call a turn.
//
// Threads: everything but post() belongs to the thread that made the loop.
// Ownership: borrows watchers, issuers and file descriptors; the code that registered them removes
// them before they are destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Called when a file descriptor becomes ready.
class Watcher {
  public:
    virtual void on_ready() = 0;

  protected:
    ~Watcher() = default;
};

/// Called just before a turn enters the kernel. Batches are issued here: everything submitted in
/// this turn is known, and the turn has not waited yet.
class Issuer {
  public:
    virtual void issue() noexcept = 0;

  protected:
    ~Issuer() = default;
};

class Loop {
  public:
    enum class Use : std::uint8_t {
        turned,  ///< Its thread sleeps in turn().
        polled,  ///< Its thread sleeps elsewhere, on fd(). Costs a few more system calls.
    };
    enum class Wait : std::uint8_t {
        poll,   ///< Enter the kernel if there is something to submit; never sleep.
        sleep,  ///< Sleep until something happens, unless something is ready already.
    };

    virtual ~Loop() = default;

    /// Calls `watcher` whenever `fd` becomes readable. Edge-triggered: one call each time that data
    /// arrives (or was there when the watch began), whether or not the previous data was read. An
    /// eventfd therefore need not be read. One watch for each fd.
    virtual tl::expected<void, Error> watch(int fd, Watcher& watcher) = 0;
    /// After this the watcher is not called again. Unknown fds are ignored.
    virtual void unwatch(int fd) noexcept = 0;

    virtual void add_issuer(Issuer& issuer) = 0;
    virtual void remove_issuer(Issuer& issuer) noexcept = 0;

    /// Completions are ready to be reaped: this turn, or the next one, does not sleep.
    virtual void note_ready() noexcept = 0;

    /// An issuer has something to submit. The turn that does so may sleep all the same; this note
    /// only makes fd() readable.
    virtual void note_queued() noexcept = 0;

    /// Runs `call` on the loop's thread during a turn, and wakes the loop. Callable from any
    /// thread. Calls posted by one thread run in the order of posting, also if a call runs a nested
    /// turn: the nested turn continues with the calls after that one.
    virtual void post(std::function<void()> call) = 0;

    /// One turn: calls the issuers, enters the kernel once (submitting, collecting, and with
    /// Wait::sleep waiting), then calls watchers and posted calls. Fails only if the kernel refuses
    /// the ring itself.
    virtual tl::expected<void, Error> turn(Wait wait) = 0;

    /// For the event loop in which the thread of a loop made for Use::polled sleeps: readable as
    /// long as a turn has something to do, be it a completion, a posted call, or what was noted.
    /// Level-triggered. A program that finds the descriptor readable runs a turn (Wait::poll) and
    /// reaps its queues, and then may sleep again; the descriptor may also be readable for nothing.
    /// Destroying a queue runs turns, too: reap the other queues after that. Absent for other loops.
    [[nodiscard]] virtual std::optional<int> fd() const noexcept = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
