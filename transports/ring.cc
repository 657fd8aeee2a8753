#include "transports/ring.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

namespace zonebridge {

/// A multishot poll. Lives on after unwatch() until the kernel has let go of it.
class Ring::Watch final : public Ring::Operation {
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
        // An fd that cannot be polled any more would fail again at once, for ever: leave it be.
        if (!armed_ && result.value >= 0) ring_.arm(*this);
        watcher_->on_ready();
    }

  private:
    Ring& ring_;
    int fd_;
    Watcher* watcher_;
    bool armed_ = false;
};

tl::expected<std::unique_ptr<Ring>, Error> Ring::create(unsigned entries) {
    auto ring = std::make_unique<Ring>(Private{});
    io_uring_params params{};
    params.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER |
                   IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
                   IORING_SETUP_CLAMP;
    params.cq_entries = entries * 4;
    if (const int result = io_uring_queue_init_params(entries, &ring->ring_, &params); result < 0)
        return tl::unexpected(
            os_failure(-result,
                       "Zonebridge needs io_uring (Linux 6.1 or later, not disabled by the sysctl "
                       "kernel.io_uring_disabled or a container's seccomp filter), but io_uring "
                       "can't be set up"));
    ring->made_ = true;
    ring->wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd_ < 0) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    if (auto watched = ring->watch(ring->wake_fd_, ring->waker_); !watched)
        return tl::unexpected(watched.error());
    return ring;
}

Ring::Ring(Private) {}

Ring::~Ring() {
    if (made_) io_uring_queue_exit(&ring_);
    if (wake_fd_ >= 0) ::close(wake_fd_);
}

io_uring_sqe* Ring::next_entry() noexcept {
    if (auto* entry = io_uring_get_sqe(&ring_)) return entry;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
}

io_uring_sqe* Ring::prepare(Operation& operation) noexcept {
    auto* entry = next_entry();
    // Kernels read all 128 bytes only for commands; the prep functions clear the first 64.
    if (entry != nullptr) entry->user_data = reinterpret_cast<std::uintptr_t>(&operation);
    return entry;
}

void Ring::arm(Watch& watch) noexcept {
    auto* entry = next_entry();
    if (entry == nullptr) return;
    io_uring_prep_poll_multishot(entry, watch.fd(), POLLIN);
    io_uring_sqe_set_data(entry, static_cast<Operation*>(&watch));
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
                entry, reinterpret_cast<std::uintptr_t>(static_cast<Operation*>(watch.get())));
            entry->user_data = 0;
            // The caller may close the fd next; the kernel must let go of it first.
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
    bool first = false;
    {
        const std::lock_guard guard(posted_lock_);
        first = posted_.empty();
        posted_.push_back(std::move(call));
    }
    if (!first) return;
    // The counter is never read: every write wakes the poll anew, and it can't overflow in
    // practice.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

bool Ring::run_posted() {
    {
        const std::lock_guard guard(posted_lock_);
        if (posted_.empty()) return false;
        running_.swap(posted_);
    }
    // A call may run a turn itself, so the list it came from must not be touched by that turn.
    auto calls = std::move(running_);
    running_.clear();
    for (const auto& call : calls) call();
    calls.clear();
    if (running_.capacity() == 0) running_ = std::move(calls);
    return true;
}

tl::expected<void, Error> Ring::turn(Wait wait) {
    for (std::size_t i = 0; i < issuers_.size(); ++i) issuers_[i]->issue();

    const bool dry = !ready_ && io_uring_cq_ready(&ring_) == 0;
    int result = 0;
    if (dry && wait == Wait::sleep)
        result = io_uring_submit_and_wait(&ring_, 1);
    else if (io_uring_sq_ready(&ring_) != 0 || (IO_URING_READ_ONCE(*ring_.sq.kflags) &
                                                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
        result = io_uring_submit_and_get_events(&ring_);
    // A signal, or completions to be taken before more is accepted: both mend themselves next turn.
    if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN && result != -ETIME)
        return tl::unexpected(os_failure(-result, "io_uring failed"));

    ready_ = false;
    const bool completed = dispatch();
    // Set last: what was called may have run a turn of its own.
    came_ = run_posted() || completed;
    dry_ = dry;
    return {};
}

bool Ring::dispatch() noexcept {
    // Only what is there now: completions caused by these wait for the next turn.
    const auto found = io_uring_cq_ready(&ring_);
    for (auto count = found; count > 0; --count) {
        io_uring_cqe* entry = nullptr;
        if (io_uring_peek_cqe(&ring_, &entry) != 0 || entry == nullptr) break;
        auto* operation =
            reinterpret_cast<Operation*>(static_cast<std::uintptr_t>(entry->user_data));
        const Operation::Result copy{
            entry->res, entry->flags, {entry->big_cqe[0], entry->big_cqe[1]}};
        io_uring_cqe_seen(&ring_, entry);  // before the call: it may run a turn itself
        if (operation != nullptr) operation->complete(copy);
    }
    return found != 0;
}

}  // namespace zonebridge
