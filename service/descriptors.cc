#include "service/descriptors.h"

#include <cerrno>
#include <filesystem>
#include <sys/resource.h>
#include <system_error>

#include <fmt/format.h>

#include "service/control_socket.h"

namespace zonebridge::service {
namespace {

constexpr std::size_t control_queues = 3;  // of virtio-scsi, at most
constexpr std::size_t per_worker = 2;      // its ring, and what wakes it
// The sockets that listen, their locks, events between threads, signals.
constexpr std::size_t per_server = 16;
// The connection, the channel back, and the memory and record that come with one message.
constexpr std::size_t per_session = 32;
constexpr std::size_t per_queue = 4;  // what rings the driver's bell; kick, call and error

std::size_t open_descriptors() {
    std::error_code failed;
    std::size_t count = 0;
    for (std::filesystem::directory_iterator file("/proc/self/fd", failed), end;
         !failed && file != end; file.increment(failed))
        ++count;
    return count;
}

rlim_t descriptor_limit() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

}  // namespace

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);  // what is missing is said when it is needed
}

DescriptorBudget::DescriptorBudget(unsigned workers, std::uint16_t queues)
    : workers_(workers),
      fixed_(open_descriptors() + per_server + per_session + ControlLimits{}.connections +
             per_worker * workers + per_queue * (queues + control_queues)) {}

std::size_t DescriptorBudget::needed_for(std::size_t disks) const noexcept {
    constexpr std::size_t own = 8;
    constexpr std::size_t on_worker = 5;  // a queue, with its threads and events
    return fixed_ + disks * (own + on_worker * workers_);
}

tl::expected<void, Error> DescriptorBudget::check(std::size_t disks) const {
    const auto needed = needed_for(disks);
    const auto limit = descriptor_limit();
    if (needed <= limit) return {};
    return tl::unexpected(Error{
        StatusCode::io_error,
        fmt::format("this process may open {} files ('ulimit -n'), and {} disk{} with a front "
                    "end on all queues may need {}: raise the limit (systemd: LimitNOFILE=), "
                    "or serve fewer disks, or with fewer --queues or --workers",
                    limit, disks, disks == 1 ? "" : "s", needed),
        NativeCause::os_error(EMFILE)});
}

}  // namespace zonebridge::service
