#include "virtio/vhost_user/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/device_status.h"

namespace zonebridge::virtio {
namespace {

/// Requests with a reply of their own, so that need_reply changes nothing.
bool has_own_reply(Request request) noexcept {
    switch (request) {
        case Request::get_features:
        case Request::set_log_base:
        case Request::get_vring_base:
        case Request::get_protocol_features:
        case Request::get_queue_num:
        case Request::get_config:
        case Request::get_inflight_fd:
        case Request::get_max_mem_slots:
        case Request::get_status:
            return true;
        case Request::set_features:
        case Request::set_owner:
        case Request::reset_owner:
        case Request::set_mem_table:
        case Request::set_log_fd:
        case Request::set_vring_num:
        case Request::set_vring_addr:
        case Request::set_vring_base:
        case Request::set_vring_kick:
        case Request::set_vring_call:
        case Request::set_vring_err:
        case Request::set_protocol_features:
        case Request::set_vring_enable:
        case Request::set_backend_req_fd:
        case Request::set_config:
        case Request::set_inflight_fd:
        case Request::reset_device:
        case Request::add_mem_reg:
        case Request::rem_mem_reg:
        case Request::set_status:
            return false;
    }
    return false;
}

/// The most descriptors that may come with a request.
std::size_t most_fds(Request request) noexcept {
    if (request == Request::set_mem_table) return max_table_regions;
    const bool one = request == Request::set_log_base || request == Request::set_log_fd ||
                     request == Request::set_vring_kick || request == Request::set_vring_call ||
                     request == Request::set_vring_err || request == Request::set_backend_req_fd ||
                     request == Request::set_inflight_fd || request == Request::add_mem_reg ||
                     request == Request::rem_mem_reg;
    return one ? 1 : 0;
}

tl::expected<bool, std::string> accepted(tl::expected<void, std::string> result) {
    if (!result) return tl::unexpected(std::move(result.error()));
    return true;
}

template <typename Payload>
std::span<const std::byte> bytes_of(const Payload& payload) noexcept {
    return std::as_bytes(std::span(&payload, 1));
}

}  // namespace

Session::Session(Channel channel, Backend& backend, SessionOptions options)
    : channel_(std::move(channel)),
      backend_(backend),
      options_(options),
      queues_(backend.queue_count()),
      memory_(GuestMemory::none()) {}

Session::~Session() {
    end();
}

tl::expected<std::unique_ptr<Session>, std::string> Session::over(UniqueFd socket, Backend& backend,
                                                                  SessionOptions options) {
    auto channel = Channel::over(std::move(socket));
    if (!channel) return tl::unexpected(std::move(channel.error()));
    struct Access : Session {
        Access(Channel channel, Backend& backend, SessionOptions options)
            : Session(std::move(channel), backend, options) {}
    };
    return std::make_unique<Access>(std::move(*channel), backend, options);
}

SessionEnd Session::run(std::optional<int> stop) {
    stop_ = stop;
    for (;;) {
        bool more = false;
        if (auto ended = step(more)) return std::move(*ended);

        int timeout = more ? 0 : -1;
        if (!more && message_began_) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                *message_began_ + options_.patience - Clock::now());
            timeout = static_cast<int>(std::max<std::int64_t>(left.count() + 1, 0));
        }
        std::array<pollfd, 3> waits{{{channel_.fd(), POLLIN, 0},
                                     {stop.value_or(-1), POLLIN, 0},
                                     {backend_.event_fd().value_or(-1), POLLIN, 0}}};
        if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR)
            return finish(SessionEnd::Reason::failed,
                          fmt::format("cannot wait for the front end: {}", std::strerror(errno)));
        if (waits[1].revents != 0) return finish(SessionEnd::Reason::stopped, {});
    }
}

std::optional<SessionEnd> Session::step(bool& more) {
    more = false;
    if (auto events = drain_events(); !events)
        return finish(SessionEnd::Reason::failed, std::move(events.error()));
    const auto progress = channel_.receive();
    if (!progress) return finish(SessionEnd::Reason::failed, progress.error());
    switch (*progress) {
        case Channel::Progress::closed:
            return finish(SessionEnd::Reason::disconnected, {});
        case Channel::Progress::more:
            if (!channel_.in_message()) return std::nullopt;
            if (!message_began_) message_began_ = Clock::now();
            if (Clock::now() - *message_began_ >= options_.patience)
                return finish(SessionEnd::Reason::failed,
                              "the front end began a message and did not finish it");
            return std::nullopt;
        case Channel::Progress::message:
            break;
    }
    message_began_.reset();
    more = true;
    Message message = channel_.take();
    if (auto handled = handle(message); !handled)
        return finish(SessionEnd::Reason::failed, std::move(handled.error()));
    if (memory_->broken())
        return finish(SessionEnd::Reason::failed, "the front end truncated memory that it shares");
    return std::nullopt;
}

SessionEnd Session::finish(SessionEnd::Reason reason, std::string message) {
    end();
    return {reason, std::move(message)};
}

void Session::end() noexcept {
    if (std::exchange(ended_, true)) return;
    // Do not wait a second time if a drain timeout ended the session.
    if (!undrained_) drained_by_ = Clock::now() + options_.drain;
    (void)reset_device(ResetCause::session_end);
    // Last: a front end that sees the close may reuse its memory.
    backend_channel_.close();
    channel_.close();
}

Session::Result Session::drain_events() {
    while (auto event = backend_.take_event()) {
        switch (event->kind) {
            case BackendEvent::Kind::fault:
                return tl::unexpected(std::move(event->text));
            case BackendEvent::Kind::config_changed:
                notify_config_change();
                break;
        }
    }
    return {};
}

Session::Result Session::handle(Message& message) {
    drained_by_ = Clock::now() + options_.drain;
    const auto request = parse_request(message.header.request);
    if (!request)
        return tl::unexpected(
            fmt::format("message {} is not known to this back end", message.header.request));
    const auto named = [&](const std::string& why) {
        return tl::unexpected(fmt::format("{}: {}", to_string(*request), why));
    };
    if ((message.header.flags & MessageHeader::reply) != 0)
        return named("is marked as a reply, but this back end asked nothing");
    const bool acknowledge = message.wants_reply() && !has_own_reply(*request);

    tl::expected<bool, std::string> result =
        message.fds.size() > most_fds(*request)
            ? tl::unexpected(fmt::format("came with {} file descriptors, but takes at most {}",
                                         message.fds.size(), most_fds(*request)))
            : dispatch(*request, message);
    // Checked only now: this message may be the SET_PROTOCOL_FEATURES that enables reply_ack.
    if (acknowledge && (protocol_features_ & protocol_feature::reply_ack) != 0) {
        auto replied = reply_u64(message, result && *result ? 0 : 1);
        if (result && !replied) return named(replied.error());
    }
    if (!result) return named(result.error());
    return {};
}

tl::expected<bool, std::string> Session::dispatch(Request request, Message& message) {
    switch (request) {
        case Request::get_features:
        case Request::get_protocol_features:
        case Request::get_queue_num:
        case Request::get_max_mem_slots:
        case Request::get_status:
        case Request::get_config:
        case Request::get_vring_base:
        case Request::get_inflight_fd:
            return dispatch_query(request, message);
        case Request::set_owner:
        case Request::reset_owner:  // deprecated; acting on it is known to break front ends
        case Request::set_log_fd:   // optional: the front end can read the log itself
            return true;
        case Request::set_features:
            return set_features(message);
        case Request::set_protocol_features: {
            const auto value = parse<std::uint64_t>(message.payload);
            if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
            protocol_features_ = *value & protocol_feature::offered;
            return true;
        }
        case Request::set_mem_table:
            return accepted(set_mem_table(message));
        case Request::add_mem_reg:
            return accepted(add_mem_reg(message));
        case Request::rem_mem_reg:
            return accepted(rem_mem_reg(message));
        case Request::set_log_base:
            return accepted(set_log_base(message));
        case Request::set_inflight_fd:
            return accepted(set_inflight_fd(message));
        case Request::set_vring_num:
            return accepted(set_vring_num(message));
        case Request::set_vring_addr:
            return accepted(set_vring_addr(message));
        case Request::set_vring_base:
            return accepted(set_vring_base(message));
        case Request::set_vring_kick:
            return accepted(set_vring_kick(message));
        case Request::set_vring_call:
            return accepted(set_vring_call(message));
        case Request::set_vring_err:
            return accepted(set_vring_err(message));
        case Request::set_vring_enable:
            return accepted(set_vring_enable(message));
        case Request::set_backend_req_fd:
            return accepted(set_backend_req_fd(message));
        case Request::set_config:
            return set_config(message);
        case Request::set_status:
            return accepted(set_status(message));
        case Request::reset_device:
            return accepted(reset_device(ResetCause::requested));
    }
    return false;
}

tl::expected<bool, std::string> Session::dispatch_query(Request request, Message& message) {
    if (request == Request::get_features)
        return accepted(reply_u64(
            message, backend_.features() | feature::protocol_features | feature::log_all));
    if (request == Request::get_protocol_features)
        return accepted(reply_u64(message, protocol_feature::offered));
    if (request == Request::get_queue_num)
        return accepted(reply_u64(message, backend_.queue_count()));
    if (request == Request::get_max_mem_slots)
        return accepted(reply_u64(message, GuestMemory::max_regions));
    if (request == Request::get_status)
        return accepted(reply_u64(
            message, features_refused_ ? status_ & ~device_status::features_ok : status_));
    if (request == Request::get_config) return accepted(get_config(message));
    if (request == Request::get_vring_base) return accepted(get_vring_base(message));
    return accepted(get_inflight_fd(message));
}

Session::Result Session::reply(const Message& to, std::span<const std::byte> payload,
                               std::optional<int> fd) {
    const MessageHeader header{.request = to.header.request,
                               .flags = MessageHeader::version | MessageHeader::reply,
                               .size = static_cast<std::uint32_t>(payload.size())};
    return channel_.send(header, payload, fd, options_.patience, stop_);
}

Session::Result Session::reply_u64(const Message& to, std::uint64_t value) {
    return reply(to, bytes_of(value));
}

Session::Result Session::get_config(const Message& message) {
    ConfigHeader header;
    if (message.payload.size() < sizeof header)
        return tl::unexpected(std::string("its payload is shorter than its own header"));
    std::memcpy(&header, message.payload.data(), sizeof header);
    // An empty payload reports failure; the front end may go on without the answer.
    if (header.size > max_config_size) return reply(message, {});
    std::vector<std::byte> answer(sizeof header + header.size);
    std::memcpy(answer.data(), &header, sizeof header);
    backend_.read_config(header.offset, std::span(answer).subspan(sizeof header));
    return reply(message, answer);
}

tl::expected<bool, std::string> Session::set_config(const Message& message) {
    const auto access = parse_config(message.payload);
    if (!access) return tl::unexpected(std::string("its payload is inconsistent"));
    if (access->header.offset > max_config_size - access->header.size) return false;
    return backend_.write_config(access->header.offset, access->bytes,
                                 (access->header.flags & ConfigHeader::flag_migration) != 0);
}

Session::Result Session::set_backend_req_fd(Message& message) {
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    struct stat info {};
    if (::fstat(message.fds[0].get(), &info) != 0 || !S_ISSOCK(info.st_mode))
        return tl::unexpected(std::string("its file descriptor is not a socket"));
    backend_channel_ = std::move(message.fds[0]);
    return {};
}

void Session::notify_config_change() noexcept {
    constexpr auto needed = protocol_feature::backend_req | protocol_feature::config;
    if (ended_ || !backend_channel_ || (protocol_features_ & needed) != needed) return;
    const MessageHeader header{.request = static_cast<std::uint32_t>(BackendRequest::config_change),
                               .flags = MessageHeader::version,
                               .size = 0};
    // No reply is requested or awaited. A front end that lets this channel fill up has enough
    // pending messages to read the configuration again. A partly sent message would make the
    // channel useless.
    const ssize_t sent =
        ::send(backend_channel_.get(), &header, sizeof header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 && static_cast<std::size_t>(sent) != sizeof header) backend_channel_.close();
}

Session::Result Session::set_status(const Message& message) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value || *value > 0xff)
        return tl::unexpected(std::string("its payload is not a device status"));
    const auto before = std::exchange(status_, static_cast<std::uint8_t>(*value));
    if (status_ == 0 && before != 0) return reset_device(ResetCause::status);
    return {};
}

}  // namespace zonebridge::virtio
