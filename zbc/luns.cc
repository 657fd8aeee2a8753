#include "zbc/luns.h"

#include <algorithm>
#include <array>

#include "zbc/bytes.h"
#include "zbc/capacity.h"
#include "zbc/inquiry.h"
#include "zbc/scatter.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t request_sense_opcode = 0x03;
constexpr std::uint8_t inquiry_opcode = 0x12;
constexpr std::uint8_t report_luns_opcode = 0xA0;

// REPORT LUNS of a target with 16384 units would be 128 KiB; no target here has more than this.
constexpr std::size_t max_luns = 256;

void refuse(TaskResult& result, const Sense& sense) noexcept {
    result.status = ScsiStatus::check_condition;
    result.sense_length =
        static_cast<std::uint8_t>(encode_sense(sense, SenseFormat::fixed, std::span(result.sense)));
}

/// Puts a reply, cut at the allocation length, into the initiator's buffers.
void reply(TaskResult& result, const Task& task, std::span<const std::uint8_t> bytes,
           std::size_t length, std::uint64_t allocation_length) noexcept {
    const auto wanted = std::min<std::uint64_t>({length, bytes.size(), allocation_length});
    result.data_in_length = scatter(bytes.first(static_cast<std::size_t>(wanted)), task.data_in);
    result.overrun = result.data_in_length < wanted;
}

void report_luns(TaskResult& result, const Task& task, ByteView cdb,
                 std::span<const std::uint64_t> luns) noexcept {
    std::array<std::uint8_t, 8 + 8 * max_luns> bytes{};
    const auto length =
        encode_report_luns(luns.first(std::min(luns.size(), max_luns)), cdb.u8(2), bytes);
    if (!length) return refuse(result, invalid_field_in_cdb(2));
    reply(result, task, bytes, *length, cdb.be32(6));
}

void absent_inquiry(TaskResult& result, const Task& task, ByteView cdb) noexcept {
    // SPC-4 6.6.1: standard data has the qualifier that says so; vital product data is not there.
    if (cdb.bit(1, 0)) return refuse(result, lun_not_supported());
    if (cdb.u8(2) != 0) return refuse(result, invalid_field_in_cdb(2));
    std::array<std::uint8_t, max_inquiry_length> bytes{};
    reply(result, task, bytes, encode_absent_inquiry(bytes), cdb.be16(3));
}

void absent_request_sense(TaskResult& result, const Task& task, ByteView cdb) noexcept {
    std::array<std::uint8_t, TaskResult::max_sense> bytes{};
    const auto format = cdb.bit(1, 0) ? SenseFormat::descriptor : SenseFormat::fixed;
    reply(result, task, bytes, encode_sense(lun_not_supported(), format, bytes), cdb.u8(4));
}

}  // namespace

std::uint64_t encode_lun(std::uint16_t number) noexcept {
    const std::uint64_t flat_space = number < 256 ? 0 : 0x4000;
    return (flat_space | number) << 48;
}

TaskResult answer_for_target(const Task& task, std::span<const std::uint64_t> luns) noexcept {
    TaskResult result;
    result.tag = task.tag;
    const ByteView cdb(task.cdb);
    switch (cdb.u8(0)) {
        case report_luns_opcode:
            report_luns(result, task, cdb, luns);
            break;
        case inquiry_opcode:
            absent_inquiry(result, task, cdb);
            break;
        case request_sense_opcode:
            absent_request_sense(result, task, cdb);
            break;
        default:  // an opcode: any byte
            refuse(result, lun_not_supported());
            break;
    }
    return result;
}

}  // namespace zonebridge::zbc
