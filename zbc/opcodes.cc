#include "zbc/opcodes.h"

#include <algorithm>

#include "zbc/cdb.h"

namespace zonebridge::zbc {
namespace {

constexpr std::size_t timeouts_length = 12;

std::size_t put_timeouts(const Timeouts& timeouts, std::size_t at, ByteWriter& out) noexcept {
    out.be16(at, timeouts_length - 2);
    out.be32(at + 4, timeouts.nominal);
    out.be32(at + 8, timeouts.recommended);
    return timeouts_length;
}

std::size_t encode_all(bool zoned, bool timeouts, ByteWriter out) noexcept {
    std::size_t end = 4;
    for (const auto& info : all_commands()) {
        if (info.zoned && !zoned) continue;
        out.u8(end, info.opcode);
        out.be16(end + 2, info.service_action.value_or(std::uint8_t{0}));
        out.u8(end + 5,
               (timeouts ? 0x02 : 0) | (info.service_action ? 0x01 : 0));  // CTDP, SERVACTV
        out.be16(end + 6, info.length);
        end += 8;
        if (timeouts) end += put_timeouts(info.timeouts, end, out);
    }
    out.be32(0, end - 4);
    return end;
}

std::size_t encode_one(const CommandInfo* info, bool timeouts, ByteWriter out) noexcept {
    if (!info) {
        out.u8(1, 0x01);  // SUPPORT: not supported
        return 4;
    }
    out.u8(1, 0x03 | (timeouts ? 0x80 : 0));  // SUPPORT: as a standard has it; CTDP
    out.be16(2, info->length);
    for (std::size_t i = 0; i < info->length; ++i) out.u8(4 + i, info->usage[i]);
    const std::size_t end = std::size_t{4} + info->length;
    return timeouts ? end + put_timeouts(info->timeouts, end, out) : end;
}

}  // namespace

tl::expected<std::size_t, Sense> encode_supported_opcodes(bool zoned, ByteView cdb,
                                                          std::span<std::uint8_t> bytes) noexcept {
    const auto timeouts = cdb.bit(2, 7);  // RCTD
    const auto options = cdb.u8(2) & 0x07;
    const auto opcode = cdb.u8(3);
    const auto action = cdb.be16(4);
    ByteWriter out(bytes);
    out.clear(0, max_opcodes_length);
    if (options == 0) return encode_all(zoned, timeouts, out);
    if (options > 3) return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{2}));

    const CommandInfo* exact = nullptr;
    auto with_actions = false;
    auto without_actions = false;
    for (const auto& info : all_commands()) {
        if (info.opcode != opcode || (info.zoned && !zoned)) continue;
        (info.service_action ? with_actions : without_actions) = true;
        if (info.service_action.value_or(std::uint8_t{0}) == action) exact = &info;
    }
    if (options == 1 && with_actions)
        return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{2}));
    if (options == 2 && without_actions)
        return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{2}));
    if (options == 1)  // the service action is not looked at
        for (const auto& info : all_commands())
            if (info.opcode == opcode && without_actions) exact = &info;
    return encode_one(exact, timeouts, out);
}

std::size_t encode_supported_tmfs(ByteView cdb, std::span<std::uint8_t> bytes) noexcept {
    const auto extended = cdb.bit(2, 7);  // REPD
    const std::size_t length = extended ? 16 : 4;
    ByteWriter out(bytes);
    out.clear(0, length);
    // ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, QUERY TASK
    out.u8(0, 0x80 | 0x40 | 0x10 | 0x08 | 0x04);
    // QUERY TASK SET, I_T NEXUS RESET
    out.u8(1, 0x02 | 0x01);
    out.u8(3, length - 4);  // in the short form a reserved byte
    return length;
}

}  // namespace zonebridge::zbc
