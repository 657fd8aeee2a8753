// The Loop on io_uring: the place where a worker thread waits, and the only wrapper of liburing.
//
// Threads: a Ring belongs to the thread that created it; only post() may be called from others.
// Ownership: owns the ring and its wake-up eventfd. Borrows operations until they complete, and
// watchers, issuers and file descriptors until they are removed.
//
// Submission entries are 128 bytes and completion entries 32, so that NVMe and bsg commands, kicks
// and plain I/O share the ring. The kernel takes only the operations that Zonebridge uses (the list in
// ring.cc: a new operation has to be added there). Requires Linux 6.1 or later (single issuer, deferred task work).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <liburing.h>

#include "base/unique_fd.h"
#include "transports/posted_calls.h"
#include "zone/loop.h"

namespace zonebridge {

class Ring final : public Loop {
    struct Private {};

  public:
    /// An operation in the kernel. Must outlive its completion.
    class Completer {
      public:
        struct Result {
            std::int32_t value;  ///< From the kernel: negative errno, or the operation's result.
            std::uint32_t flags;
            std::array<std::uint64_t, 2> extra;  ///< The extra words of a big completion.
        };
        virtual void complete(const Result& result) noexcept = 0;

      protected:
        ~Completer() = default;
    };

    /// `entries`: submissions that one turn can collect; more cost an extra system call.
    [[nodiscard]] static tl::expected<std::unique_ptr<Ring>, Error> create(unsigned entries = 512,
                                                                           Use use = Use::turned);

    /// The flags of io_uring_setup(2) that create() uses.
    static constexpr std::uint32_t setup_flags =
        IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER |
        IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED |
        IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    /// Limits a ring that is not enabled yet to the operations that Zonebridge uses, for good. Returns
    /// 0 or a negative errno, EBUSY if the ring is limited already.
    [[nodiscard]] static int limit(int ring_fd) noexcept;

    explicit Ring(Private);  // by create()
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() override;

    /// An entry to fill in with io_uring_prep_*; its completion goes to `operation`. Null only if
    /// the kernel takes no submissions now: try again after a turn.
    [[nodiscard]] io_uring_sqe* prepare(Completer& operation) noexcept;

    /// The same for an operation whose completion nobody waits for.
    [[nodiscard]] io_uring_sqe* prepare_unanswered() noexcept;

    /// The Ring behind `loop`; null if it is another kind of loop.
    [[nodiscard]] static Ring* of(Loop& loop) noexcept { return dynamic_cast<Ring*>(&loop); }

    tl::expected<void, Error> watch(int fd, Watcher& watcher) override;
    void unwatch(int fd) noexcept override;
    void add_issuer(Issuer& issuer) override;
    void remove_issuer(Issuer& issuer) noexcept override;
    void note_ready() noexcept override {
        ready_ = true;
        announce();
    }
    void note_queued() noexcept override {
        queued_ = true;
        announce();
    }
    void post(std::function<void()> call) override;
    tl::expected<void, Error> turn(Wait wait) override;
    [[nodiscard]] std::optional<int> fd() const noexcept override;

    /// Whether the last turn found nothing ready before it entered the kernel, so that it slept or
    /// would have slept.
    [[nodiscard]] bool was_dry() const noexcept { return dry_; }
    /// Whether in the last turn something completed, became ready or was posted.
    [[nodiscard]] bool came() const noexcept { return came_; }

  private:
    class Watch;
    class Waker final : public Watcher {
      public:
        explicit Waker(Ring& ring) : ring_(ring) {}
        void on_ready() override { ring_.woken_ = true; }

      private:
        Ring& ring_;
    };

    io_uring_sqe* next_entry() noexcept;
    void arm(Watch& watch) noexcept;
    tl::expected<void, Error> run_turn(Wait wait);
    [[nodiscard]] bool dispatch() noexcept;
    void wake() noexcept;
    void announce() noexcept {
        if (polled_ && turns_ == 0) make_readable();
    }
    void make_readable() noexcept;
    void prepare_poll() noexcept;

    io_uring ring_{};
    bool made_ = false;
    bool ready_ = false;
    bool queued_ = false;     ///< Since the last turn's issuers ran.
    bool polled_ = false;     ///< Its thread sleeps on fd().
    bool announced_ = false;  ///< A wake-up was written that no turn has taken.
    unsigned turns_ = 0;      ///< Under way: one, and those nested in it.
    bool dry_ = false;
    bool came_ = false;
    bool woken_ = false;  ///< A wake-up for calls that no turn has taken yet.
    UniqueFd wake_event_;
    Waker waker_{*this};
    std::vector<std::unique_ptr<Watch>> watches_;
    std::vector<Issuer*> issuers_;
    PostedCalls posted_;
};

}  // namespace zonebridge
