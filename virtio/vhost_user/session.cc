#include "virtio/vhost_user/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <poll.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/vhost_user/discard.h"

namespace zonebridge::virtio {
namespace {

tl::expected<bool, std::string> accepted(tl::expected<void, std::string> result) {
    if (!result) return tl::unexpected(std::move(result.error()));
    return true;
}

/// "120", "0.5": seconds.
std::string words_of(std::chrono::milliseconds limit) {
    return fmt::format("{}", std::chrono::duration<double>(limit).count());
}

template <typename Payload>
std::span<const std::byte> bytes_of(const Payload& payload) noexcept {
    return std::as_bytes(std::span(&payload, 1));
}

}  // namespace

struct Session::Handlers {
    struct Row {
        Request request;
        std::size_t most_fds;  ///< The most descriptors that may come with the request.
        bool own_reply;        ///< The request has a reply, so that need_reply changes nothing.
        Outcome (*handle)(Session&, Message&);
    };
    [[nodiscard]] static const Row* find(Request request) noexcept;
};

const Session::Handlers::Row* Session::Handlers::find(Request request) noexcept {
    using S = Session;
    using M = Message;
    constexpr auto nothing_to_do = [](S&, M&) -> Outcome { return true; };
    static constexpr Row rows[] = {
        {Request::get_features, 0, true,
         [](S& s, M& m) { return accepted(s.reply_u64(m, s.negotiation_.offered())); }},
        {Request::set_features, 0, false, [](S& s, M& m) { return s.set_features(m); }},
        {Request::get_protocol_features, 0, true,
         [](S& s, M& m) { return accepted(s.reply_u64(m, protocol_feature::offered)); }},
        {Request::set_protocol_features, 0, false,
         [](S& s, M& m) { return accepted(s.negotiation_.set_protocol_features(m)); }},
        {Request::get_status, 0, true,
         [](S& s, M& m) { return accepted(s.reply_u64(m, s.negotiation_.status())); }},
        {Request::set_status, 0, false, [](S& s, M& m) { return accepted(s.set_status(m)); }},
        {Request::reset_device, 0, false,
         [](S& s, M&) { return accepted(s.reset_device(ResetCause::requested)); }},
        {Request::set_owner, 0, false, nothing_to_do},
        // Deprecated; acting on it is known to break front ends.
        {Request::reset_owner, 0, false, nothing_to_do},

        {Request::get_config, 0, true, [](S& s, M& m) { return accepted(s.get_config(m)); }},
        {Request::set_config, 0, false, [](S& s, M& m) { return s.set_config(m); }},
        {Request::set_backend_req_fd, 1, false,
         [](S& s, M& m) { return accepted(s.backend_channel_.open(m)); }},

        {Request::get_max_mem_slots, 0, true,
         [](S& s, M& m) { return accepted(s.reply_u64(m, GuestMemory::max_regions)); }},
        {Request::set_mem_table, max_table_regions, false,
         [](S& s, M& m) { return accepted(s.move_to(s.memory_.replaced_by(m))); }},
        {Request::add_mem_reg, 1, false,
         [](S& s, M& m) { return accepted(s.move_to(s.memory_.with(m))); }},
        {Request::rem_mem_reg, 1, false,
         [](S& s, M& m) { return accepted(s.move_to(s.memory_.without(m))); }},
        {Request::set_log_base, 1, true, [](S& s, M& m) { return accepted(s.set_log_base(m)); }},
        // Optional: the front end can read the log itself.
        {Request::set_log_fd, 1, false, nothing_to_do},
        {Request::get_inflight_fd, 0, true,
         [](S& s, M& m) { return accepted(s.get_inflight_fd(m)); }},
        {Request::set_inflight_fd, 1, false,
         [](S& s, M& m) { return accepted(s.memory_.set_record(m)); }},

        {Request::get_queue_num, 0, true,
         [](S& s, M& m) { return accepted(s.reply_u64(m, s.backend_.queue_count())); }},
        {Request::set_vring_num, 0, false,
         [](S& s, M& m) { return accepted(s.rings_.set_size(m)); }},
        {Request::set_vring_addr, 0, false,
         [](S& s, M& m) { return accepted(s.set_vring_addr(m)); }},
        {Request::get_vring_base, 0, true,
         [](S& s, M& m) { return accepted(s.get_vring_base(m)); }},
        {Request::set_vring_base, 0, false,
         [](S& s, M& m) { return accepted(s.rings_.set_base(m)); }},
        {Request::set_vring_kick, 1, false,
         [](S& s, M& m) { return accepted(s.rings_.set_kick(m, s.drained_by_)); }},
        {Request::set_vring_call, 1, false,
         [](S& s, M& m) { return accepted(s.rings_.set_call(m)); }},
        {Request::set_vring_err, 1, false,
         [](S& s, M& m) { return accepted(s.rings_.set_error(m)); }},
        {Request::set_vring_enable, 0, false,
         [](S& s, M& m) { return accepted(s.rings_.enable(m)); }},
    };
    const auto* const row = std::find_if(std::begin(rows), std::end(rows),
                                         [&](const Row& one) { return one.request == request; });
    return row == std::end(rows) ? nullptr : row;
}

Session::Session(Channel channel, Backend& backend, SessionOptions options)
    : channel_(std::move(channel)),
      backend_(backend),
      drain_(options.drain),
      first_message_(options.first_message),
      negotiation_(backend),
      memory_(backend),
      rings_(backend, negotiation_, memory_) {}

Session::~Session() {
    end();
}

tl::expected<std::unique_ptr<Session>, std::string> Session::over(UniqueFd socket, Backend& backend,
                                                                  SessionOptions options) {
    auto channel = Channel::over(std::move(socket), options.patience);
    if (!channel) return tl::unexpected(std::move(channel.error()));
    struct Access : Session {
        Access(Channel channel, Backend& backend, SessionOptions options)
            : Session(std::move(channel), backend, options) {}
    };
    return std::make_unique<Access>(std::move(*channel), backend, options);
}

SessionEnd Session::run(std::optional<int> stop, Bystander* other) {
    stop_ = stop;
    if (first_message_) silent_until_ = Clock::now() + *first_message_;
    for (;;) {
        bool more = false;
        if (auto ended = step(more)) return std::move(*ended);

        int timeout = more ? 0 : -1;
        if (const auto next = due(); next && !more) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(*next - Clock::now());
            timeout = static_cast<int>(
                std::clamp<std::int64_t>(left.count() + 1, 0, std::numeric_limits<int>::max()));
        }
        const auto others = other != nullptr ? other->fd() : std::nullopt;
        std::array<pollfd, 4> waits{{{channel_.fd(), POLLIN, 0},
                                     {stop.value_or(-1), POLLIN, 0},
                                     {backend_.event_fd().value_or(-1), POLLIN, 0},
                                     {others.value_or(-1), POLLIN, 0}}};
        if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR)
            return finish(SessionEnd::Reason::failed,
                          fmt::format("cannot wait for the front end: {}", std::strerror(errno)));
        if (waits[1].revents != 0) return finish(SessionEnd::Reason::stopped, {});
        // First see whether this front end has left: then the other one is not a second.
        if (waits[3].revents != 0 && waits[0].revents == 0) other->on_ready();
    }
}

std::optional<Session::Clock::time_point> Session::due() const noexcept {
    const auto message = channel_.due();
    if (!message || !silent_until_) return message ? message : silent_until_;
    return std::min(*message, *silent_until_);
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
            if (silent_until_ && Clock::now() >= *silent_until_)
                return finish(SessionEnd::Reason::failed,
                              fmt::format("the front end sent no message within {} s",
                                          words_of(*first_message_)));
            return std::nullopt;
        case Channel::Progress::message:
            break;
    }
    more = true;
    Message message = channel_.take();
    const auto handled = handle(message);
    const auto type = message.header.request;
    if (!discard(std::move(message.fds)) && handled)
        return finish(
            SessionEnd::Reason::failed,
            fmt::format("a file descriptor that came with message {} does not close", type));
    if (!handled) return finish(SessionEnd::Reason::failed, handled.error());
    silent_until_.reset();
    if (memory_.guest().broken())
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
    if (!rings_.undrained() && !memory_.undrained()) drained_by_ = Clock::now() + drain_;
    (void)reset_device(ResetCause::session_end);
    // Last: a front end that sees the close may reuse its memory.
    auto fds = channel_.end();
    fds.push_back(backend_channel_.end());
    (void)discard(std::move(fds));
}

Session::Result Session::drain_events() {
    constexpr auto needed = protocol_feature::backend_req | protocol_feature::config;
    while (auto event = backend_.take_event()) {
        switch (event->kind) {
            case BackendEvent::Kind::fault:
                return tl::unexpected(std::move(event->text));
            case BackendEvent::Kind::config_changed:
                if (negotiation_.has_protocol(needed)) backend_channel_.send_config_change();
                break;
        }
    }
    return {};
}

Session::Result Session::handle(Message& message) {
    drained_by_ = Clock::now() + drain_;
    const auto request = parse_request(message.header.request);
    const auto* const row = request ? Handlers::find(*request) : nullptr;
    if (row == nullptr)
        return tl::unexpected(
            fmt::format("message {} is not known to this back end", message.header.request));
    const auto named = [&](const std::string& why) {
        return tl::unexpected(fmt::format("{}: {}", to_string(row->request), why));
    };
    if ((message.header.flags & MessageHeader::reply) != 0)
        return named("is marked as a reply, but this back end asked nothing");
    const bool acknowledge = message.wants_reply() && !row->own_reply;

    const Outcome result =
        message.fds.size() > row->most_fds
            ? tl::unexpected(fmt::format("came with {} file descriptors, but takes at most {}",
                                         message.fds.size(), row->most_fds))
            : row->handle(*this, message);
    // Checked only now: this message may be the SET_PROTOCOL_FEATURES that enables reply_ack.
    if (acknowledge && negotiation_.has_protocol(protocol_feature::reply_ack)) {
        auto replied = reply_u64(message, result && *result ? 0 : 1);
        if (result && !replied) return named(replied.error());
    }
    if (!result) return named(result.error());
    return {};
}

Session::Result Session::reply(const Message& to, std::span<const std::byte> payload,
                               std::optional<int> fd) {
    const MessageHeader header{.request = to.header.request,
                               .flags = MessageHeader::version | MessageHeader::reply,
                               .size = static_cast<std::uint32_t>(payload.size())};
    return channel_.send(header, payload, fd, stop_);
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

Session::Outcome Session::set_config(const Message& message) {
    const auto access = parse_config(message.payload);
    if (!access) return tl::unexpected(std::string("its payload is inconsistent"));
    if (access->header.offset > max_config_size - access->header.size) return false;
    return backend_.write_config(access->header.offset, access->bytes,
                                 (access->header.flags & ConfigHeader::flag_migration) != 0);
}

Session::Outcome Session::set_features(const Message& message) {
    const auto features = negotiation_.features_of(message);
    if (!features) return tl::unexpected(features.error());
    if (negotiation_.changes_device(*features))
        if (auto stopped = rings_.suspend_all(drained_by_); !stopped)
            return tl::unexpected(std::move(stopped.error()));
    if (!negotiation_.accept(*features)) return false;
    // A front end without SET_VRING_ENABLE will never send it.
    if ((*features & feature::protocol_features) == 0) rings_.enable_all();
    if (auto logged = update_log(); !logged) return tl::unexpected(std::move(logged.error()));
    return accepted(rings_.start_ready());
}

Session::Result Session::set_status(const Message& message) {
    const auto resets = negotiation_.set_status(message);
    if (!resets) return tl::unexpected(resets.error());
    return *resets ? reset_device(ResetCause::status) : Result();
}

Session::Result Session::set_log_base(const Message& message) {
    const bool by_file = negotiation_.has_protocol(protocol_feature::log_shmfd);
    if (auto set = memory_.set_log(message, by_file); !set) return set;
    if (auto updated = update_log(); !updated) return updated;
    return reply_u64(message, 0);
}

Session::Result Session::get_inflight_fd(const Message& message) {
    const auto record = memory_.make_record(message);
    if (!record) return tl::unexpected(record.error());
    return reply(message, record->payload, record->fd.get());
}

Session::Result Session::set_vring_addr(const Message& message) {
    const auto ring = rings_.place(message, drained_by_);
    if (!ring) return tl::unexpected(ring.error());
    if (auto logged = update_log(); !logged) return logged;
    return rings_.start(*ring);
}

Session::Result Session::get_vring_base(const Message& message) {
    const auto base = rings_.take_base(message, drained_by_);
    if (!base) return tl::unexpected(base.error());
    return reply(message, bytes_of(*base));
}

Session::Result Session::move_to(tl::expected<GuestMemory::Table, std::string> table) {
    if (!table) return tl::unexpected(std::move(table.error()));
    // A front end may remove a region that holds rings and add it again in another shape while the
    // guest runs: QEMU does when firmware changes the mapping of low memory.
    if (auto left = rings_.suspend_outside(**table, drained_by_); !left) return left;
    if (auto moved = memory_.move_to(std::move(*table), drained_by_); !moved) return moved;
    if (auto logged = update_log(); !logged) return logged;
    return rings_.start_ready();
}

Session::Result Session::update_log() {
    return memory_.update_log(negotiation_.wants_log(), rings_.used_logs());
}

Session::Result Session::reset_device(ResetCause cause) {
    auto drained = rings_.stop_all(drained_by_);
    // The session's end calls this function once more.
    if (!drained && cause != ResetCause::session_end) return drained;
    rings_.forget();
    negotiation_.reset();
    (void)update_log();  // can't fail: nothing is logged without accepted features
    if (cause == ResetCause::session_end) memory_.release(drained_by_);
    backend_.reset(cause);
    return drained;
}

}  // namespace zonebridge::virtio
