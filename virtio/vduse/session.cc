#include "virtio/vduse/session.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/ring.h"

namespace zonebridge::virtio::vduse {
namespace {

constexpr std::uint32_t block_device = 2;
// VIRTIO_BLK_F_CONFIG_WCE: the driver would write configuration space, which VDUSE does not
// support.
constexpr std::uint64_t block_config_wce = 1ull << 11;

std::uint64_t offered(const Backend& backend, std::uint32_t device_id) noexcept {
    auto features = backend.features() | feature::access_platform;
    if (device_id == block_device) features &= ~block_config_wce;
    return features;
}

std::optional<std::string> bad_options(const DeviceOptions& options, const Backend& backend) {
    if (auto bad = bad_name(options.name)) return bad;
    if (!std::has_single_bit(options.queue_size) || options.queue_size > backend.max_queue_size())
        return fmt::format(
            "{} is not a queue size for this device: it must be a power of two up to {}",
            options.queue_size, backend.max_queue_size());
    if (options.config.empty() || options.config.size() > Record::max_config)
        return fmt::format(
            "a configuration space of {} bytes is not allowed: it must have 1 to {} bytes",
            options.config.size(), Record::max_config);
    return std::nullopt;
}

}  // namespace

WaitLimits fitting(WaitLimits limits, std::chrono::seconds message_timeout) {
    if (message_timeout.count() == 0) return limits;
    // A message may arrive while the session waits between two messages, and then has to wait
    // itself.
    const std::chrono::milliseconds most = message_timeout;
    return {std::min(limits.message, most * 2 / 3), std::min(limits.between, most / 6)};
}

tl::expected<std::unique_ptr<Session>, std::string> Session::open(const DeviceOptions& options,
                                                                  Backend& backend, Log log) {
    if (auto bad = bad_options(options, backend)) return tl::unexpected(std::move(*bad));
    if (auto lacking = missing()) return tl::unexpected(std::move(*lacking));
    auto device = KernelDevice::open({.name = options.name,
                                      .device_id = options.device_id,
                                      .vendor_id = options.vendor_id,
                                      .features = offered(backend, options.device_id),
                                      .queues = backend.queue_count(),
                                      .queue_size = options.queue_size,
                                      .config = options.config},
                                     options.state_folder);
    if (!device) return tl::unexpected(std::move(device.error()));
    auto session =
        std::make_unique<Session>(std::move(*device), options.limits, backend, std::move(log));
    if (auto prepared = session->prepare(); !prepared) {
        if (!session->resumed()) (void)session->destroy();
        return tl::unexpected(std::move(prepared.error()));
    }
    return session;
}

Session::Session(KernelDevice device, WaitLimits limits, Backend& backend, Log log)
    : device_(std::move(device)),
      limits_(limits),
      backend_(backend),
      log_(log ? std::move(log) : [](std::string_view) {}),
      queues_(device_, backend, log_),
      to_resume_(device_.resumed()) {}

Session::~Session() {
    if (device_.gone()) return;
    queues_.begin_wait(limits_.message);
    (void)queues_.let_go(ResetCause::session_end);
}

SessionEnd Session::run(int stop) {
    using Reason = SessionEnd::Reason;
    if (device_.gone()) return {Reason::failed, "the device is gone"};
    limits_ = fitting(limits_, device_.message_timeout());
    std::vector<pollfd> waits;
    for (;;) {
        // Answer pending requests first: a reset that the last process did not answer comes before
        // the state that it resets.
        if (auto answered = answer_requests(); !answered)
            return {Reason::failed, std::move(answered.error())};
        queues_.begin_wait(limits_.between);
        if (std::exchange(to_resume_, false)) resume();
        take_events();

        waits.assign({{device_.node().fd(), POLLIN, 0},
                      {stop, POLLIN, 0},
                      {backend_.event_fd().value_or(-1), POLLIN, 0}});
        queues_.watch_kicks(waits);
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR)
            return {Reason::failed,
                    fmt::format("can't wait for the kernel: {}", std::strerror(errno))};
        if ((waits[0].revents & POLLERR) != 0)
            return {Reason::failed,
                    fmt::format("the kernel gave up on the VDUSE device {0}: an answer took longer "
                                "than /sys/class/vduse/{0}/msg_timeout allows (30 s). Take it off "
                                "the vDPA bus (vdpa dev del {0}) and serve it again",
                                device_.shape().name)};
        if (waits[1].revents != 0) return {Reason::stopped, {}};
        queues_.begin_wait(limits_.between);  // the wait may have been long
        queues_.take_kicks(std::span(waits).subspan(3));
    }
}

Session::Result Session::answer_requests() {
    for (;;) {
        const auto request = device_.node().next();
        if (!request) return tl::unexpected(request.error());
        if (!*request) return {};
        if (auto answered = answer(**request); !answered) return answered;
    }
}

Session::Result Session::answer(const vduse_dev_request& request) {
    vduse_dev_response response{};
    response.request_id = request.request_id;
    bool good = false;
    bool look_after = false;
    queues_.begin_wait(limits_.message);
    switch (request.type) {
        case VDUSE_GET_VQ_STATE:
            response.vq_state.index = request.vq_state.index;
            if (const auto base = queues_.hold(request.vq_state.index)) {
                response.vq_state.split.avail_index = *base;
                good = true;
            }
            break;
        case VDUSE_SET_STATUS:
            good = set_status(request.s.status);
            look_after = good && (request.s.status & device_status::driver_ok) != 0;
            break;
        case VDUSE_UPDATE_IOTLB:
            // Nothing runs, so nothing has to move: memory is mapped when a queue needs it.
            if (const auto mapped = queues_.has_driver() ? queues_.map_memory() : Result(); mapped)
                good = true;
            else
                log_(mapped.error());
            look_after = good;
            break;
        default:
            if (!std::exchange(unknown_logged_, true))
                log_(fmt::format("refused an unknown request of the kernel, of type {}",
                                 request.type));
            break;
    }
    response.result = good ? VDUSE_REQ_RESULT_OK : VDUSE_REQ_RESULT_FAILED;
    const auto put = device_.node().answer(response);
    if (!put) return tl::unexpected(put.error());
    if (!*put) log_("an answer came too late: the kernel does not wait for it any more");
    // Only after the answer: the driver gets no interrupt before the kernel knows that it is ready.
    if (look_after) queues_.look_at_all();
    return {};
}

bool Session::set_status(std::uint8_t status) {
    if (status == 0) return reset();
    // The next driver must not get a device that the disk may still write to. Linux does not check
    // whether its reset succeeded, but it checks FEATURES_OK.
    if (reset_due_ && !reset()) return false;
    if ((status & device_status::features_ok) != 0 && !queues_.has_driver() && !accept_features())
        return false;
    return (status & device_status::driver_ok) == 0 || !queues_.has_driver() || driver_ok();
}

bool Session::accept_features() {
    const auto accepted = device_.node().features();
    if (!accepted) {
        log_(accepted.error());
        return false;
    }
    const auto refuse = [&](std::string_view why) {
        log_(fmt::format("the driver is refused: {}", why));
        return false;
    };
    if ((*accepted & ~device_.shape().features) != 0)
        return refuse(fmt::format("the driver accepted features {:#x}, which were not offered",
                                  *accepted & ~device_.shape().features));
    if ((*accepted & feature::access_platform) == 0)
        return refuse(
            "the driver did not accept VIRTIO_F_ACCESS_PLATFORM, so the kernel would not translate "
            "its addresses");
    if ((*accepted & feature::version_1) == 0)
        return refuse(
            "the driver is a legacy driver, and VDUSE has only devices of VIRTIO_F_VERSION_1 (in "
            "QEMU, give disable-legacy=on)");
    const auto features = *accepted & ~feature::access_platform;
    if (const auto why = backend_.objection(features)) return refuse(*why);
    if (const auto set = backend_.set_features(features); !set) return refuse(set.error());
    queues_.attach_driver(features);
    return true;
}

bool Session::driver_ok() {
    // The kernel dropped the kick descriptors at the last reset.
    auto done = queues_.set_kicks();
    if (done) done = queues_.map_memory();
    if (!done) log_(done.error());
    return done.has_value();
}

void Session::resume() {
    if (queues_.has_driver()) return;  // a pending request set everything up
    if (!queues_.any_ready() || !accept_features()) return;
    log_("a driver is using the device; going on where the last process stopped");
    if (const auto mapped = queues_.map_memory(); !mapped) {
        log_(mapped.error());
        return;
    }
    // The driver may not have been notified of the last process's answers.
    queues_.interrupt_all();
    queues_.look_at_all();
}

void Session::take_events() {
    while (const auto event = backend_.take_event()) {
        switch (event->kind) {
            case BackendEvent::Kind::fault:
                // There is no connection to close. The device stops until its driver resets it.
                queues_.fault(event->text);
                break;
            case BackendEvent::Kind::config_changed:
                change_config();
                break;
        }
    }
}

void Session::change_config() {
    std::vector<std::byte> config(device_.shape().config.size());
    backend_.read_config(0, config);
    if (const auto set = device_.set_config(std::move(config)); !set) log_(set.error());
}

bool Session::reset() {
    if (auto gone = queues_.let_go(ResetCause::status); !gone) {
        reset_due_ = true;
        log_(
            fmt::format("the driver resets the device, and {}. The kernel is told that the reset "
                        "failed, and no driver gets the device before the disk gave them back",
                        gone.error()));
        return false;
    }
    reset_due_ = false;
    queues_.forget();
    if (const auto cleared = device_.clear_record(); !cleared) log_(cleared.error());
    return true;
}

Session::Result Session::destroy() {
    if (device_.gone()) return {};
    queues_.begin_wait(limits_.message);
    if (auto gone = queues_.let_go(ResetCause::session_end); !gone) log_(gone.error());
    auto destroyed = device_.destroy();
    if (destroyed || device_.gone()) return destroyed;
    to_resume_ = true;
    if (auto kicks = queues_.set_kicks(); !kicks)
        return tl::unexpected(destroyed.error() + "; " + kicks.error());
    return destroyed;
}

}  // namespace zonebridge::virtio::vduse
