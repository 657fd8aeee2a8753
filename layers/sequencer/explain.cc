// Why a read or a native append has failed, where the device's own word says little: many say no
// more than "input/output error". Nothing waits for the zone meanwhile but a sweep or a write.
#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Whether the node's answer now waits for a report of its zone.
bool SequencedQueue::explain(Node& node, Status failure) noexcept {
    if (failure.code != StatusCode::io_error || inner_ == nullptr || idle_carriers_.empty())
        return false;
    const auto operation = node.request.operation;
    if (operation != Operation::read && operation != Operation::append) return false;
    const auto& layout = limits().layout;
    const auto zone = layout.zone_of(node.request.offset);
    if (layout.is_conventional(zone)) return false;
    auto& carrier = *idle_carriers_.pop();
    ++busy_carriers_;
    carrier.line = &zones_.line(zone);
    carrier.nodes = {};
    carrier.nodes.push(node);
    carrier.failure = failure;
    report(carrier, operation == Operation::read ? Carrier::Step::explain_read
                                                 : Carrier::Step::explain_append);
    return true;
}

void SequencedQueue::append_explained(Carrier& carrier, bool known) noexcept {
    auto& node = *carrier.nodes.pop();
    auto status = carrier.failure;
    if (known) {
        const auto& zone = carrier.zone;
        const auto end = zone.start + limits().layout.capacity_of(zones_.index(*carrier.line));
        if (zone.state == ZoneState::full)
            status.code = StatusCode::zone_full;
        else if (zone.state == ZoneState::read_only)
            status.code = StatusCode::zone_read_only;
        else if (zone.state == ZoneState::offline)
            status.code = StatusCode::zone_offline;
        else if (zone.write_pointer && node.request.length > end - *zone.write_pointer)
            status.code = StatusCode::crosses_boundary;
    }
    put_down(carrier);
    end_append(node, status, 0);
}

/// A read over several zones looks at one after the other.
void SequencedQueue::read_explained(Carrier& carrier, bool known) noexcept {
    auto& node = *carrier.nodes.first;
    const auto& layout = limits().layout;
    const auto next = zones_.index(*carrier.line) + 1;
    const auto offline = known && carrier.zone.state == ZoneState::offline;
    if (known && !offline && next < layout.zone_count() && !layout.is_conventional(next) &&
        layout.start_of(next) < node.request.offset + node.request.length) {
        carrier.line = &zones_.line(next);
        return report(carrier, Carrier::Step::explain_read);
    }
    carrier.nodes.pop();
    auto status = carrier.failure;
    if (offline) status.code = StatusCode::zone_offline;
    put_down(carrier);
    finish(node, status, 0);
}

void SequencedQueue::put_down(Carrier& carrier) noexcept {
    carrier.line = nullptr;
    idle_carriers_.push(carrier);
    --busy_carriers_;
}

}  // namespace zonebridge::sequencer
