// A file descriptor that closes itself.
//
// Threads: a value of one thread; SharedFd may be held by several.
// Ownership: owns its descriptor; release() gives it away.
#pragma once

#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

namespace zonebridge::virtio {

class UniqueFd {
  public:
    UniqueFd() = default;
    /// Takes over `fd`; a negative number (a failed call's result) makes an empty UniqueFd.
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
    /// The number for system calls; -1 if empty, which they all refuse.
    [[nodiscard]] int get() const noexcept { return fd_.value_or(-1); }
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

/// A descriptor that the control plane and a worker both hold: it stays open until both let go.
/// Null where there is none.
using SharedFd = std::shared_ptr<const UniqueFd>;

}  // namespace zonebridge::virtio
