#include "transports/ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <poll.h>
#include <utility>

#include <fmt/format.h>

#include "transports/make_loop.h"

namespace zonebridge {

/// A multishot poll. After unwatch() it lives until the kernel has released it.
class Ring::Watch final : public Ring::Completer {
  public:
    Watch(Ring& ring, int fd, Watcher& watcher) : ring_(ring), fd_(fd), watcher_(&watcher) {}

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool live() const noexcept { return watcher_ != nullptr; }
    [[nodiscard]] bool armed() const noexcept { return armed_; }
    void set_armed() noexcept { armed_ = true; }
    void retire() noexcept { watcher_ = nullptr; }

    void complete(const Result& result) noexcept override {
        armed_ = (result.flags & IORING_CQE_F_MORE) != 0;
        if (!live()) return;
        // A failed poll of this fd would fail again at once, for ever: do not rearm it.
        if (!armed_ && result.value >= 0) ring_.arm(*this);
        watcher_->on_ready();
    }

  private:
    Ring& ring_;
    int fd_;
    Watcher* watcher_;
    bool armed_ = false;
};

namespace {

/// Every operation that Zonebridge submits. The kernel refuses all others with EACCES: a system call
/// filter sees only io_uring_enter, so without this list a hijacked process could open files and
/// sockets by its ring. NOP does nothing, and MSG_RING reaches only other rings.
constexpr std::array allowed_operations{
    IORING_OP_NOP,      IORING_OP_READ,        IORING_OP_READV,     IORING_OP_WRITE,
    IORING_OP_WRITEV,   IORING_OP_FSYNC,       IORING_OP_FALLOCATE, IORING_OP_URING_CMD,
    IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_MSG_RING,
};

}  // namespace

// Not by liburing's functions for these two registrations: the library of Debian 12 does not export
// them.
int Ring::limit(int ring_fd) noexcept {
    std::array<io_uring_restriction, allowed_operations.size() + 1> restrictions{};
    // A Doorbell's entries have no completion.
    restrictions.back().opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    restrictions.back().sqe_flags = IOSQE_CQE_SKIP_SUCCESS;
    for (std::size_t i = 0; i < allowed_operations.size(); ++i) {
        restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
        restrictions[i].sqe_op = static_cast<std::uint8_t>(allowed_operations[i]);
    }
    return io_uring_register(static_cast<unsigned>(ring_fd), IORING_REGISTER_RESTRICTIONS,
                             restrictions.data(), restrictions.size());
}

tl::expected<std::unique_ptr<Ring>, Error> Ring::create(unsigned entries, Use use) {
    auto ring = std::make_unique<Ring>(Private{});
    io_uring_params params{};
    params.flags = setup_flags;
    // Deferred work wakes nobody who sleeps on the ring's descriptor (seen with Linux 6.18); other
    // work ends in a completion at once, which does.
    if (use == Use::polled)
        params.flags &= ~(IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
    params.cq_entries = entries * 4;
    if (const int result = io_uring_queue_init_params(entries, &ring->ring_, &params); result < 0)
        return tl::unexpected(
            os_failure(-result,
                       "Zonebridge needs io_uring (Linux 6.1 or later, not disabled by the sysctl "
                       "kernel.io_uring_disabled or a container's seccomp filter), but io_uring "
                       "can't be set up"));
    ring->made_ = true;
    const auto fd = ring->ring_.ring_fd;
    auto limited = limit(fd);
    if (limited == -EBUSY) limited = 0;
    if (limited == 0)
        limited =
            io_uring_register(static_cast<unsigned>(fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (limited < 0)
        return tl::unexpected(os_failure(
            -limited, "io_uring can't be limited to the operations that Zonebridge needs"));
    ring->wake_event_ = make_event_fd();
    if (!ring->wake_event_) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    if (auto watched = ring->watch(ring->wake_event_.get(), ring->waker_); !watched)
        return tl::unexpected(watched.error());
    ring->polled_ = use == Use::polled;
    if (ring->polled_) ring->prepare_poll();
    return ring;
}

Ring::Ring(Private) {}

Ring::~Ring() {
    if (made_) io_uring_queue_exit(&ring_);
}

io_uring_sqe* Ring::next_entry() noexcept {
    announce();
    if (auto* entry = io_uring_get_sqe(&ring_)) return entry;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
}

io_uring_sqe* Ring::prepare(Completer& operation) noexcept {
    auto* entry = next_entry();
    // Only commands use all 128 bytes of the entry; the prep functions clear the first 64.
    if (entry != nullptr) entry->user_data = reinterpret_cast<std::uintptr_t>(&operation);
    return entry;
}

io_uring_sqe* Ring::prepare_unanswered() noexcept {
    auto* entry = next_entry();
    if (entry != nullptr) entry->user_data = 0;
    return entry;
}

void Ring::arm(Watch& watch) noexcept {
    auto* entry = next_entry();
    if (entry == nullptr) return;
    io_uring_prep_poll_multishot(entry, watch.fd(), POLLIN);
    io_uring_sqe_set_data(entry, static_cast<Completer*>(&watch));
    watch.set_armed();
}

tl::expected<void, Error> Ring::watch(int fd, Watcher& watcher) {
    std::erase_if(watches_, [](const auto& old) { return !old->live() && !old->armed(); });
    watches_.push_back(std::make_unique<Watch>(*this, fd, watcher));
    arm(*watches_.back());
    if (watches_.back()->armed()) return {};
    watches_.pop_back();
    return tl::unexpected(os_failure(EBUSY, fmt::format("io_uring can't watch fd {}", fd)));
}

void Ring::unwatch(int fd) noexcept {
    for (const auto& watch : watches_) {
        if (watch->fd() != fd || !watch->live()) continue;
        watch->retire();
        if (!watch->armed()) return;
        if (auto* entry = next_entry()) {
            io_uring_prep_poll_remove(
                entry, reinterpret_cast<std::uintptr_t>(static_cast<Completer*>(watch.get())));
            entry->user_data = 0;
            // The caller may close the fd next; the kernel must release it first.
            io_uring_submit(&ring_);
        }
        return;
    }
}

void Ring::add_issuer(Issuer& issuer) {
    issuers_.push_back(&issuer);
}

void Ring::remove_issuer(Issuer& issuer) noexcept {
    std::erase(issuers_, &issuer);
}

void Ring::post(std::function<void()> call) {
    if (posted_.post(std::move(call))) wake();
}

void Ring::wake() noexcept {
    // The counter is never read: every write triggers the poll again, and it can't overflow in
    // practice.
    signal_event(wake_event_);
}

std::optional<int> Ring::fd() const noexcept {
    if (!polled_) return std::nullopt;
    return ring_.ring_fd;
}

/// The kernel shows the ring's descriptor as readable for completions, never for what this side keeps:
/// that becomes a completion, too, of the eventfd's watch.
void Ring::make_readable() noexcept {
    if (!std::exchange(announced_, true)) wake();
}

/// Leaves nothing that only a turn would notice.
void Ring::prepare_poll() noexcept {
    // Not by a wake-up: the entry may be the watch that takes it.
    if (io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
    if (ready_ || queued_ || io_uring_sq_ready(&ring_) != 0) make_readable();
}

tl::expected<void, Error> Ring::turn(Wait wait) {
    ++turns_;
    announced_ = false;  // this turn takes the wake-up, or leaves the descriptor readable
    auto result = run_turn(wait);
    if (turns_ == 1 && polled_) prepare_poll();
    --turns_;
    return result;
}

tl::expected<void, Error> Ring::run_turn(Wait wait) {
    for (std::size_t i = 0; i < issuers_.size(); ++i) issuers_[i]->issue();
    queued_ = false;

    // In a nested turn, the outer turn may have taken calls, or only their wake-up.
    const bool dry = !ready_ && !woken_ && !posted_.has_taken() && io_uring_cq_ready(&ring_) == 0;
    int result = 0;
    if (dry && wait == Wait::sleep)
        result = io_uring_submit_and_wait(&ring_, 1);
    else if (io_uring_sq_ready(&ring_) != 0 || (IO_URING_READ_ONCE(*ring_.sq.kflags) &
                                                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
        result = io_uring_submit_and_get_events(&ring_);
    // A signal, or completions to be reaped before more is accepted: the next turn resolves both.
    if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN && result != -ETIME)
        return tl::unexpected(os_failure(-result, "io_uring failed"));

    ready_ = false;
    const bool completed = dispatch();
    // Cleared last: a call may have run a turn of its own.
    woken_ = false;
    came_ = posted_.run() || completed;
    dry_ = dry;
    return {};
}

bool Ring::dispatch() noexcept {
    // Only the present completions: those that they cause wait for the next turn.
    const auto found = io_uring_cq_ready(&ring_);
    for (auto count = found; count > 0; --count) {
        io_uring_cqe* entry = nullptr;
        if (io_uring_peek_cqe(&ring_, &entry) != 0 || entry == nullptr) break;
        auto* operation =
            reinterpret_cast<Completer*>(static_cast<std::uintptr_t>(entry->user_data));
        const Completer::Result copy{
            entry->res, entry->flags, {entry->big_cqe[0], entry->big_cqe[1]}};
        io_uring_cqe_seen(&ring_, entry);  // before the call: it may run a turn itself
        if (operation != nullptr) operation->complete(copy);
    }
    return found != 0;
}

tl::expected<std::unique_ptr<Loop>, Error> make_loop(Loop::Use use) {
    auto ring = Ring::create(512, use);
    if (!ring) return tl::unexpected(std::move(ring.error()));
    return std::unique_ptr<Loop>(std::move(*ring));
}

}  // namespace zonebridge
