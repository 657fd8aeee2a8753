#include "virtio/vduse/live_session.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/device_status.h"
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

/// Makes the device, or finds one of the same shape (then true).
tl::expected<bool, std::string> make_or_find(const Control& control, Record& record,
                                             const Shape& shape) {
    auto made = control.create(shape);
    if (!made) return tl::unexpected(std::move(made.error()));
    if (!*made && record.fits(shape)) return true;
    if (!*made) {
        // The device has another or an unknown shape: destroy it if it is unused.
        auto ended = control.destroy(shape.name);
        if (!ended) return tl::unexpected(std::move(ended.error()));
        if (!*ended)
            return tl::unexpected(fmt::format(
                "there is a VDUSE device {0} already, and it was not made for this disk with these "
                "options. Choose another name; or, if nothing needs it, take it off the vDPA bus "
                "(vdpa dev del {0}) and try again",
                shape.name));
        made = control.create(shape);
        if (!made) return tl::unexpected(std::move(made.error()));
        if (!*made)
            return tl::unexpected(
                fmt::format("another process made the VDUSE device {} just now", shape.name));
    }
    if (auto written = record.write(shape); !written) {
        (void)control.destroy(shape.name);
        return tl::unexpected(std::move(written.error()));
    }
    return false;
}

/// How long the kernel waits for an answer; 0 if that can't be read, or for ever.
std::chrono::seconds message_timeout(const std::string& name) {
    std::ifstream file(fmt::format("/sys/class/vduse/{}/msg_timeout", name));
    unsigned seconds = 0;
    file >> seconds;
    return std::chrono::seconds{file ? seconds : 0};
}

}  // namespace

tl::expected<std::unique_ptr<Session>, std::string> Session::open(const DeviceOptions& options,
                                                                  Backend& backend, Log log) {
    if (auto bad = bad_options(options, backend)) return tl::unexpected(std::move(*bad));
    if (auto lacking = missing()) return tl::unexpected(std::move(*lacking));
    auto record = Record::open(options.state_folder, options.name);
    if (!record) return tl::unexpected(std::move(record.error()));
    auto control = Control::open();
    if (!control) return tl::unexpected(std::move(control.error()));
    const Shape shape{.name = options.name,
                      .device_id = options.device_id,
                      .vendor_id = options.vendor_id,
                      .features = offered(backend, options.device_id),
                      .queues = backend.queue_count(),
                      .queue_size = options.queue_size,
                      .config = options.config};
    auto resumed = make_or_find(*control, *record, shape);
    if (!resumed) return tl::unexpected(std::move(resumed.error()));
    // Remove a device that was made in vain.
    const auto give_up = [&](std::string why) {
        if (!*resumed && control->destroy(shape.name).value_or(false)) record->remove();
        return tl::unexpected(std::move(why));
    };
    auto node = Node::open(options.name);
    if (!node) return give_up(std::move(node.error()));
    auto inflight = record->area(shape);
    if (!inflight) return give_up(std::move(inflight.error()));
    auto session =
        std::make_unique<LiveSession>(LiveSession::Parts{.options = options,
                                                         .control = std::move(*control),
                                                         .record = std::move(*record),
                                                         .node = std::move(*node),
                                                         .inflight = std::move(*inflight),
                                                         .resumed = *resumed},
                                      shape, backend, std::move(log));
    if (auto prepared = session->prepare(); !prepared) {
        if (!*resumed) (void)session->destroy();
        return tl::unexpected(std::move(prepared.error()));
    }
    return session;
}

LiveSession::LiveSession(Parts parts, Shape shape, Backend& backend, Log log)
    : options_(std::move(parts.options)),
      shape_(std::move(shape)),
      control_(std::move(parts.control)),
      record_(std::move(parts.record)),
      node_(std::move(parts.node)),
      inflight_(std::move(parts.inflight)),
      backend_(backend),
      log_(log ? std::move(log) : [](std::string_view) {}),
      resumed_(parts.resumed),
      to_resume_(parts.resumed),
      queues_(shape_.queues),
      memory_(GuestMemory::none()) {
    shape_.config = options_.config;
}

LiveSession::~LiveSession() {
    if (!node_) return;
    drained_by_ = deadline(options_.limits.message);
    (void)let_go(ResetCause::session_end);
}

LiveSession::Result LiveSession::prepare() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        UniqueFd kick(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!kick)
            return tl::unexpected(fmt::format("can't make an eventfd: {}", std::strerror(errno)));
        queues_[i].kick = std::make_shared<const UniqueFd>(std::move(kick));
        if (auto set = node_->set_up_queue(i, shape_.queue_size); !set) return set;
    }
    return set_kicks();
}

LiveSession::Result LiveSession::set_kicks() {
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (auto set = node_->set_kick(i, queues_[i].kick->get()); !set) return set;
    return {};
}

SessionEnd LiveSession::run(int stop) {
    using Reason = SessionEnd::Reason;
    if (!node_) return {Reason::failed, "the device is gone"};
    options_.limits = fitting(options_.limits, message_timeout(shape_.name));
    std::vector<pollfd> waits;
    for (;;) {
        // Answer pending requests first: a reset that the last process did not answer comes before
        // the state that it resets.
        if (auto answered = answer_requests(); !answered)
            return {Reason::failed, std::move(answered.error())};
        drained_by_ = deadline(options_.limits.between);
        if (std::exchange(to_resume_, false)) resume();
        take_events();

        waits.assign({{node_->fd(), POLLIN, 0},
                      {stop, POLLIN, 0},
                      {backend_.event_fd().value_or(-1), POLLIN, 0}});
        for (const Queue& queue : queues_) {
            const bool ours = !queue.running && features_ && !faulty_;
            waits.push_back({ours ? queue.kick->get() : -1, POLLIN, 0});
        }
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR)
            return {Reason::failed,
                    fmt::format("can't wait for the kernel: {}", std::strerror(errno))};
        if ((waits[0].revents & POLLERR) != 0)
            return {Reason::failed,
                    fmt::format("the kernel gave up on the VDUSE device {0}: an answer took longer "
                                "than /sys/class/vduse/{0}/msg_timeout allows (30 s). Take it off "
                                "the vDPA bus (vdpa dev del {0}) and serve it again",
                                shape_.name)};
        if (waits[1].revents != 0) return {Reason::stopped, {}};
        drained_by_ = deadline(options_.limits.between);  // the wait may have been long
        take_kicks(std::span(waits).subspan(3));
    }
}

LiveSession::Result LiveSession::answer_requests() {
    for (;;) {
        const auto request = node_->next();
        if (!request) return tl::unexpected(request.error());
        if (!*request) return {};
        if (auto answered = answer(**request); !answered) return answered;
    }
}

LiveSession::Result LiveSession::answer(const vduse_dev_request& request) {
    vduse_dev_response response{};
    response.request_id = request.request_id;
    bool good = false;
    bool look_after = false;
    drained_by_ = deadline(options_.limits.message);
    switch (request.type) {
        case VDUSE_GET_VQ_STATE:
            response.vq_state.index = request.vq_state.index;
            if (const auto base = queue_state(request.vq_state.index)) {
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
            if (const auto mapped = features_ ? map_memory() : Result(); mapped)
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
    const auto put = node_->answer(response);
    if (!put) return tl::unexpected(put.error());
    if (!*put) log_("an answer came too late: the kernel does not wait for it any more");
    // Only after the answer: the driver gets no interrupt before the kernel knows that it is ready.
    if (look_after) look_at_all();
    return {};
}

bool LiveSession::set_status(std::uint8_t status) {
    if (status == 0) return reset();
    // The next driver must not get a device that the disk may still write to. Linux does not check
    // whether its reset succeeded, but it checks FEATURES_OK.
    if (reset_due_ && !reset()) return false;
    if ((status & device_status::features_ok) != 0 && !features_ && !accept_features())
        return false;
    return (status & device_status::driver_ok) == 0 || !features_ || driver_ok();
}

bool LiveSession::accept_features() {
    const auto accepted = node_->features();
    if (!accepted) {
        log_(accepted.error());
        return false;
    }
    const auto refuse = [&](std::string_view why) {
        log_(fmt::format("the driver is refused: {}", why));
        return false;
    };
    if ((*accepted & ~shape_.features) != 0)
        return refuse(fmt::format("the driver accepted features {:#x}, which were not offered",
                                  *accepted & ~shape_.features));
    if ((*accepted & feature::access_platform) == 0)
        return refuse(
            "the driver did not accept VIRTIO_F_ACCESS_PLATFORM, so the kernel would not translate "
            "its addresses");
    const auto features = *accepted & ~feature::access_platform;
    if (const auto why = backend_.objection(features)) return refuse(*why);
    if (const auto set = backend_.set_features(features); !set) return refuse(set.error());
    features_ = features;
    return true;
}

bool LiveSession::driver_ok() {
    // The kernel dropped the kick descriptors at the last reset.
    auto done = set_kicks();
    if (done) done = map_memory();
    if (!done) log_(done.error());
    return done.has_value();
}

std::optional<std::uint16_t> LiveSession::queue_state(std::uint32_t index) {
    if (index >= queues_.size()) return std::nullopt;
    auto& queue = queues_[index];
    queue.held = true;
    if (queue.running)
        if (auto stopped = stop(static_cast<std::uint16_t>(index)); !stopped) {
            log_(fmt::format("{}; the kernel is told that it could not be stopped",
                             stopped.error()));
            return std::nullopt;
        }
    const auto info = node_->queue(static_cast<std::uint16_t>(index));
    if (!info) return std::nullopt;
    if (queue.base && queue.given_base == info->split.avail_index) return queue.base;
    return info->split.avail_index;
}

void LiveSession::resume() {
    if (features_) return;  // a pending request set everything up
    bool ready = false;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        const auto info = node_->queue(i);
        ready = ready || (info && info->ready != 0);
    }
    if (!ready || !accept_features()) return;
    log_("a driver is using the device; going on where the last process stopped");
    if (const auto mapped = map_memory(); !mapped) {
        log_(mapped.error());
        return;
    }
    // The driver may not have been notified of the last process's answers.
    for (std::uint16_t i = 0; i < queues_.size(); ++i) (void)node_->interrupt(i);
    look_at_all();
}

void LiveSession::take_events() {
    while (const auto event = backend_.take_event()) {
        switch (event->kind) {
            case BackendEvent::Kind::fault:
                // There is no connection to close. The device stops until its driver resets it.
                fault(event->text);
                break;
            case BackendEvent::Kind::config_changed:
                backend_.read_config(0, options_.config);
                if (const auto set = node_->set_config(options_.config); !set) log_(set.error());
                break;
        }
    }
}

void LiveSession::take_kicks(std::span<const pollfd> waits) {
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (waits[i].revents == 0 || queues_[i].running) continue;
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(queues_[i].kick->get(), &count, sizeof count);
        queues_[i].held = false;
        look(i);
    }
}

bool LiveSession::reset() {
    if (auto gone = let_go(ResetCause::status); !gone) {
        reset_due_ = true;
        log_(
            fmt::format("the driver resets the device, and {}. The kernel is told that the reset "
                        "failed, and no driver gets the device before the disk gave them back",
                        gone.error()));
        return false;
    }
    reset_due_ = false;
    faulty_ = false;
    for (Queue& queue : queues_) {
        Queue fresh;
        fresh.kick = std::move(queue.kick);
        queue = std::move(fresh);
    }
    if (const auto cleared = record_.clear(shape_); !cleared) log_(cleared.error());
    return true;
}

/// Releases all the driver's resources, or returns an error.
LiveSession::Result LiveSession::let_go(ResetCause cause) {
    auto drained = stop_all();
    features_.reset();
    extents_.clear();
    memory_ = GuestMemory::none();
    // The backend keeps the old memory while requests use it.
    const auto moved = backend_.set_memory(memory_, drained_by_);
    if (drained) drained = moved;
    backend_.reset(cause);
    return drained;
}

LiveSession::Result LiveSession::destroy() {
    if (!node_) return {};
    drained_by_ = deadline(options_.limits.message);
    if (auto gone = let_go(ResetCause::session_end); !gone) log_(gone.error());
    node_.reset();
    auto ended = control_.destroy(shape_.name);
    if (ended && *ended) {
        record_.remove();
        return {};
    }
    auto why = ended ? fmt::format(
                           "the VDUSE device {0} is still on the vDPA bus; take it off first (vdpa "
                           "dev del {0})",
                           shape_.name)
                     : ended.error();
    auto again = Node::open(shape_.name);
    if (!again) return tl::unexpected(why + "; and it can't be served any more: " + again.error());
    node_ = std::move(*again);
    to_resume_ = true;
    if (auto kicks = set_kicks(); !kicks) return tl::unexpected(why + "; " + kicks.error());
    return tl::unexpected(std::move(why));
}

}  // namespace zonebridge::virtio::vduse
