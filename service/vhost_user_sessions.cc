#include "service/vhost_user_sessions.h"

#include <string_view>
#include <utility>

#include "service/log.h"
#include "virtio/vhost_user/session.h"

namespace zonebridge::service {

tl::expected<void, Error> run_vhost_user_sessions(virtio::Listener& listener,
                                                  virtio::Backend& backend, int stop) {
    listener.set_log([](std::string_view line) { log("{}", line); });
    for (unsigned number = 1;; ++number) {
        auto socket = listener.accept(stop);
        if (!socket) return tl::unexpected(Error{StatusCode::io_error, socket.error(), {}});
        if (!*socket) return {};
        log("session {}: a front end connected", number);
        auto session = virtio::Session::over(std::move(**socket), backend);
        if (!session) {
            log("session {}: {}", number, session.error());
            continue;
        }
        const auto end = (*session)->run(stop);
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
