// Discards and writes of zeroes: all segments of a chain are checked before the first is carried
// out; then they run one after the other. One status covers all of them (virtio 1.3, 5.2.6).

#include "virtio-blk/slot.h"
#include "zone/check.h"

namespace zonebridge::virtio_blk {
namespace {

Request request_of(const ClearSegment& segment, RequestType type, const Limits& limits) noexcept {
    Request request;
    request.operation = type == RequestType::discard ? Operation::discard : Operation::write_zeroes;
    request.may_unmap = segment.unmap;
    request.offset =
        segment.sector < limits.size() / sector_size ? segment.sector * sector_size : limits.size();
    request.length = segment.sectors * sector_size;
    return request;
}

}  // namespace

bool BlockDevice::may_clear(const Slot& slot) const noexcept {
    return slot.type == RequestType::discard ? mode_.discard : mode_.write_zeroes;
}

void BlockDevice::start_clear(Slot& slot) noexcept {
    if (!may_clear(slot)) return answer(slot, RequestStatus::unsupported);
    const auto length = slot.chain.readable_length - RequestHeader::size;
    const auto count = length / ClearSegment::size;
    if (count == 0 || count > slot.segments.size() || length % ClearSegment::size != 0)
        return answer(slot, RequestStatus::io_error);
    for (std::size_t i = 0; i < count; ++i) {
        std::array<std::uint8_t, ClearSegment::size> bytes;
        copy_from(slot.chain.readable, RequestHeader::size + i * bytes.size(), bytes);
        auto& segment = slot.segments[i];
        segment = decode_segment(bytes);
        if (segment.unknown_flags || (segment.unmap && slot.type == RequestType::discard))
            return answer(slot, RequestStatus::unsupported);
        const auto request = request_of(segment, slot.type, limits_);
        if (const auto code = check(limits_, request); code != StatusCode::ok)
            return refuse(slot, request.operation, request.offset, request.length, code);
    }
    slot.segment_count = static_cast<std::uint32_t>(count);
    slot.flush_after = mode_.write_through;
    continue_clear(slot);
}

void BlockDevice::continue_clear(Slot& slot) noexcept {
    auto request = request_of(slot.segments[slot.next_segment++], slot.type, limits_);
    request.tag = reinterpret_cast<std::uintptr_t>(&slot);
    enqueue(request);
}

}  // namespace zonebridge::virtio_blk
