#include <array>

#include "zbc/sense.h"

namespace zonebridge::zbc {
namespace {

/// Which way a row is read: to sense data (encoded), from sense data (decoded), or both ways.
enum class Way : std::uint8_t { both, encoded, decoded };

/// Which operations a row is for.
enum class For : std::uint8_t { any, writes, reads, actions };

struct Row {
    StatusCode code;
    SenseKey key;
    std::uint8_t asc;
    std::uint8_t ascq;
    Way way = Way::both;
    For operations = For::any;
};

using enum SenseKey;
using enum Way;
using Code = StatusCode;

/// The first row that matches is used.
constexpr std::array table{
    // 24h/00h INVALID FIELD IN CDB: the model has a code for each reason, ZBC has none.
    Row{Code::zone_full, illegal_request, 0x24, 0x00, both, For::writes},
    Row{Code::not_sequential, illegal_request, 0x24, 0x00, both, For::actions},
    Row{Code::invalid_request, illegal_request, 0x24, 0x00},
    Row{Code::misaligned, illegal_request, 0x24, 0x00, encoded},
    Row{Code::too_large, illegal_request, 0x24, 0x00, encoded},
    Row{Code::not_sequential, illegal_request, 0x24, 0x00, encoded},
    Row{Code::zone_full, illegal_request, 0x24, 0x00, encoded},
    Row{Code::invalid_transition, illegal_request, 0x24, 0x00, encoded},
    Row{Code::out_of_range, illegal_request, 0x21, 0x00},      // LOGICAL BLOCK ADDRESS OUT OF RANGE
    Row{Code::unaligned_write, illegal_request, 0x21, 0x04},   // UNALIGNED WRITE COMMAND
    Row{Code::crosses_boundary, illegal_request, 0x21, 0x05},  // WRITE BOUNDARY VIOLATION
    Row{Code::read_past_pointer, illegal_request, 0x21, 0x06},      // ATTEMPT TO READ INVALID DATA
    Row{Code::read_crosses_boundary, illegal_request, 0x21, 0x07},  // READ BOUNDARY VIOLATION
    // ATTEMPT TO ACCESS GAP ZONE
    Row{Code::read_past_pointer, illegal_request, 0x21, 0x09, decoded, For::reads},
    Row{Code::not_sequential, illegal_request, 0x21, 0x09, decoded, For::actions},
    Row{Code::crosses_boundary, illegal_request, 0x21, 0x09, decoded},
    Row{Code::unsupported, illegal_request, 0x20, 0x00},           // INVALID COMMAND OPERATION CODE
    Row{Code::device_gone, illegal_request, 0x25, 0x00, decoded},  // LU NOT SUPPORTED
    Row{Code::too_large, illegal_request, 0x1A, 0x00, decoded},    // PARAMETER LIST LENGTH ERROR
    Row{Code::read_only, data_protect, 0x27, 0x00},                // WRITE PROTECTED
    Row{Code::zone_read_only, data_protect, 0x27, 0x08},           // ZONE IS READ ONLY
    Row{Code::no_space, data_protect, 0x27, 0x07},      // SPACE ALLOCATION FAILED WRITE PROTECT
    Row{Code::zone_offline, data_protect, 0x2C, 0x0E},  // ZONE IS OFFLINE
    Row{Code::zone_offline, data_protect, 0x2C, 0x12, decoded},  // ZONE IS INACTIVE
    Row{Code::too_many_open, data_protect, 0x55, 0x0E},          // INSUFFICIENT ZONE RESOURCES
    Row{Code::too_many_active, data_protect, 0x55, 0x0E, encoded},
    Row{Code::media_error, medium_error, 0x11, 0x00, both, For::reads},  // UNRECOVERED READ ERROR
    Row{Code::media_error, medium_error, 0x0C, 0x00},                    // WRITE ERROR
    Row{Code::io_error, hardware_error, 0x44, 0x00},                     // INTERNAL TARGET FAILURE
    Row{Code::device_gone, hardware_error, 0x3E, 0x01},                  // LOGICAL UNIT FAILURE
    Row{Code::aborted, aborted_command, 0x00, 0x00, encoded},  // no additional sense information
};

constexpr bool is_for(For operations, Operation operation) noexcept {
    switch (operations) {
        case For::any:
            return true;
        case For::writes:
            return operation == Operation::write || operation == Operation::append;
        case For::reads:
            return operation == Operation::read || operation == Operation::report;
        case For::actions:
            return is_zone_action(operation);
    }
    return false;
}

StatusCode status_of_key(SenseKey key) noexcept {
    switch (key) {
        case no_sense:
        case recovered_error:
        case completed:
            return StatusCode::ok;
        case medium_error:
            return StatusCode::media_error;
        case illegal_request:
            return StatusCode::invalid_request;
        case data_protect:
            return StatusCode::read_only;
        case not_ready:
        case hardware_error:
        case unit_attention:
        case blank_check:
        case vendor_specific:
        case copy_aborted:
        case aborted_command:
        case reserved:
        case volume_overflow:
        case miscompare:
            return StatusCode::io_error;
    }
    return StatusCode::io_error;
}

}  // namespace

std::optional<Sense> sense_for(StatusCode code, Operation operation) noexcept {
    if (code == StatusCode::ok) return std::nullopt;
    if (code == StatusCode::invalid_transition &&
        (operation == Operation::open || operation == Operation::close))
        return std::nullopt;
    for (const auto& row : table)
        if (row.code == code && row.way != decoded && is_for(row.operations, operation))
            return Sense{row.key, row.asc, row.ascq, {}, {}};
    return Sense{hardware_error, 0x44, 0x00, {}, {}};
}

StatusCode status_of(const Sense& sense, Operation operation) noexcept {
    for (const auto& row : table)
        if (row.key == sense.key && row.asc == sense.asc && row.ascq == sense.ascq &&
            row.way != encoded && is_for(row.operations, operation))
            return row.code;
    return status_of_key(sense.key);
}

}  // namespace zonebridge::zbc
