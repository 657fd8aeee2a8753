// A file descriptor that closes itself, and eventfds, by which one thread wakes another.
//
// Threads: a UniqueFd belongs to one thread; several threads may hold a SharedFd. Any thread may
// signal or drain an event.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace zonebridge {

class UniqueFd {
  public:
    UniqueFd() = default;
    /// Takes ownership of `fd`; a negative number (the result of a failed call) makes an empty
    /// UniqueFd.
    explicit UniqueFd(int fd) noexcept {
        if (fd >= 0) fd_ = fd;
    }
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, std::nullopt)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, std::nullopt);
        }
        return *this;
    }
    ~UniqueFd() { close(); }

    [[nodiscard]] explicit operator bool() const noexcept { return fd_.has_value(); }
    /// The number for system calls; -1, which all of them refuse, if this is empty.
    [[nodiscard]] int get() const noexcept { return fd_.value_or(-1); }
    /// Passes ownership of the descriptor to the caller.
    [[nodiscard]] int release() noexcept {
        const int fd = get();
        fd_.reset();
        return fd;
    }
    void close() noexcept {
        if (fd_) ::close(*fd_);
        fd_.reset();
    }

  private:
    std::optional<int> fd_;
};

/// A descriptor with several holders, such as the control plane and a worker: it stays open until
/// the last holder drops it. Null if there is no descriptor.
using SharedFd = std::shared_ptr<const UniqueFd>;

/// A non-blocking eventfd; empty, with errno, if there are no descriptors or no memory for one.
[[nodiscard]] inline UniqueFd make_event_fd() noexcept {
    return UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/// Adds 1 to the eventfd (or writes those 8 bytes to a pipe); does nothing without a descriptor. A
/// full eventfd needs no write, since its reader is about to wake; other failures concern only the
/// reader.
inline void signal_event(const UniqueFd& fd) noexcept {
    const std::uint64_t one = 1;
    while (::write(fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}
inline void signal_event(const SharedFd& fd) noexcept {
    if (fd) signal_event(*fd);
}

/// Takes all signals so far: the descriptor is unreadable until the next one.
inline void drain_event(const UniqueFd& fd) noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(fd.get(), &count, sizeof count);
}

}  // namespace zonebridge
