// Where one thread waits: file descriptors, the kernel's completions, and calls posted by other
// threads, all behind one system call a turn.
//
// Threads: everything but post() belongs to the thread that made the loop.
// Ownership: borrows watchers, issuers and file descriptors; whoever registered them takes them out
// before they end.
#pragma once

#include <cstdint>
#include <functional>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Told when a file descriptor becomes ready.
class Watcher {
  public:
    virtual void on_ready() = 0;

  protected:
    ~Watcher() = default;
};

/// Has something to hand to the kernel just before a turn enters it. This is where batches are
/// issued: everything submitted in this turn is known, and nothing has been waited for yet.
class Issuer {
  public:
    virtual void issue() noexcept = 0;

  protected:
    ~Issuer() = default;
};

class Loop {
  public:
    enum class Wait : std::uint8_t {
        poll,   ///< Enter the kernel if there is something to hand over; never sleep.
        sleep,  ///< Sleep until something happens, unless something is ready already.
    };

    virtual ~Loop() = default;

    /// Calls `watcher` whenever `fd` becomes readable. Edge-triggered: one call for each time that
    /// data arrives (or was there when the watch began), whether or not the last was read. An
    /// eventfd therefore need not be read. One watch for each fd.
    virtual tl::expected<void, Error> watch(int fd, Watcher& watcher) = 0;
    /// After this the watcher is not called again. Unknown fds are ignored.
    virtual void unwatch(int fd) noexcept = 0;

    virtual void add_issuer(Issuer& issuer) = 0;
    virtual void remove_issuer(Issuer& issuer) noexcept = 0;

    /// Completions wait to be reaped: the turn under way or the next one does not sleep.
    virtual void note_ready() noexcept = 0;

    /// Runs `call` on the loop's thread during a turn, waking it. Any thread. Calls posted by one
    /// thread run in its order, also where a call turns the loop: the nested turn goes on with the
    /// calls behind that one.
    virtual void post(std::function<void()> call) = 0;

    /// One turn: lets issuers issue, enters the kernel once (submitting, collecting, and with
    /// Wait::sleep waiting), then calls watchers and posted calls. Fails only if the kernel refuses
    /// the ring itself.
    virtual tl::expected<void, Error> turn(Wait wait) = 0;

    /// Becomes readable when a turn has something to do: for foreign event loops.
    [[nodiscard]] virtual int fd() const noexcept = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
