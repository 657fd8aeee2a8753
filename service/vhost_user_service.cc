#include "service/vhost_user_service.h"

#include <poll.h>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "service/log.h"
#include "virtio/vhost_user/discard.h"

namespace zonebridge::service {
namespace {

bool readable(int fd) noexcept {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0;
}

/// Closes a connection that gets no session: descriptors may wait in its queue.
void turn_away(UniqueFd socket) {
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(socket));
    (void)virtio::discard(std::move(fds));
}

}  // namespace

FrontEnds::~FrontEnds() {
    for (auto& socket : waiting_) turn_away(std::move(socket));
}

tl::expected<std::optional<UniqueFd>, std::string> FrontEnds::next(int stop) {
    if (failure_) return tl::unexpected(std::move(*failure_));
    if (waiting_.empty()) return listener_.accept(stop);
    if (readable(stop)) return std::nullopt;
    auto socket = std::move(waiting_.front());
    waiting_.pop_front();
    return socket;
}

std::optional<int> FrontEnds::fd() const noexcept {
    const auto full = second_ == SecondFrontEnd::waits && waiting_.size() >= most_waiting;
    if (listener_.single() || full || failure_ || listener_.resume_at()) return std::nullopt;
    return listener_.fd();
}

void FrontEnds::on_ready() {
    auto socket = listener_.accept_waiting();
    if (!socket) {
        failure_ = std::move(socket.error());
        return;
    }
    if (!*socket) return;
    switch (second_) {
        case SecondFrontEnd::waits:
            log("session {}: another front end connected: it waits until this session ends",
                session_);
            waiting_.push_back(std::move(**socket));
            break;
        case SecondFrontEnd::is_refused:
            log("session {}: another front end connected and was refused: this server serves one "
                "at a time",
                session_);
            turn_away(std::move(**socket));
            break;
    }
}

tl::expected<void, Error> run_sessions(virtio::Listener& listener, virtio::Backend& backend,
                                       const VhostUserOptions& options, int stop) {
    listener.set_log([](std::string_view line) { log("{}", line); });
    FrontEnds front_ends(listener, options.second);
    virtio::SessionOptions limits;
    limits.first_message = options.first_message;
    for (unsigned number = 1;; ++number) {
        auto socket = front_ends.next(stop);
        if (!socket) return tl::unexpected(Error{StatusCode::io_error, socket.error(), {}});
        if (!*socket) return {};
        log("session {}: a front end connected", number);
        front_ends.set_session(number);
        auto session = virtio::Session::over(std::move(**socket), backend, limits);
        if (!session) {
            log("session {}: {}", number, session.error());
            continue;
        }
        const auto end = (*session)->run(stop, &front_ends);
        session->reset();  // stops every ring before the end is logged
        switch (end.reason) {
            case virtio::SessionEnd::Reason::disconnected:
                log("session {}: the front end disconnected", number);
                break;
            case virtio::SessionEnd::Reason::stopped:
                log("session {}: ended, because the server was told to stop", number);
                break;
            case virtio::SessionEnd::Reason::failed:
                log("session {}: ended: {}", number, end.message);
                break;
        }
    }
}

}  // namespace zonebridge::service
