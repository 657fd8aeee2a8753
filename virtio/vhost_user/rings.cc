// The session's queues: features, ring parameters, start and stop.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/vhost_user/session.h"

namespace zonebridge::virtio {
namespace {

/// Features that change how a ring is read. Acting on them by mistake would be dangerous, so a
/// driver that sets them without an offer is refused. Other unoffered features are dropped.
constexpr std::uint64_t ring_format =
    feature::access_platform | feature::ring_packed | feature::in_order;

struct RingFd {
    std::uint16_t index;
    SharedFd fd;  ///< Null: there is none.
};

/// SET_VRING_KICK, CALL and ERR.
tl::expected<RingFd, std::string> ring_fd(Message& message, std::size_t queues) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
    if ((*value & ~(vring_fd::index_mask | vring_fd::no_fd)) != 0)
        return tl::unexpected(fmt::format("{:#x} is not a queue's index with a flag", *value));
    const auto index = static_cast<std::uint16_t>(*value & vring_fd::index_mask);
    if (index >= queues)
        return tl::unexpected(
            fmt::format("there is no queue {}: this device has {} queues", index, queues));
    const bool none = (*value & vring_fd::no_fd) != 0;
    if (message.fds.size() != (none ? 0 : 1))
        return tl::unexpected(
            fmt::format("queue {}: {} file descriptors came with it", index, message.fds.size()));
    if (none) return RingFd{index, nullptr};

    UniqueFd fd = std::move(message.fds[0]);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0)
        return tl::unexpected(fmt::format("queue {}: {}", index, std::strerror(errno)));
    const auto type = info.st_mode & S_IFMT;
    // Eventfds have no file type. A regular file would always be readable and keep a worker busy.
    if (type != 0 && type != S_IFIFO && type != S_IFSOCK)
        return tl::unexpected(
            fmt::format("queue {}: its file descriptor is neither an eventfd nor a pipe", index));
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        return tl::unexpected(fmt::format("queue {}: {}", index, std::strerror(errno)));
    return RingFd{index, std::make_shared<const UniqueFd>(std::move(fd))};
}

}  // namespace

tl::expected<VringState, std::string> Session::ring_state(const Message& message) const {
    const auto state = parse<VringState>(message.payload);
    if (!state) return tl::unexpected(std::string("its payload is not 8 bytes"));
    if (state->index >= queues_.size())
        return tl::unexpected(fmt::format("there is no queue {}: this device has {} queues",
                                          state->index, queues_.size()));
    return *state;
}

tl::expected<bool, std::string> Session::set_features(const Message& message) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
    constexpr auto own = feature::protocol_features | feature::log_all;
    const std::uint64_t offered = backend_.features() | own;
    if ((*value & ~offered & ring_format) != 0)
        return tl::unexpected(
            fmt::format("features {:#x} were never offered", *value & ~offered & ring_format));
    const std::uint64_t features = *value & offered;

    bool taken = true;
    if (!features_ || (*features_ & ~own) != (features & ~own)) {
        for (std::uint16_t i = 0; i < queues_.size(); ++i) {
            if (!queues_[i].running) continue;
            if (auto stopped = stop(i); !stopped) return tl::unexpected(std::move(stopped.error()));
            queues_[i].suspended = true;  // look at the ring once when it goes on
        }
        taken = backend_.set_features(features & ~own).has_value();
    }
    features_refused_ = !taken;
    features_.reset();
    if (!taken) return false;
    features_ = features;
    if ((features & feature::protocol_features) == 0) {
        // A front end without SET_VRING_ENABLE will never send it.
        for (std::uint16_t i = 0; i < queues_.size(); ++i) {
            if (!std::exchange(queues_[i].enabled, true) && queues_[i].running)
                backend_.enable_queue(i, true);
        }
    }
    if (auto logged = update_log(); !logged) return tl::unexpected(std::move(logged.error()));
    for (std::uint16_t i = 0; i < queues_.size(); ++i)
        if (auto started = start_if_ready(i, queues_[i].suspended); !started)
            return tl::unexpected(std::move(started.error()));
    return true;
}

Session::Result Session::set_vring_num(const Message& message) {
    const auto state = ring_state(message);
    if (!state) return tl::unexpected(state.error());
    Queue& queue = queues_[state->index];
    if (queue.running) return tl::unexpected(fmt::format("queue {} is running", state->index));
    if (state->number == 0 || state->number > backend_.max_queue_size() ||
        (state->number & (state->number - 1)) != 0)
        return tl::unexpected(
            fmt::format("queue {}: {} descriptors are not allowed: a ring has a power of two of "
                        "them, at most {}",
                        state->index, state->number, backend_.max_queue_size()));
    queue.size = static_cast<std::uint16_t>(state->number);
    return start_if_ready(static_cast<std::uint16_t>(state->index), false);
}

Session::Result Session::set_vring_addr(const Message& message) {
    const auto address = parse<VringAddress>(message.payload);
    if (!address) return tl::unexpected(std::string("its payload is not 40 bytes"));
    if (address->index >= queues_.size())
        return tl::unexpected(fmt::format("there is no queue {}: this device has {} queues",
                                          address->index, queues_.size()));
    const auto index = static_cast<std::uint16_t>(address->index);
    Queue& queue = queues_[index];
    const RingAddresses addresses{address->descriptors, address->available, address->used};
    const bool moves = queue.running && queue.addresses != addresses;
    if (moves)
        if (auto stopped = stop(index); !stopped) return stopped;
    queue.addresses = addresses;
    queue.used_log.reset();
    if ((address->flags & VringAddress::flag_log) != 0) queue.used_log = address->log;
    if (auto logged = update_log(); !logged) return logged;
    return start_if_ready(index, moves);
}

Session::Result Session::set_vring_base(const Message& message) {
    const auto state = ring_state(message);
    if (!state) return tl::unexpected(state.error());
    if (queues_[state->index].running)
        return tl::unexpected(fmt::format("queue {} is running", state->index));
    if (state->number > 0xffff)
        return tl::unexpected(fmt::format("queue {}: {} is not an index of a split ring",
                                          state->index, state->number));
    queues_[state->index].base = static_cast<std::uint16_t>(state->number);
    return {};
}

Session::Result Session::get_vring_base(const Message& message) {
    const auto state = ring_state(message);
    if (!state) return tl::unexpected(state.error());
    Queue& queue = queues_[state->index];
    if (queue.running)
        if (auto stopped = stop(static_cast<std::uint16_t>(state->index)); !stopped) return stopped;
    queue.suspended = false;
    queue.kick_set = false;
    queue.kick.reset();
    const VringState answer{state->index, queue.base};
    return reply(message, std::as_bytes(std::span(&answer, 1)));
}

Session::Result Session::set_vring_kick(Message& message) {
    auto kick = ring_fd(message, queues_.size());
    if (!kick) return tl::unexpected(std::move(kick.error()));
    Queue& queue = queues_[kick->index];
    const bool again = queue.running || queue.suspended;
    if (queue.running)
        if (auto stopped = stop(kick->index); !stopped) return stopped;
    queue.kick = std::move(kick->fd);
    queue.kick_set = true;
    return start_if_ready(kick->index, again);
}

Session::Result Session::set_vring_call(Message& message) {
    auto call = ring_fd(message, queues_.size());
    if (!call) return tl::unexpected(std::move(call.error()));
    Queue& queue = queues_[call->index];
    queue.call = std::move(call->fd);
    if (queue.running) backend_.set_call(call->index, queue.call);
    return {};
}

Session::Result Session::set_vring_err(Message& message) {
    auto error = ring_fd(message, queues_.size());
    if (!error) return tl::unexpected(std::move(error.error()));
    Queue& queue = queues_[error->index];
    queue.error = std::move(error->fd);
    if (queue.running) backend_.set_error(error->index, queue.error);
    return {};
}

Session::Result Session::set_vring_enable(const Message& message) {
    const auto state = ring_state(message);
    if (!state) return tl::unexpected(state.error());
    if (state->number > 1)
        return tl::unexpected(
            fmt::format("queue {}: {} is neither 0 nor 1", state->index, state->number));
    Queue& queue = queues_[state->index];
    const bool enabled = state->number == 1;
    if (std::exchange(queue.enabled, enabled) != enabled && queue.running)
        backend_.enable_queue(static_cast<std::uint16_t>(state->index), enabled);
    return {};
}

VirtQueue::Config Session::ring_config(std::uint16_t index) const noexcept {
    const Queue& queue = queues_[index];
    return {.size = queue.size.value_or(0),
            .addresses = queue.addresses.value_or(RingAddresses{}),
            .base = queue.base,
            .features = features_.value_or(0),
            .inflight = inflight_.get(),
            .index = index};
}

Session::Result Session::start_if_ready(std::uint16_t index, bool look_at_once) {
    Queue& queue = queues_[index];
    if (queue.running || !queue.kick_set || !queue.size || !queue.addresses) return {};
    if (features_refused_)
        return tl::unexpected(
            fmt::format("queue {} was started with features that were refused", index));
    if (!features_ || memory_->region_count() == 0) return {};
    const auto config = ring_config(index);
    if (auto good = VirtQueue::check(*memory_, config); !good) {
        if (queue.suspended) return {};
        return good;
    }
    const QueueSetup setup{.ring = config,
                           .inflight = inflight_,
                           .kick = queue.kick,
                           .call = queue.call,
                           .error = queue.error,
                           .enabled = queue.enabled,
                           .look_at_once = look_at_once,
                           .used_log = queue.used_log};
    if (auto started = backend_.start_queue(index, setup); !started) return started;
    queue.running = true;
    queue.suspended = false;
    return {};
}

Session::Result Session::stop(std::uint16_t index) {
    const auto base = backend_.stop_queue(index, drained_by_);
    if (!base) {
        undrained_ = true;
        return tl::unexpected(base.error());
    }
    queues_[index].base = *base;
    queues_[index].running = false;
    return {};
}

Session::Result Session::reset_device(ResetCause cause) {
    Result drained;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        if (!queues_[i].running) continue;
        if (auto stopped = stop(i); !stopped && drained) drained = std::move(stopped);
    }
    // The session's end calls this function once more.
    if (!drained && cause != ResetCause::session_end) return drained;
    for (std::uint16_t i = 0; i < queues_.size(); ++i) {
        // Keep the call descriptor: front ends set it once and not again after a reset.
        Queue fresh;
        fresh.call = std::move(queues_[i].call);
        fresh.error = std::move(queues_[i].error);
        queues_[i] = std::move(fresh);
    }
    features_.reset();
    features_refused_ = false;
    status_ = 0;
    if (cause == ResetCause::session_end) {
        log_.reset();
        inflight_.reset();
    }
    if (log_in_use_) {
        backend_.set_log(nullptr, std::vector<std::optional<std::uint64_t>>(queues_.size()));
        log_in_use_ = false;
    }
    if (cause == ResetCause::session_end) {
        memory_ = GuestMemory::none();
        // An empty table can fail only if the back end can't release the old one, and the session
        // has ended anyway.
        (void)backend_.set_memory(memory_, drained_by_);
    }
    backend_.reset(cause);
    return drained;
}

}  // namespace zonebridge::virtio
