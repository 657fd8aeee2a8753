// A file descriptor that closes itself.
//
// Threads: a value of one thread.
// Ownership: owns its descriptor; release() gives it away.
#pragma once

#include <unistd.h>
#include <utility>

namespace zonebridge {

class Descriptor {
  public:
    Descriptor() = default;
    /// Takes over an open one.
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (is_open()) ::close(fd_);
    }

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;  // as the kernel takes it for none
};

}  // namespace zonebridge
