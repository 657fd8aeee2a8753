#include "virtio-blk/clear.h"

#include "base/iovec.h"
#include "zone/check.h"

namespace zonebridge::virtio_blk {

tl::expected<void, Clear::Fault> Clear::take(std::span<const iovec> readable, std::uint64_t length,
                                             Operation operation, const Limits& limits) noexcept {
    const auto malformed = [](RequestStatus status) { return tl::make_unexpected(Fault(status)); };
    const auto count = length / ClearSegment::size;
    if (count == 0 || count > segments_.size() || length % ClearSegment::size != 0)
        return malformed(RequestStatus::io_error);
    operation_ = operation;
    for (std::size_t i = 0; i < count; ++i) {
        std::array<std::uint8_t, ClearSegment::size> bytes;
        copy_from(readable, RequestHeader::size + i * bytes.size(), bytes);
        auto& segment = segments_[i];
        segment = decode_segment(bytes);
        if (segment.unknown_flags || (segment.unmap && operation == Operation::discard))
            return malformed(RequestStatus::unsupported);
        const auto request = request_of(segment, limits);
        if (const auto code = check(limits, request); code != StatusCode::ok)
            return tl::make_unexpected(Fault(Refused{code, request}));
    }
    count_ = count;
    next_ = 0;
    return {};
}

Request Clear::next(const Limits& limits) noexcept {
    return request_of(segments_[next_++], limits);
}

Request Clear::request_of(const ClearSegment& segment, const Limits& limits) const noexcept {
    Request request;
    request.operation = operation_;
    request.may_unmap = segment.unmap;
    request.offset =
        segment.sector < limits.size() / sector_size ? segment.sector * sector_size : limits.size();
    request.length = segment.sectors * sector_size;
    return request;
}

}  // namespace zonebridge::virtio_blk
