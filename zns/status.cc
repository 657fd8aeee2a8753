#include "zns/status.h"

#include <algorithm>
#include <array>

namespace zonebridge::zns {
namespace {

struct Row {
    std::uint16_t status;  // type << 8 | code
    StatusCode code;
    std::string_view words;
};

// Sorted by number. A status that is not in the table is an io_error.
constexpr auto table = std::to_array<Row>({
    // Type 0, generic.
    {0x001, StatusCode::unsupported, "Invalid Command Opcode"},
    {0x002, StatusCode::invalid_request, "Invalid Field in Command"},
    {0x003, StatusCode::io_error, "Command ID Conflict"},
    {0x004, StatusCode::io_error, "Data Transfer Error"},
    {0x005, StatusCode::io_error, "Commands Aborted due to Power Loss Notification"},
    {0x006, StatusCode::io_error, "Internal Error"},
    {0x007, StatusCode::io_error, "Command Abort Requested"},
    {0x008, StatusCode::io_error, "Command Aborted due to SQ Deletion"},
    {0x009, StatusCode::io_error, "Command Aborted due to Failed Fused Command"},
    {0x00A, StatusCode::io_error, "Command Aborted due to Missing Fused Command"},
    // The namespace existed when it was opened.
    {0x00B, StatusCode::device_gone, "Invalid Namespace or Format"},
    {0x00C, StatusCode::io_error, "Command Sequence Error"},
    {0x00D, StatusCode::io_error, "Invalid SGL Segment Descriptor"},
    {0x00E, StatusCode::io_error, "Invalid Number of SGL Descriptors"},
    {0x00F, StatusCode::io_error, "Data SGL Length Invalid"},
    {0x010, StatusCode::io_error, "Metadata SGL Length Invalid"},
    {0x011, StatusCode::io_error, "SGL Descriptor Type Invalid"},
    {0x012, StatusCode::io_error, "Invalid Use of Controller Memory Buffer"},
    {0x013, StatusCode::io_error, "PRP Offset Invalid"},
    {0x014, StatusCode::too_large, "Atomic Write Unit Exceeded"},
    {0x015, StatusCode::io_error, "Operation Denied"},
    {0x016, StatusCode::io_error, "SGL Offset Invalid"},
    {0x018, StatusCode::io_error, "Host Identifier Inconsistent Format"},
    {0x019, StatusCode::io_error, "Keep Alive Timer Expired"},
    {0x01A, StatusCode::io_error, "Keep Alive Timeout Invalid"},
    {0x01B, StatusCode::io_error, "Command Aborted due to Preempt and Abort"},
    {0x01C, StatusCode::io_error, "Sanitize Failed"},
    {0x01D, StatusCode::io_error, "Sanitize In Progress"},
    {0x01E, StatusCode::io_error, "SGL Data Block Granularity Invalid"},
    {0x01F, StatusCode::io_error, "Command Not Supported for Queue in CMB"},
    {0x020, StatusCode::read_only, "Namespace is Write Protected"},
    {0x021, StatusCode::io_error, "Command Interrupted"},
    {0x022, StatusCode::io_error, "Transient Transport Error"},
    {0x023, StatusCode::io_error, "Command Prohibited by Command and Feature Lockdown"},
    {0x024, StatusCode::io_error, "Admin Command Media Not Ready"},
    {0x080, StatusCode::out_of_range, "LBA Out of Range"},
    {0x081, StatusCode::no_space, "Capacity Exceeded"},
    {0x082, StatusCode::io_error, "Namespace Not Ready"},
    {0x083, StatusCode::io_error, "Reservation Conflict"},
    {0x084, StatusCode::io_error, "Format In Progress"},
    // Type 1, command specific.
    {0x180, StatusCode::invalid_request, "Conflicting Attributes"},
    {0x181, StatusCode::invalid_request, "Invalid Protection Information"},
    {0x182, StatusCode::read_only, "Attempted Write to Read Only Range"},
    {0x183, StatusCode::too_large, "Command Size Limit Exceeded"},
    {0x1B6, StatusCode::invalid_request, "Invalid Zone Operation Request"},
    {0x1B7, StatusCode::io_error, "ZRWA Resources Unavailable"},
    {0x1B8, StatusCode::crosses_boundary, "Zone Boundary Error"},
    {0x1B9, StatusCode::zone_full, "Zone Is Full"},
    {0x1BA, StatusCode::zone_read_only, "Zone Is Read Only"},
    {0x1BB, StatusCode::zone_offline, "Zone Is Offline"},
    {0x1BC, StatusCode::unaligned_write, "Zone Invalid Write"},
    {0x1BD, StatusCode::too_many_active, "Too Many Active Zones"},
    {0x1BE, StatusCode::too_many_open, "Too Many Open Zones"},
    {0x1BF, StatusCode::invalid_transition, "Invalid Zone State Transition"},
    // Type 2, media errors.
    {0x280, StatusCode::media_error, "Write Fault"},
    {0x281, StatusCode::media_error, "Unrecovered Read Error"},
    {0x282, StatusCode::media_error, "End-to-end Guard Check Error"},
    {0x283, StatusCode::media_error, "End-to-end Application Tag Check Error"},
    {0x284, StatusCode::media_error, "End-to-end Reference Tag Check Error"},
    {0x285, StatusCode::io_error, "Compare Failure"},
    {0x286, StatusCode::io_error, "Access Denied"},
    {0x287, StatusCode::read_past_pointer, "Deallocated or Unwritten Logical Block"},
    {0x288, StatusCode::media_error, "End-to-End Storage Tag Check Error"},
    // Type 3, path related. A lost path may come back, a persistently lost namespace does not;
    // Linux returns a host pathing error when no path is left to wait for.
    {0x300, StatusCode::io_error, "Internal Path Error"},
    {0x301, StatusCode::device_gone, "Asymmetric Access Persistent Loss"},
    {0x302, StatusCode::io_error, "Asymmetric Access Inaccessible"},
    {0x303, StatusCode::io_error, "Asymmetric Access Transition"},
    {0x360, StatusCode::io_error, "Controller Pathing Error"},
    {0x370, StatusCode::device_gone, "Host Pathing Error"},
    {0x371, StatusCode::io_error, "Command Aborted By Host"},
});

const Row* find(std::uint16_t type_and_code) noexcept {
    const auto row =
        std::lower_bound(table.begin(), table.end(), type_and_code,
                         [](const Row& one, std::uint16_t status) { return one.status < status; });
    return row != table.end() && row->status == type_and_code ? row : nullptr;
}

constexpr std::uint16_t type_and_code(std::uint16_t status) noexcept {
    return status & 0x7FF;
}

}  // namespace

Status status_of(std::uint16_t status, Operation operation) noexcept {
    const auto value = type_and_code(status);
    if (value == 0) return {};
    const NativeCause cause{NativeCause::Source::nvme_status, value};
    const auto* row = find(value);
    if (row == nullptr) return {StatusCode::io_error, cause};
    if (row->code == StatusCode::crosses_boundary && operation == Operation::read)
        return {StatusCode::read_crosses_boundary, cause};
    return {row->code, cause};
}

std::string_view words_of(std::uint16_t status) noexcept {
    const auto* row = find(type_and_code(status));
    return row != nullptr ? row->words : std::string_view{};
}

}  // namespace zonebridge::zns
