#include "zone/refusal.h"

namespace zonebridge {

RefusalKind kind_of(StatusCode code) noexcept {
    switch (code) {
        case StatusCode::ok:
            return RefusalKind::nothing;
        case StatusCode::invalid_request:
        case StatusCode::out_of_range:
        case StatusCode::misaligned:
        case StatusCode::too_large:
        case StatusCode::unsupported:
        case StatusCode::read_only:
            return RefusalKind::request;
        case StatusCode::not_sequential:
        case StatusCode::unaligned_write:
        case StatusCode::crosses_boundary:
        case StatusCode::read_crosses_boundary:
        case StatusCode::read_past_pointer:
        case StatusCode::invalid_transition:
        case StatusCode::zone_full:
        case StatusCode::zone_read_only:
        case StatusCode::zone_offline:
        case StatusCode::too_many_open:
        case StatusCode::too_many_active:
            return RefusalKind::zone;
        case StatusCode::no_space:
        case StatusCode::media_error:
        case StatusCode::io_error:
        case StatusCode::device_gone:
        case StatusCode::aborted:
            return RefusalKind::failure;
    }
    return RefusalKind::failure;
}

}  // namespace zonebridge
