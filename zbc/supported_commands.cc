#include "zbc/supported_commands.h"

#include <algorithm>

#include "zbc/commands.h"

namespace zonebridge::zbc {
namespace {

constexpr std::size_t header_length = 4;
constexpr std::size_t descriptor_length = 8;
constexpr std::size_t timeouts_length = 12;

constexpr std::uint8_t not_supported = 0x01;  // SUPPORT
constexpr std::uint8_t as_in_standard = 0x03;

/// A command descriptor's byte 5.
constexpr unsigned servactv_bit = 0;
constexpr unsigned ctdp_bit = 1;

/// The CDB's fields.
struct Question {
    explicit Question(ByteView cdb) noexcept
        : timeouts(cdb.bit(2, 7)),
          option(cdb.u8(2) & 0x07),
          opcode(cdb.u8(3)),
          action(cdb.be16(4)) {}

    bool timeouts;  // RCTD
    int option;     // REPORTING OPTIONS
    std::uint8_t opcode;
    std::uint16_t action;
};

std::size_t put_timeouts(const Timeouts& timeouts, std::size_t at, ByteWriter& out) noexcept {
    out.be16(at, timeouts_length - 2);
    out.be32(at + 4, timeouts.nominal);
    out.be32(at + 8, timeouts.recommended);
    return timeouts_length;
}

bool is_there(const CommandInfo& info, bool zoned) noexcept {
    return info.target && (zoned || !info.target->zoned);
}

std::size_t encode_all(bool zoned, bool timeouts, ByteWriter out) noexcept {
    auto end = header_length;
    for (const auto& info : all_commands()) {
        if (!is_there(info, zoned)) continue;
        out.u8(end, info.opcode);
        out.be16(end + 2, info.action.value_or(0));
        out.u8(end + 5, (timeouts ? 1U << ctdp_bit : 0) | (info.action ? 1U << servactv_bit : 0));
        out.be16(end + 6, info.cdb_length);
        end += descriptor_length;
        if (timeouts) end += put_timeouts(info.target->timeouts, end, out);
    }
    out.be32(0, end - header_length);
    return end;
}

std::size_t encode_one(const CommandInfo& info, bool timeouts, ByteWriter out) noexcept {
    out.u8(1, as_in_standard | (timeouts ? 0x80 : 0));  // CTDP
    out.be16(2, info.cdb_length);
    for (std::size_t i = 0; i < info.cdb_length; ++i)
        out.u8(header_length + i, info.target->usage[i]);
    const auto end = header_length + info.cdb_length;
    return timeouts ? end + put_timeouts(info.target->timeouts, end, out) : end;
}

}  // namespace

tl::expected<std::size_t, Sense> encode_supported_opcodes(bool zoned, ByteView cdb,
                                                          std::span<std::uint8_t> bytes) noexcept {
    const Question asked(cdb);
    ByteWriter out(bytes);
    out.clear(0, max_opcodes_length);
    if (asked.option == 0) return encode_all(zoned, asked.timeouts, out);
    if (asked.option > 3) return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{2}));

    const CommandInfo* found = nullptr;
    for (const auto& info : commands_of(asked.opcode)) {
        if (!is_there(info, zoned)) continue;
        // Option 1 is for commands without service actions, 2 for those with, 3 for both.
        if (asked.option == (info.action ? 1 : 2))
            return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{2}));
        if (asked.option == 1 || info.action.value_or(0) == asked.action) found = &info;
    }
    return found ? encode_one(*found, asked.timeouts, out) : encode_unsupported_opcode(bytes);
}

bool hides_opcode(ByteView cdb, const Allowed& allowed) noexcept {
    const Question asked(cdb);
    return asked.option != 0 && !allowed.shows(asked.opcode, asked.option != 1, asked.action);
}

std::size_t edit_supported_opcodes(std::span<std::uint8_t> bytes, std::size_t arrived,
                                   const Allowed& allowed) noexcept {
    const ByteView reply(bytes.first(arrived));
    if (!reply.covers(0, header_length)) return arrived;
    const auto end = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::uint64_t{reply.be32(0)} + header_length, arrived));
    auto kept = header_length;
    for (auto at = header_length; at < end;) {
        const auto length = descriptor_length + (reply.bit(at + 5, ctdp_bit) ? timeouts_length : 0);
        if (length > end - at) break;
        if (allowed.shows(reply.u8(at), reply.bit(at + 5, servactv_bit), reply.be16(at + 2))) {
            const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
            std::copy(from, from + static_cast<std::ptrdiff_t>(length),
                      bytes.begin() + static_cast<std::ptrdiff_t>(kept));
            kept += length;
        }
        at += length;
    }
    ByteWriter(bytes).be32(0, kept - header_length);
    return kept;
}

std::size_t encode_unsupported_opcode(std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    out.clear(0, header_length);
    out.u8(1, not_supported);
    return std::min(header_length, bytes.size());
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
