// The two sockets of a vhost-user connection. A Channel receives the front end's messages with
// their descriptors, and sends replies; it waits for the peer no longer than a given patience. A
// BackendChannel tells the front end of events.
//
// Threads: both belong to one thread.
// Ownership: each owns its socket, and a Channel every descriptor received until the message is
// taken. Neither closes them itself before its end (virtio/vhost_user/discard.h).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/vhost_user/message.h"

namespace zonebridge::virtio {

struct Message {
    MessageHeader header;
    std::vector<std::byte> payload;
    std::vector<UniqueFd> fds;

    [[nodiscard]] bool wants_reply() const noexcept {
        return (header.flags & MessageHeader::need_reply) != 0;
    }
};

class Channel {
  public:
    using Clock = std::chrono::steady_clock;

    /// Takes over a connected socket and makes it non-blocking. `patience`: how long the peer may
    /// take to finish a message that it began, or to make room for a reply.
    [[nodiscard]] static tl::expected<Channel, std::string> over(
        UniqueFd socket, std::chrono::milliseconds patience);

    enum class Progress : std::uint8_t { message, more, closed };

    /// Reads available bytes, up to the end of one message; never blocks. message: call take().
    /// more: wait until the socket is readable. closed: the peer closed between two messages. Fails
    /// on a bad version, on a payload or a number of descriptors that no message has, on a close
    /// inside a message, on one that takes longer than the patience, and on socket errors.
    [[nodiscard]] tl::expected<Progress, std::string> receive();
    [[nodiscard]] Message take() noexcept;

    /// When to call receive() again for a message that has begun, although nothing more arrived.
    [[nodiscard]] std::optional<Clock::time_point> due() const noexcept;

    /// Sends one whole message; waits for room, but not once `stop` (if given) is readable.
    [[nodiscard]] tl::expected<void, std::string> send(const MessageHeader& header,
                                                       std::span<const std::byte> payload,
                                                       std::optional<int> fd,
                                                       std::optional<int> stop);

    /// Ends the connection, as the peer sees it, and returns what is to be closed: the socket, and
    /// the descriptors of a message that has begun.
    [[nodiscard]] std::vector<UniqueFd> end() noexcept;

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  private:
    Channel(UniqueFd socket, std::chrono::milliseconds patience) noexcept
        : socket_(std::move(socket)), patience_(patience) {}
    /// A message has begun and not ended.
    [[nodiscard]] bool in_message() const noexcept { return received_ != 0; }
    [[nodiscard]] tl::expected<std::size_t, std::string> receive_into(std::span<std::byte> out,
                                                                      bool& closed);

    UniqueFd socket_;
    std::chrono::milliseconds patience_;
    std::optional<Clock::time_point> began_;  // the wait for the rest of a message
    std::array<std::byte, sizeof(MessageHeader)> header_bytes_{};
    std::size_t received_ = 0;  // of header and payload together
    Message message_;
};

/// The channel of SET_BACKEND_REQ_FD, on which a back end sends requests of its own.
class BackendChannel {
  public:
    /// Takes the socket that came with SET_BACKEND_REQ_FD, and leaves the previous one there.
    [[nodiscard]] tl::expected<void, std::string> open(Message& message);
    /// The socket, to be closed; from here on nothing is sent.
    [[nodiscard]] UniqueFd end() noexcept { return std::move(socket_); }

    /// Tells the front end to read the configuration again; does nothing without a channel. Asks
    /// for no reply and never waits.
    void send_config_change() noexcept;

  private:
    UniqueFd socket_;
};

}  // namespace zonebridge::virtio
