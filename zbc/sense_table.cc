#include "zbc/sense_table.h"

namespace zonebridge::zbc {
namespace {

constexpr Sense sense(SenseKey key, std::uint8_t asc, std::uint8_t ascq) noexcept {
    return {key, asc, ascq, {}, {}};
}

}  // namespace

std::optional<Sense> sense_for(StatusCode code, Operation operation) noexcept {
    using enum SenseKey;
    switch (code) {
        case StatusCode::ok:
            return std::nullopt;
        case StatusCode::invalid_request:
        case StatusCode::misaligned:
        case StatusCode::too_large:
        case StatusCode::not_sequential:
        case StatusCode::zone_full:
            return sense(illegal_request, 0x24, 0x00);  // INVALID FIELD IN CDB
        case StatusCode::out_of_range:
            return sense(illegal_request, 0x21, 0x00);  // LOGICAL BLOCK ADDRESS OUT OF RANGE
        case StatusCode::unsupported:
            return sense(illegal_request, 0x20, 0x00);  // INVALID COMMAND OPERATION CODE
        case StatusCode::read_only:
            return sense(data_protect, 0x27, 0x00);  // WRITE PROTECTED
        case StatusCode::unaligned_write:
            return sense(illegal_request, 0x21, 0x04);  // UNALIGNED WRITE COMMAND
        case StatusCode::crosses_boundary:
            return sense(illegal_request, 0x21, 0x05);  // WRITE BOUNDARY VIOLATION
        case StatusCode::read_past_pointer:
            return sense(illegal_request, 0x21, 0x06);  // ATTEMPT TO READ INVALID DATA
        case StatusCode::read_crosses_boundary:
            return sense(illegal_request, 0x21, 0x07);  // READ BOUNDARY VIOLATION
        case StatusCode::invalid_transition:
            if (operation == Operation::open || operation == Operation::close) return std::nullopt;
            return sense(illegal_request, 0x24, 0x00);
        case StatusCode::zone_read_only:
            return sense(data_protect, 0x27, 0x08);  // ZONE IS READ ONLY
        case StatusCode::zone_offline:
            return sense(data_protect, 0x2C, 0x0E);  // ZONE IS OFFLINE
        case StatusCode::too_many_open:
        case StatusCode::too_many_active:
            return sense(data_protect, 0x55, 0x0E);  // INSUFFICIENT ZONE RESOURCES
        case StatusCode::no_space:
            return sense(data_protect, 0x27, 0x07);  // SPACE ALLOCATION FAILED WRITE PROTECT
        case StatusCode::media_error:
            if (operation == Operation::read || operation == Operation::report)
                return sense(medium_error, 0x11, 0x00);  // UNRECOVERED READ ERROR
            return sense(medium_error, 0x0C, 0x00);      // WRITE ERROR
        case StatusCode::io_error:
            return sense(hardware_error, 0x44, 0x00);  // INTERNAL TARGET FAILURE
        case StatusCode::device_gone:
            return sense(hardware_error, 0x3E, 0x01);  // LOGICAL UNIT FAILURE
        case StatusCode::aborted:
            return sense(aborted_command, 0x00, 0x00);  // no additional sense information
    }
    return sense(hardware_error, 0x44, 0x00);
}

}  // namespace zonebridge::zbc
