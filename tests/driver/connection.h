// A front end's vhost-user socket: sends valid and invalid messages, and receives replies with a
// time limit.
//
// Ownership: owns the socket; borrows descriptors that are sent; the caller owns received ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace zonebridge::driver {

template <typename T>
using Result = tl::expected<T, std::string>;

/// The time limit of every wait in a test. Generous, for sanitizers and loaded machines.
inline constexpr std::chrono::milliseconds patience{20'000};

using Bytes = std::vector<std::byte>;

/// Appends integers in the machine's byte order, which the protocol uses.
template <typename Integer>
void put(Bytes& bytes, Integer value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <typename... Integers>
[[nodiscard]] Bytes pack(Integers... values) {
    Bytes bytes;
    (put(bytes, values), ...);
    return bytes;
}

struct Reply {
    std::uint32_t request = 0;
    std::uint32_t flags = 0;
    Bytes payload;
    std::vector<int> fds;  ///< The receiver closes them.

    /// The payload, which must be 64 bits.
    [[nodiscard]] Result<std::uint64_t> u64() const;
};

class Connection {
  public:
    [[nodiscard]] static Result<Connection> to(const std::string& path);
    explicit Connection(int fd) noexcept : fd_(fd) {}
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&& other) noexcept;
    ~Connection();

    /// Sends any bytes with any descriptors.
    [[nodiscard]] Result<void> send_raw(std::span<const std::byte> bytes,
                                        std::span<const int> fds = {}) const;
    /// Sends a message with the version flag and `flags`.
    [[nodiscard]] Result<void> send(std::uint32_t request, const Bytes& payload,
                                    std::span<const int> fds = {}, std::uint32_t flags = 0) const;
    /// The next message from the back end.
    [[nodiscard]] Result<Reply> receive(std::chrono::milliseconds limit = patience) const;
    /// Sends and receives; the reply must be to that request.
    [[nodiscard]] Result<Reply> ask(std::uint32_t request, const Bytes& payload = {},
                                    std::span<const int> fds = {}) const;
    /// Waits until the back end closes the connection; false if it does not in time.
    [[nodiscard]] bool closed(std::chrono::milliseconds limit = patience) const;
    void close() noexcept;

    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

}  // namespace zonebridge::driver
