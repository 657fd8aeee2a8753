#include "layers/sequencer/write.h"

#include <algorithm>

#include "layers/sequencer/channel.h"

namespace zonebridge::sequencer {

void Write::join(const Channel& channel, Line& line) noexcept {
    const auto& limits = channel.limits;
    const auto zone = channel.zones.index(line);
    const auto offset = line.pointer.at();
    const auto space = channel.zones.end_of(line) - offset;
    const auto fua = line.pending.first->request.fua;
    List<Node> requests;
    std::uint64_t length = 0;
    std::size_t segments = 0;
    std::span<const iovec> data;
    while (auto* node = line.pending.first) {
        const auto& request = node->request;
        const auto write = request.operation == Operation::write;
        if (!write && (request.operation != Operation::append || channel.native_append)) break;
        if (request.fua != fua || request.length > space - length) break;
        if (write && request.offset != offset + length) break;
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
    offset_ = offset;
    length_ = length;
    data_ = data;
    fua_ = fua;
}

bool Write::is_as_it_came() const noexcept {
    const auto* node = requests_.first;
    return node->next == nullptr && node->request.operation == Operation::write;
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

void Write::settle(Requests& requests, const WritePointer& pointer, Status failure) noexcept {
    auto code = failure.code;
    auto reached = offset_;
    switch (pointer.known()) {
        case WritePointer::Known::pointer:
            if (pointer.at() < offset_ || pointer.at() > end())
                code = StatusCode::unaligned_write;
            else
                reached = pointer.at();
            break;
        case WritePointer::Known::full:
            // Nothing tells how much was written: a device may also report a zone full that has
            // failed.
            code = StatusCode::zone_full;
            break;
        case WritePointer::Known::read_only:
            code = StatusCode::zone_read_only;
            break;
        case WritePointer::Known::offline:
            code = StatusCode::zone_offline;
            break;
        case WritePointer::Known::nothing:
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
