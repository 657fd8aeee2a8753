#include "zbc/commands.h"

#include <algorithm>

#include <fmt/format.h>

namespace zonebridge::zbc {

std::uint16_t action_of(ByteView cdb) noexcept {
    const auto opcode = cdb.u8(0);
    if (!has_action(opcode)) return 0;
    return opcode == variable_length ? cdb.be16(8) : static_cast<std::uint16_t>(cdb.u8(1) & 0x1F);
}

std::optional<std::size_t> cdb_length_of(ByteView cdb) noexcept {
    const auto opcode = cdb.u8(0);
    if (opcode == variable_length) {
        const std::size_t length = std::size_t{8} + cdb.u8(7);
        if (length < 12 || length % 4 != 0) return std::nullopt;
        return length;
    }
    if (const auto length = length_of_group(opcode)) return *length;
    std::size_t length = cdb.size();
    while (length > 16 && cdb.u8(length - 1) == 0) --length;
    return std::max<std::size_t>(length, 16);
}

std::size_t describe_cdb(ByteView cdb, std::span<char> out) noexcept {
    if (cdb.size() == 0) return 0;
    const auto opcode = cdb.u8(0);
    const auto action = action_of(cdb);
    const auto* const command = find_command(opcode, action);
    const auto name = command ? command->name : std::string_view("opcode");
    const auto written =
        has_action(opcode)
            ? fmt::format_to_n(out.data(), out.size(), "{} {:02X}h/{:02X}h", name, opcode, action)
            : fmt::format_to_n(out.data(), out.size(), "{} {:02X}h", name, opcode);
    return std::min(written.size, out.size());
}

}  // namespace zonebridge::zbc
