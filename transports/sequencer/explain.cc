// Why a read or a native append has failed, where the device's own word says little: many say no
// more than "input/output error". Nothing waits for the zone meanwhile but a sweep or a write.
#include "transports/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Whether the node's answer now waits for a report of its zone.
bool SequencedQueue::explain(Node& node, Status failure) noexcept {
    if (failure.code != StatusCode::io_error || !channel_.device.is_open() ||
        channel_.commands.are_used_up())
        return false;
    const auto operation = node.request.operation;
    if (operation != Operation::read && operation != Operation::append) return false;
    const auto& layout = limits().layout;
    const auto zone = layout.zone_of(node.request.offset);
    if (layout.is_conventional(zone)) return false;
    auto& command = channel_.commands.take(zones_.line(zone));
    command.node = &node;
    command.failure = failure;
    channel_.report(command, operation == Operation::read ? Command::Step::explain_read
                                                          : Command::Step::explain_append);
    return true;
}

void SequencedQueue::append_explained(Command& command, bool known) noexcept {
    auto& node = *command.node;
    auto status = command.failure;
    if (known) {
        const auto& zone = command.zone;
        const auto end = zone.start + limits().layout.capacity_of(zones_.index(*command.line));
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

/// A read over several zones looks at one after the other.
void SequencedQueue::read_explained(Command& command, bool known) noexcept {
    auto& node = *command.node;
    const auto& layout = limits().layout;
    const auto next = zones_.index(*command.line) + 1;
    const auto offline = known && command.zone.state == ZoneState::offline;
    if (known && !offline && next < layout.zone_count() && !layout.is_conventional(next) &&
        layout.start_of(next) < node.request.offset + node.request.length) {
        command.line = &zones_.line(next);
        return channel_.report(command, Command::Step::explain_read);
    }
    auto status = command.failure;
    if (offline) status.code = StatusCode::zone_offline;
    channel_.commands.give_back(command);
    channel_.requests.finish(node, status, 0);
}

}  // namespace zonebridge::sequencer
