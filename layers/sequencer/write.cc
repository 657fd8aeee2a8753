// A zone's writes: what is joined into one, and what becomes of one that failed.
#include <algorithm>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Takes all that continues at the pointer and fits into one command. Under the line's lock; the
/// first of the waiting was judged to go.
void SequencedQueue::begin_write(Line& line, Carrier& carrier) noexcept {
    const auto& layout = limits().layout;
    const auto zone = zones_.index(line);
    const auto end = layout.start_of(zone) + layout.capacity_of(zone);
    const auto fua = line.waiting.first->request.fua;
    std::uint64_t length = 0;
    std::size_t segments = 0;
    std::span<const iovec> data;
    while (auto* node = line.waiting.first) {
        const auto& request = node->request;
        const auto write = request.operation == Operation::write;
        if (!write && (request.operation != Operation::append || native_append_)) break;
        if (request.fua != fua || request.length > end - line.pointer - length) break;
        if (write && request.offset != line.pointer + length) break;
        if (carrier.nodes.empty()) {
            data = request.data;
        } else {
            if (length + request.length > limits().max_transfer) break;
            if (segments + request.data.size() > join_segments_) break;
            if (zones_.blocks(zone, node->order)) break;
            if (data.data() != carrier.pieces) {
                std::copy(data.begin(), data.end(), carrier.pieces);
                data = {carrier.pieces, segments};
            }
            std::copy(request.data.begin(), request.data.end(), carrier.pieces + segments);
            data = {carrier.pieces, segments + request.data.size()};
        }
        length += request.length;
        segments += request.data.size();
        line.waiting.pop();
        node->waiting = false;
        carrier.nodes.push(*node);
    }
    line.confirmed = false;
    carrier.step = Carrier::Step::write;
    carrier.offset = line.pointer;
    carrier.length = length;
    Request request;
    request.operation = Operation::write;
    request.fua = fua;
    request.offset = line.pointer;
    request.length = length;
    request.data = data;
    send(request, tag_of(carrier));
}

void SequencedQueue::write_ended(Carrier& carrier, Status status) noexcept {
    auto& line = *carrier.line;
    if (!status.ok()) {
        carrier.failure = status;
        return report(carrier, Carrier::Step::explain_write);
    }
    for (auto at = carrier.offset; auto* node = carrier.nodes.pop();) {
        const auto length = node->request.length;
        finish(*node, {}, node->request.operation == Operation::append ? at : 0);
        at += length;
    }
    const auto& layout = limits().layout;
    const auto zone = zones_.index(line);
    line.pointer = carrier.offset + carrier.length;
    line.crowdings = 0;
    if (line.pointer == layout.start_of(zone) + layout.capacity_of(zone)) {
        line.known = Line::Known::full;
        line.opened = false;
    } else if (!line.opened) {
        line.opened = true;
        zones_.note_opened(line);
    }
    go_on(carrier);
}

/// The zone was reported after a write failed: what lies wholly below its pointer is there.
void SequencedQueue::settle_write(Carrier& carrier) noexcept {
    auto& line = *carrier.line;
    learn(line, carrier.zone);
    if (wait_for_room(carrier)) return;
    const auto& failure = carrier.failure;
    auto code = failure.code;
    auto reached = carrier.offset;
    switch (line.known) {
        case Line::Known::pointer:
            if (line.pointer < carrier.offset || line.pointer > carrier.offset + carrier.length)
                code = StatusCode::unaligned_write;
            else
                reached = line.pointer;
            break;
        case Line::Known::full:
            // Nothing tells how far it got: a device may also call a zone full that it gave up.
            code = StatusCode::zone_full;
            break;
        case Line::Known::read_only:
            code = StatusCode::zone_read_only;
            break;
        case Line::Known::offline:
            code = StatusCode::zone_offline;
            break;
        case Line::Known::nothing:
            break;
    }
    for (auto at = carrier.offset; auto* node = carrier.nodes.pop();) {
        const auto append = node->request.operation == Operation::append;
        const auto end = at + node->request.length;
        // Below the pointer is not yet durable.
        if (end <= reached && !node->request.fua)
            finish(*node, {}, append ? at : 0);
        else
            finish(*node, {code, failure.cause}, 0);
        at = end;
    }
    go_on(carrier);
}

}  // namespace zonebridge::sequencer
