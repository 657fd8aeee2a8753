#include "transports/sequencer/write.h"

#include <algorithm>

#include "transports/sequencer/channel.h"

namespace zonebridge::sequencer {

void Write::join(const Channel& channel, Line& line) noexcept {
    const auto& limits = channel.limits;
    const auto zone = channel.zones.index(line);
    const auto room = limits.layout.start_of(zone) + limits.layout.capacity_of(zone) - line.pointer;
    const auto fua = line.waiting.first->request.fua;
    List<Node> requests;
    std::uint64_t length = 0;
    std::size_t segments = 0;
    std::span<const iovec> data;
    while (auto* node = line.waiting.first) {
        const auto& request = node->request;
        const auto write = request.operation == Operation::write;
        if (!write && (request.operation != Operation::append || channel.native_append)) break;
        if (request.fua != fua || request.length > room - length) break;
        if (write && request.offset != line.pointer + length) break;
        if (requests.empty()) {
            data = request.data;
        } else {
            if (length + request.length > limits.max_transfer) break;
            if (segments + request.data.size() > channel.join_segments) break;
            if (channel.zones.sweeps.block(zone, node->order)) break;
            if (data.data() != pieces_) {
                std::copy(data.begin(), data.end(), pieces_);
                data = {pieces_, segments};
            }
            std::copy(request.data.begin(), request.data.end(), pieces_ + segments);
            data = {pieces_, segments + request.data.size()};
        }
        length += request.length;
        segments += request.data.size();
        requests.push(line.take_first());
    }
    requests_ = requests;
    offset_ = line.pointer;
    length_ = length;
    data_ = data;
    fua_ = fua;
}

void Write::fill(Request& request) const noexcept {
    request.operation = Operation::write;
    request.fua = fua_;
    request.offset = offset_;
    request.length = length_;
    request.data = data_;
}

void Write::succeed(Requests& requests) noexcept {
    for (auto at = offset_; auto* node = requests_.pop();) {
        const auto length = node->request.length;
        requests.finish(*node, {}, node->request.operation == Operation::append ? at : 0);
        at += length;
    }
}

void Write::fail(Requests& requests, Status status) noexcept {
    while (auto* node = requests_.pop()) requests.finish(*node, status, 0);
}

void Write::settle(Requests& requests, const Line& line, Status failure) noexcept {
    auto code = failure.code;
    auto reached = offset_;
    switch (line.known) {
        case Line::Known::pointer:
            if (line.pointer < offset_ || line.pointer > end())
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
    for (auto at = offset_; auto* node = requests_.pop();) {
        const auto append = node->request.operation == Operation::append;
        const auto end = at + node->request.length;
        if (end <= reached && !node->request.fua)
            requests.finish(*node, {}, append ? at : 0);
        else
            requests.finish(*node, {code, failure.cause}, 0);
        at = end;
    }
}

}  // namespace zonebridge::sequencer
