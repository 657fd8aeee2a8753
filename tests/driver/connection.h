// A vhost-user socket as a front end sees it: messages put together byte by byte, sound or not,
// and replies with a time limit.
//
// Threads: belongs to one thread.
// Ownership: owns the socket; descriptors to send are borrowed, received ones are handed out.
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

/// How long anything may take before a test gives up. Generous: sanitizers and loaded machines.
inline constexpr std::chrono::milliseconds patience{20'000};

using Bytes = std::vector<std::byte>;

/// Appends integers in the machine's own order, as the protocol wants.
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

    /// A 64-bit payload; fails if it is something else.
    [[nodiscard]] Result<std::uint64_t> u64() const;
};

class Connection {
  public:
    [[nodiscard]] static Result<Connection> to(const std::string& path);
    explicit Connection(int fd) noexcept : fd_(fd) {}
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&&) = delete;
    ~Connection();

    /// Any bytes with any descriptors.
    [[nodiscard]] Result<void> send_raw(std::span<const std::byte> bytes,
                                        std::span<const int> fds = {}) const;
    /// A message with the version flag and `flags`.
    [[nodiscard]] Result<void> send(std::uint32_t request, const Bytes& payload,
                                    std::span<const int> fds = {}, std::uint32_t flags = 0) const;
    /// The next message from the back end.
    [[nodiscard]] Result<Reply> receive(std::chrono::milliseconds limit = patience) const;
    /// send and receive; the reply has to be to that request.
    [[nodiscard]] Result<Reply> ask(std::uint32_t request, const Bytes& payload = {},
                                    std::span<const int> fds = {}) const;
    /// The back end hung up (waits for it).
    [[nodiscard]] bool closed(std::chrono::milliseconds limit = patience) const;
    void close() noexcept;

    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

}  // namespace zonebridge::driver
