#include "layers/sequencer/queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace zonebridge::sequencer {

tl::expected<std::unique_ptr<Queue>, Error> SequencedQueue::open(Loop& loop, Transport& device,
                                                                 const Limits& limits, Zones& zones,
                                                                 std::size_t depth) {
    auto event = make_event_fd();
    if (!event) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    auto queue =
        std::make_unique<SequencedQueue>(Private{}, loop, limits, device.limits().native_all, zones,
                                         std::max<std::size_t>(depth, 1), std::move(event));
    if (auto watched = loop.watch(queue->channel_.inbox.event_fd(), *queue); !watched)
        return tl::unexpected(watched.error());
    // Added before the device's queue adds its own issuer: requests issued here must reach the
    // kernel in the same turn.
    loop.add_issuer(*queue);
    auto inner = device.open_queue(loop, {.depth = Channel::most_in_device(queue->depth())});
    if (!inner) return tl::unexpected(std::move(inner.error()));
    queue->channel_.device.open(std::move(*inner));
    return queue;
}

SequencedQueue::SequencedQueue(Private, Loop& loop, const Limits& limits, ZoneActions native_all,
                               Zones& zones, std::size_t depth, UniqueFd event)
    : Queue(loop, limits, depth),
      channel_(limits, native_all, zones, depth, std::move(event)),
      passed_(channel_),
      order_(channel_, passed_),
      sweep_(channel_) {}

bool SequencedQueue::needs_order(const Request& request) const noexcept {
    switch (request.operation) {
        case Operation::write: {
            const auto& layout = limits().layout;
            return !layout.is_conventional(layout.zone_of(request.offset));
        }
        case Operation::append:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return true;
        case Operation::read:
        case Operation::flush:
        case Operation::report:
        case Operation::discard:  // never on a zone that has an order
        case Operation::write_zeroes:
            return false;
    }
    return false;
}

void SequencedQueue::accept(std::span<const Request> requests) noexcept {
    for (const auto& request : requests) {
        auto& node = *channel_.requests.take();  // there is a node for each request in flight
        if (needs_order(request)) {
            node.request = request;
            add(node);
        } else {
            passed_.send(node, request);
        }
    }
}

void SequencedQueue::add(Node& node) noexcept {
    const auto& layout = limits().layout;
    const auto& request = node.request;
    channel_.requests.note_ordered();
    const auto all = request.scope == Scope::all;
    node.zone = all ? 0 : layout.zone_of(request.offset);
    node.last_zone = node.zone;
    if (all)
        node.last_zone = layout.zone_count() - 1;
    else if (is_zone_action(request.operation))
        node.last_zone = layout.zone_of(request.offset + request.length - 1);
    if (all || node.last_zone != node.zone) return sweep_.add(node);
    order_.add(node);
}

void SequencedQueue::issue() noexcept {
    pump();
    channel_.lines.run_all([this](Line& line) { order_.run(line); });
    sweep_.run();
    hand_over();
    // No thread reaps a queue that is being closed: the loop may sleep on its completions.
    if ((channel_.requests.has_completions() && !channel_.closing) || channel_.lines.are_runnable())
        loop().note_ready();
}

std::size_t SequencedQueue::collect(std::span<Completion> out) noexcept {
    const auto came = pump();
    const auto count = channel_.requests.collect(out);
    if (channel_.requests.has_completions()) loop().note_ready();
    if (came && has_to_issue()) loop().note_queued();
    return count;
}

void SequencedQueue::on_ready() {
    empty_inbox();
    if (channel_.requests.has_completions()) loop().note_ready();
    if (has_to_issue()) loop().note_queued();
}

/// Whether the next issue() may find something that can go on.
bool SequencedQueue::has_to_issue() const noexcept {
    return !channel_.lines.empty() || channel_.device.has_unsent() || sweep_.is_pending();
}

/// Takes what came from the device and from other queues; whether anything did.
bool SequencedQueue::pump() noexcept {
    auto came = !channel_.inbox.is_empty();
    if (came) empty_inbox();
    while (channel_.device.in_device() != 0) {
        const auto count = channel_.device.reap(returned_);
        for (std::size_t i = 0; i < count; ++i) take_completion(returned_[i]);
        came = came || count != 0;
        if (count < returned_.size()) break;
    }
    return came;
}

void SequencedQueue::empty_inbox() noexcept {
    auto [nodes, lines] = channel_.inbox.take();
    while (auto* line = lines.pop()) channel_.lines.add(*line);
    while (auto* node = nodes.pop()) channel_.requests.give_back(*node);
}

void SequencedQueue::take_completion(const Completion& completion) noexcept {
    if (completion.tag == sweep_tag) return sweep_.completed(completion);
    if (auto* command = command_of(completion.tag)) return order_.completed(*command, completion);
    passed_.completed(node_of(completion.tag), completion);
}

/// Submits the collected requests; fails them if the device's queue was closed.
void SequencedQueue::hand_over() noexcept {
    if (channel_.device.is_open()) return channel_.device.flush();
    while (const auto tag = channel_.device.take_unsent())
        take_completion({*tag, {StatusCode::io_error, {}}, 0});
}

}  // namespace zonebridge::sequencer
