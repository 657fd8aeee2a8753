#include "zbc/control.h"

#include <algorithm>
#include <array>

#include "base/iovec.h"
#include "zbc/inquiry.h"
#include "zbc/mode.h"
#include "zbc/supported_commands.h"

namespace zonebridge::zbc {
namespace {

static_assert(max_control_reply >= max_inquiry_length);
static_assert(max_control_reply >= max_mode_length);
static_assert(max_control_reply >= max_opcodes_length);

using Bytes = std::span<std::uint8_t>;

std::size_t cut(std::size_t length, std::uint64_t allocation) noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(length, allocation));
}

Reply inquiry_page(const Unit& unit, ByteView cdb, Bytes out) noexcept {
    const auto page = cdb.u8(2);
    if (cdb.bit(1, 1)) return tl::unexpected(invalid_field_in_cdb(1, std::uint8_t{1}));  // CMDDT
    if (cdb.bit(1, 0)) {
        if (const auto length = encode_vpd(unit, page, out)) return *length;
        return tl::unexpected(invalid_field_in_cdb(2));
    }
    if (page != 0) return tl::unexpected(invalid_field_in_cdb(2));
    return encode_standard_inquiry(unit, out);
}

Reply luns_reply(std::span<const std::uint64_t> luns, ByteView cdb, Bytes out) noexcept {
    const auto allocation = cdb.be32(6);
    if (allocation < 16) return tl::unexpected(invalid_field_in_cdb(6));
    const auto length = encode_report_luns(luns, cdb.u8(2), out);
    if (!length) return tl::unexpected(invalid_field_in_cdb(2));
    return cut(*length, allocation);
}

Reply cut_reply(Reply length, std::uint64_t allocation) noexcept {
    if (!length) return length;
    return cut(*length, allocation);
}

}  // namespace

Reply answer_request_sense(UnitState& state, ByteView cdb, Bytes out) noexcept {
    if (const auto attention = state.attentions().take())
        return encode_request_sense(unit_attention(*attention), cdb, out);
    return encode_request_sense(state.stopped() ? stopped() : Sense(), cdb, out);
}

Reply answer_inquiry(const Unit& unit, ByteView cdb, Bytes out) noexcept {
    return cut_reply(inquiry_page(unit, cdb, out), cdb.be16(3));
}

Reply answer_mode_sense(const Unit& unit, const UnitState& state, const CommandInfo& info,
                        ByteView cdb, Bytes out) noexcept {
    return cut_reply(encode_mode_sense(unit, state.mode_values(), cdb, out),
                     read_field(cdb, info.length));
}

Reply answer_read_capacity_16(const Unit& unit, const CommandInfo& info, ByteView cdb,
                              Bytes out) noexcept {
    return cut(encode_read_capacity_16(unit, out), read_field(cdb, info.length));
}

Reply answer_supported_opcodes(const Unit& unit, const CommandInfo& info, ByteView cdb,
                               Bytes out) noexcept {
    return cut_reply(encode_supported_opcodes(unit.zoned(), cdb, out),
                     read_field(cdb, info.length));
}

Reply answer_supported_tmfs(const CommandInfo& info, ByteView cdb, Bytes out) noexcept {
    return cut(encode_supported_tmfs(cdb, out), read_field(cdb, info.length));
}

std::size_t encode_request_sense(const Sense& sense, ByteView cdb, Bytes out) noexcept {
    const auto format = cdb.bit(1, 0) ? SenseFormat::descriptor : SenseFormat::fixed;
    return cut(encode_sense(sense, format, out), cdb.u8(4));
}

void fail(TaskResult& result, const Sense& sense, SenseFormat format) noexcept {
    static_assert(TaskResult::max_sense >= max_descriptor_sense_length);
    result.status = ScsiStatus::check_condition;
    result.sense_length = static_cast<std::uint8_t>(encode_sense(sense, format, result.sense));
}

void reply(TaskResult& result, std::span<const std::uint8_t> bytes,
           std::span<const iovec> data_in) noexcept {
    if (total_length(data_in) < bytes.size()) {
        result.delivery = Delivery::overrun;
        return;
    }
    result.data_in_length = copy_to(data_in, 0, bytes);
}

TaskResult answer_absent(const Task& task, std::span<const std::uint64_t> luns) noexcept {
    TaskResult result;
    result.tag = task.tag;
    const ByteView cdb(task.cdb);
    // A list of all units that virtio-scsi may have is longer than any other reply.
    constexpr std::size_t most_luns = 256;
    static_assert(8 * (most_luns + 1) >= max_control_reply);
    std::array<std::uint8_t, 8 * (most_luns + 1)> bytes;
    const auto listed = luns.first(std::min(luns.size(), most_luns));

    Reply length = tl::unexpected(lun_not_supported());
    if (const auto info = find_target_command(cdb, false)) {
        if ((*info)->target->handler == Handler::inquiry) {
            length = cut(encode_absent_inquiry(bytes), cdb.be16(3));
            if ((cdb.u8(1) & 3) != 0 || cdb.u8(2) != 0)
                length = tl::unexpected(invalid_field_in_cdb(2));
        } else if ((*info)->target->handler == Handler::front_end) {
            length = luns_reply(listed, cdb, bytes);
        } else if ((*info)->target->handler == Handler::request_sense) {
            length = encode_request_sense(lun_not_supported(), cdb, bytes);
        }
    }
    if (length)
        reply(result, std::span(bytes).first(*length), task.data_in);
    else
        fail(result, length.error(), SenseFormat::fixed);
    return result;
}

std::size_t encode_read_capacity_10(const Unit& unit, std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    const auto last = unit.blocks - 1;
    out.be32(0, last < 0xFFFFFFFF ? last : 0xFFFFFFFF);
    out.be32(4, unit.block_size);
    return 8;
}

std::size_t encode_read_capacity_16(const Unit& unit, std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    out.clear(0, 32);
    out.be64(0, unit.blocks - 1);
    out.be32(8, unit.block_size);
    if (unit.zoned()) out.u8(12, 1 << 4);  // RC_BASIS
    out.u8(13, unit.physical_exponent);
    return 32;
}

std::uint64_t encode_lun(std::uint16_t number) noexcept {
    const std::uint64_t flat_space = number < 256 ? 0 : 0x4000;
    return (flat_space | number) << 48;
}

std::optional<std::size_t> encode_report_luns(std::span<const std::uint64_t> luns,
                                              std::uint8_t select,
                                              std::span<std::uint8_t> bytes) noexcept {
    const auto lists = select == 0x00 || select == 0x02;
    if (!lists && select != 0x01 && !(select >= 0x10 && select <= 0x12)) return std::nullopt;
    ByteWriter out(bytes);
    std::size_t end = 8;
    if (lists) {
        for (const auto lun : luns) {
            out.be64(end, lun);
            end += 8;
        }
    }
    out.be32(0, end - 8);
    out.be32(4, 0);
    return end;
}

}  // namespace zonebridge::zbc
