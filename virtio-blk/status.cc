#include "virtio-blk/status.h"

namespace zonebridge::virtio_blk {

RequestStatus zoned_status(StatusCode code, RequestType type) noexcept {
    const auto malformed =
        is_zone_request(type) ? RequestStatus::invalid_command : RequestStatus::io_error;
    switch (code) {
        case StatusCode::ok:
            return RequestStatus::ok;
        case StatusCode::unsupported:
            return RequestStatus::unsupported;
        case StatusCode::unaligned_write:
            return RequestStatus::unaligned_write_pointer;
        case StatusCode::misaligned:
            // A length below the block size is below the write granularity.
            return type == RequestType::zone_append ? RequestStatus::unaligned_write_pointer
                                                    : malformed;
        case StatusCode::too_many_open:
            return RequestStatus::open_resource;
        case StatusCode::too_many_active:
            return RequestStatus::active_resource;
        case StatusCode::invalid_request:
        case StatusCode::out_of_range:
        case StatusCode::too_large:
            return malformed;
        case StatusCode::not_sequential:
        case StatusCode::crosses_boundary:
        case StatusCode::read_crosses_boundary:
        case StatusCode::read_past_pointer:
        case StatusCode::invalid_transition:
        case StatusCode::zone_full:
        case StatusCode::zone_read_only:
        case StatusCode::zone_offline:
            return RequestStatus::invalid_command;
        case StatusCode::read_only:
        case StatusCode::no_space:
        case StatusCode::media_error:
        case StatusCode::io_error:
        case StatusCode::device_gone:
        case StatusCode::aborted:
            return RequestStatus::io_error;
    }
    return RequestStatus::io_error;
}

RequestStatus plain_status(StatusCode code) noexcept {
    if (code == StatusCode::ok) return RequestStatus::ok;
    if (code == StatusCode::unsupported) return RequestStatus::unsupported;
    return RequestStatus::io_error;
}

}  // namespace zonebridge::virtio_blk
