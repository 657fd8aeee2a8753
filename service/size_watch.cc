#include "service/size_watch.h"

#include <cerrno>
#include <poll.h>
#include <system_error>
#include <utility>

#include "base/thread.h"

namespace zonebridge::service {
namespace {

constexpr int between_looks = 2000;  // milliseconds

}  // namespace

tl::expected<std::unique_ptr<SizeWatch>, Error> SizeWatch::start(
    LunTable& luns, std::function<void(std::uint16_t lun)> resized) {
    auto made = std::make_unique<SizeWatch>(Private{}, luns, std::move(resized));
    if (!made->over_) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    try {
        made->thread_ = start_thread("zb-sizes", [&self = *made] { self.watch(); });
    } catch (const std::system_error& error) {
        return tl::unexpected(os_failure(error.code().value(), "can't start a thread"));
    }
    return made;
}

SizeWatch::SizeWatch(Private, LunTable& luns, std::function<void(std::uint16_t lun)> resized)
    : luns_(luns), resized_(std::move(resized)), over_(make_event_fd()) {}

SizeWatch::~SizeWatch() {
    if (!thread_.joinable()) return;
    signal_event(over_);
    thread_.join();
}

void SizeWatch::watch() const {
    pollfd over{over_.get(), POLLIN, 0};
    for (;;) {
        if (::poll(&over, 1, between_looks) > 0) return;
        luns_.look_at_sizes(resized_);
    }
}

}  // namespace zonebridge::service
