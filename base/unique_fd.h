// A file descriptor that closes itself.
//
// Threads: a UniqueFd belongs to one thread; a SharedFd may be held by several.
#pragma once

#include <memory>
#include <optional>
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

}  // namespace zonebridge
