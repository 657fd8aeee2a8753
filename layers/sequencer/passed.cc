#include "layers/sequencer/passed.h"

#include <utility>

namespace zonebridge::sequencer {

void PassedRequests::append(Line& line, Node& node) noexcept {
    ++line.appends;
    ++appends_;
    line.pointer.forget();
    if (channel_.requests.owns(node))
        node.use = Node::Use::appending;
    else
        others_appends_.push(node);
    channel_.device.pass(node.request, tag_of(node));
}

void PassedRequests::failed(Node& node, const Completion& completion) noexcept {
    if (explain(node, completion.status)) return;
    channel_.requests.finish(node, completion.status, completion.result);
}

void PassedRequests::append_completed(Node& node, const Completion& completion) noexcept {
    --appends_;
    if (!channel_.requests.owns(node)) others_appends_.remove(node);
    if (!completion.status.ok() && explain(node, completion.status)) return;
    end_append(node, completion.status, completion.result);
}

void PassedRequests::end_append(Node& node, Status status, std::uint64_t result) noexcept {
    {
        auto& line = channel_.zones.line(node.zone);
        const std::lock_guard guard(line.lock);
        if (--line.appends == 0) {
            if (line.state == Line::State::parked)
                channel_.lines.hand_on(line);
            else if (line.state == Line::State::idle && std::exchange(line.sweep_waits, false))
                channel_.zones.sweeps.wake_first();
        }
    }
    channel_.requests.finish(node, status, result);
}

// ---- Why a request failed.

/// Whether the request now waits for a report of its zone.
bool PassedRequests::explain(Node& node, Status failure) noexcept {
    if (failure.code != StatusCode::io_error || !channel_.device.is_open() ||
        channel_.commands.are_used_up())
        return false;
    const auto operation = node.request.operation;
    if (operation != Operation::read && operation != Operation::append) return false;
    const auto& layout = channel_.limits.layout;
    const auto zone = layout.zone_of(node.request.offset);
    if (layout.is_conventional(zone)) return false;
    auto& command = channel_.commands.take(channel_.zones.line(zone));
    command.node = &node;
    command.failure = failure;
    channel_.report(command, operation == Operation::read ? Command::Step::explain_read
                                                          : Command::Step::explain_append);
    return true;
}

void PassedRequests::explained(Command& command, const Completion& completion) noexcept {
    const auto is_known = !channel_.find_fault(command, completion);
    if (command.step == Command::Step::explain_read)
        read_explained(command, is_known);
    else
        append_explained(command, is_known);
}

void PassedRequests::append_explained(Command& command, bool is_known) noexcept {
    auto& node = *command.node;
    auto status = command.failure;
    if (is_known) {
        const auto& zone = command.zone;
        const auto end = channel_.zones.end_of(*command.line);
        if (zone.state == ZoneState::full)
            status.code = StatusCode::zone_full;
        else if (zone.state == ZoneState::read_only)
            status.code = StatusCode::zone_read_only;
        else if (zone.state == ZoneState::offline)
            status.code = StatusCode::zone_offline;
        else if (zone.write_pointer && node.request.length > end - *zone.write_pointer)
            status.code = StatusCode::crosses_boundary;
    }
    channel_.commands.give_back(command);
    end_append(node, status, 0);
}

/// For a read over several zones, one zone after the other is reported.
void PassedRequests::read_explained(Command& command, bool is_known) noexcept {
    auto& node = *command.node;
    const auto& layout = channel_.limits.layout;
    const auto next = channel_.zones.index(*command.line) + 1;
    const auto offline = is_known && command.zone.state == ZoneState::offline;
    if (is_known && !offline && next < layout.zone_count() && !layout.is_conventional(next) &&
        layout.start_of(next) < node.request.offset + node.request.length) {
        command.line = &channel_.zones.line(next);
        return channel_.report(command, Command::Step::explain_read);
    }
    auto status = command.failure;
    if (offline) status.code = StatusCode::zone_offline;
    channel_.commands.give_back(command);
    channel_.requests.finish(node, status, 0);
}

// ---- Closing the queue.

void PassedRequests::abandon(Status status) noexcept {
    const Completion lost{0, status, 0};
    while (!others_appends_.empty()) append_completed(*others_appends_.first, lost);
    for (auto& node : channel_.requests.all())
        if (node.use == Node::Use::appending) append_completed(node, lost);
}

}  // namespace zonebridge::sequencer
