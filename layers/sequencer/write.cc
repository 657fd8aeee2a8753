// A zone's writes: what is joined into one, and what becomes of one that failed.
#include <algorithm>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Takes all that continues at the pointer and fits into one command. Under the line's lock; the
/// first of the waiting was judged to go.
void SequencedQueue::begin_write(Line& line, Command& command) noexcept {
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
        if (!write && (request.operation != Operation::append || channel_.native_append)) break;
        if (request.fua != fua || request.length > end - line.pointer - length) break;
        if (write && request.offset != line.pointer + length) break;
        if (command.nodes.empty()) {
            data = request.data;
        } else {
            if (length + request.length > limits().max_transfer) break;
            if (segments + request.data.size() > channel_.join_segments) break;
            if (zones_.sweeps.block(zone, node->order)) break;
            if (data.data() != command.pieces) {
                std::copy(data.begin(), data.end(), command.pieces);
                data = {command.pieces, segments};
            }
            std::copy(request.data.begin(), request.data.end(), command.pieces + segments);
            data = {command.pieces, segments + request.data.size()};
        }
        length += request.length;
        segments += request.data.size();
        line.waiting.pop();
        node->waiting = false;
        command.nodes.push(*node);
    }
    line.confirmed = false;
    command.step = Command::Step::write;
    command.offset = line.pointer;
    command.length = length;
    Request request;
    request.operation = Operation::write;
    request.fua = fua;
    request.offset = line.pointer;
    request.length = length;
    request.data = data;
    channel_.device.send(request, tag_of(command));
}

void SequencedQueue::write_ended(Command& command, Status status) noexcept {
    auto& line = *command.line;
    if (!status.ok()) {
        command.failure = status;
        return channel_.report(command, Command::Step::explain_write);
    }
    for (auto at = command.offset; auto* node = command.nodes.pop();) {
        const auto length = node->request.length;
        channel_.requests.finish(*node, {}, node->request.operation == Operation::append ? at : 0);
        at += length;
    }
    const auto& layout = limits().layout;
    const auto zone = zones_.index(line);
    line.pointer = command.offset + command.length;
    const auto full = line.pointer == layout.start_of(zone) + layout.capacity_of(zone);
    if (full) line.known = Line::Known::full;
    zones_.room.note_written(line, full);
    channel_.go_on(command);
}

/// The zone was reported after a write failed: what lies wholly below its pointer is there.
void SequencedQueue::settle_write(Command& command) noexcept {
    auto& line = *command.line;
    learn(line, command.zone);
    const auto untouched = line.pointer == command.offset;
    if (untouched && zones_.room.wait(channel_, command, command.nodes)) return;
    const auto& failure = command.failure;
    auto code = failure.code;
    auto reached = command.offset;
    switch (line.known) {
        case Line::Known::pointer:
            if (line.pointer < command.offset || line.pointer > command.offset + command.length)
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
    for (auto at = command.offset; auto* node = command.nodes.pop();) {
        const auto append = node->request.operation == Operation::append;
        const auto end = at + node->request.length;
        // Below the pointer is not yet durable.
        if (end <= reached && !node->request.fua)
            channel_.requests.finish(*node, {}, append ? at : 0);
        else
            channel_.requests.finish(*node, {code, failure.cause}, 0);
        at = end;
    }
    channel_.go_on(command);
}

}  // namespace zonebridge::sequencer
