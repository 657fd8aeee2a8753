#include "virtio/vhost_user/rings.h"

#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

tl::unexpected<std::string> no_queue(std::uint32_t index, std::size_t queues) {
    return tl::unexpected(
        fmt::format("there is no queue {}: this device has {} queues", index, queues));
}

struct RingFd {
    std::uint16_t index;
    SharedFd fd;  ///< Null: there is none.
};

/// SET_VRING_KICK, CALL and ERR.
tl::expected<RingFd, std::string> ring_fd(Message& message, Backend& backend, std::size_t queues) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
    if ((*value & ~(vring_fd::index_mask | vring_fd::no_fd)) != 0)
        return tl::unexpected(fmt::format("{:#x} is not a queue's index with a flag", *value));
    const auto index = static_cast<std::uint16_t>(*value & vring_fd::index_mask);
    if (index >= queues) return no_queue(index, queues);
    const bool none = (*value & vring_fd::no_fd) != 0;
    if (message.fds.size() != (none ? 0 : 1))
        return tl::unexpected(
            fmt::format("queue {}: {} file descriptors came with it", index, message.fds.size()));
    if (none) return RingFd{index, nullptr};
    if (!backend.is_eventfd(message.fds[0].get()))
        return tl::unexpected(
            fmt::format("queue {}: its file descriptor is not an eventfd", index));
    return RingFd{index, std::make_shared<const UniqueFd>(std::move(message.fds[0]))};
}

}  // namespace

tl::expected<VringState, std::string> Rings::state_of(const Message& message) const {
    const auto state = parse<VringState>(message.payload);
    if (!state) return tl::unexpected(std::string("its payload is not 8 bytes"));
    if (state->index >= rings_.size()) return no_queue(state->index, rings_.size());
    return *state;
}

Rings::Result Rings::set_size(const Message& message) {
    const auto state = state_of(message);
    if (!state) return tl::unexpected(state.error());
    Ring& ring = rings_[state->index];
    if (ring.running) return tl::unexpected(fmt::format("queue {} is running", state->index));
    if (state->number == 0 || state->number > backend_.max_queue_size() ||
        (state->number & (state->number - 1)) != 0)
        return tl::unexpected(
            fmt::format("queue {}: {} descriptors are not allowed: a ring has a power of two of "
                        "them, at most {}",
                        state->index, state->number, backend_.max_queue_size()));
    ring.size = static_cast<std::uint16_t>(state->number);
    return start_if_ready(static_cast<std::uint16_t>(state->index), false);
}

tl::expected<Rings::Placed, std::string> Rings::place(const Message& message, Deadline deadline) {
    const auto address = parse<VringAddress>(message.payload);
    if (!address) return tl::unexpected(std::string("its payload is not 40 bytes"));
    if (address->index >= rings_.size()) return no_queue(address->index, rings_.size());
    const auto index = static_cast<std::uint16_t>(address->index);
    Ring& ring = rings_[index];
    const RingAddresses addresses{address->descriptors, address->available, address->used};
    const bool moves = ring.running && ring.addresses != addresses;
    if (moves)
        if (auto stopped = stop(index, deadline); !stopped)
            return tl::unexpected(std::move(stopped.error()));
    ring.addresses = addresses;
    ring.used_log.reset();
    if ((address->flags & VringAddress::flag_log) != 0) ring.used_log = address->log;
    return Placed{index, moves};
}

Rings::Result Rings::set_base(const Message& message) {
    const auto state = state_of(message);
    if (!state) return tl::unexpected(state.error());
    if (rings_[state->index].running)
        return tl::unexpected(fmt::format("queue {} is running", state->index));
    if (state->number > 0xffff)
        return tl::unexpected(fmt::format("queue {}: {} is not an index of a split ring",
                                          state->index, state->number));
    rings_[state->index].base = static_cast<std::uint16_t>(state->number);
    return {};
}

tl::expected<VringState, std::string> Rings::take_base(const Message& message, Deadline deadline) {
    const auto state = state_of(message);
    if (!state) return state;
    Ring& ring = rings_[state->index];
    if (ring.running)
        if (auto stopped = stop(static_cast<std::uint16_t>(state->index), deadline); !stopped)
            return tl::unexpected(std::move(stopped.error()));
    ring.suspended = false;
    ring.kick_set = false;
    ring.kick.reset();
    return VringState{state->index, ring.base};
}

Rings::Result Rings::set_kick(Message& message, Deadline deadline) {
    auto kick = ring_fd(message, backend_, rings_.size());
    if (!kick) return tl::unexpected(std::move(kick.error()));
    Ring& ring = rings_[kick->index];
    const bool again = ring.running || ring.suspended;
    if (ring.running)
        if (auto stopped = stop(kick->index, deadline); !stopped) return stopped;
    ring.kick = std::move(kick->fd);
    ring.kick_set = true;
    return start_if_ready(kick->index, again);
}

Rings::Result Rings::set_call(Message& message) {
    auto call = ring_fd(message, backend_, rings_.size());
    if (!call) return tl::unexpected(std::move(call.error()));
    Ring& ring = rings_[call->index];
    ring.call = std::move(call->fd);
    if (ring.running) backend_.set_call(call->index, ring.call);
    return {};
}

Rings::Result Rings::set_error(Message& message) {
    auto error = ring_fd(message, backend_, rings_.size());
    if (!error) return tl::unexpected(std::move(error.error()));
    Ring& ring = rings_[error->index];
    ring.error = std::move(error->fd);
    if (ring.running) backend_.set_error(error->index, ring.error);
    return {};
}

Rings::Result Rings::enable(const Message& message) {
    const auto state = state_of(message);
    if (!state) return tl::unexpected(state.error());
    if (state->number > 1)
        return tl::unexpected(
            fmt::format("queue {}: {} is neither 0 nor 1", state->index, state->number));
    Ring& ring = rings_[state->index];
    const bool enabled = state->number == 1;
    if (std::exchange(ring.enabled, enabled) != enabled && ring.running)
        backend_.enable_queue(static_cast<std::uint16_t>(state->index), enabled);
    return {};
}

void Rings::enable_all() {
    for (std::uint16_t i = 0; i < rings_.size(); ++i)
        if (!std::exchange(rings_[i].enabled, true) && rings_[i].running)
            backend_.enable_queue(i, true);
}

Rings::Result Rings::suspend_all(Deadline deadline) {
    for (std::uint16_t i = 0; i < rings_.size(); ++i) {
        if (!rings_[i].running) continue;
        if (auto stopped = stop(i, deadline); !stopped) return stopped;
        rings_[i].suspended = true;
    }
    return {};
}

Rings::Result Rings::suspend_outside(const GuestMemory& memory, Deadline deadline) {
    for (std::uint16_t i = 0; i < rings_.size(); ++i) {
        if (!rings_[i].running) continue;
        auto ring = config(i);
        ring.inflight = nullptr;  // it keeps the record it was started with
        if (VirtQueue::check(memory, ring)) continue;
        if (auto stopped = stop(i, deadline); !stopped) return stopped;
        rings_[i].suspended = true;
    }
    return {};
}

Rings::Result Rings::start_ready() {
    // The kick of a chain that a suspended ring holds may have been consumed.
    for (std::uint16_t i = 0; i < rings_.size(); ++i)
        if (auto started = start_if_ready(i, rings_[i].suspended); !started) return started;
    return {};
}

Rings::Result Rings::stop_all(Deadline deadline) {
    Result first;
    for (std::uint16_t i = 0; i < rings_.size(); ++i) {
        if (!rings_[i].running) continue;
        if (auto stopped = stop(i, deadline); !stopped && first) first = std::move(stopped);
    }
    return first;
}

void Rings::forget() {
    for (Ring& ring : rings_) {
        // Keep the call descriptor: front ends set it once and not again after a reset.
        Ring fresh;
        fresh.call = std::move(ring.call);
        fresh.error = std::move(ring.error);
        ring = std::move(fresh);
    }
}

std::vector<std::optional<std::uint64_t>> Rings::used_logs() const {
    std::vector<std::optional<std::uint64_t>> logs;
    for (const Ring& ring : rings_) logs.push_back(ring.used_log);
    return logs;
}

VirtQueue::Config Rings::config(std::uint16_t index) const noexcept {
    const Ring& ring = rings_[index];
    return {.size = ring.size.value_or(0),
            .addresses = ring.addresses.value_or(RingAddresses{}),
            .base = ring.base,
            .features = negotiation_.accepted().value_or(0),
            .inflight = memory_.record().get(),
            .index = index};
}

Rings::Result Rings::start_if_ready(std::uint16_t index, bool look_at_once) {
    Ring& ring = rings_[index];
    if (ring.running || !ring.kick_set || !ring.size || !ring.addresses) return {};
    if (const auto& why = negotiation_.refusal())
        return tl::unexpected(
            fmt::format("queue {} was started with features that were refused: {}", index, *why));
    if (!negotiation_.accepted() || memory_.guest().region_count() == 0) return {};
    const auto wanted = config(index);
    if (auto good = VirtQueue::check(memory_.guest(), wanted); !good) {
        if (ring.suspended) return {};
        return good;
    }
    // An earlier back end may have consumed the kick of a chain that it did not take.
    const auto& record = memory_.record();
    const bool continued = record && !record->queue(index).fresh();
    const QueueSetup setup{.ring = wanted,
                           .inflight = record,
                           .kick = ring.kick,
                           .call = ring.call,
                           .error = ring.error,
                           .enabled = ring.enabled,
                           .look_at_once = look_at_once || continued,
                           .used_log = ring.used_log};
    if (auto started = backend_.start_queue(index, setup); !started) return started;
    ring.running = true;
    ring.suspended = false;
    return {};
}

Rings::Result Rings::stop(std::uint16_t index, Deadline deadline) {
    const auto base = backend_.stop_queue(index, deadline);
    if (!base) {
        undrained_ = true;
        return tl::unexpected(base.error());
    }
    rings_[index].base = *base;
    rings_[index].running = false;
    return {};
}

}  // namespace zonebridge::virtio
