// The commands of the target, one row each, and how one is found by its CDB.

#include <algorithm>

#include "zbc/cdb.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t naca_bit = 2;  // of the CONTROL byte, a CDB's last

using enum Command;

// DPO and FUA; RDPROTECT and WRPROTECT too, which are evaluated and refused.
constexpr std::uint8_t rw_flags = 0xF8;
// VRPROTECT, DPO, BYTCHK.
constexpr std::uint8_t verify_flags = 0xF6;
constexpr std::uint8_t group = 0x3F;

// How long commands take, in seconds: what an initiator may expect, and when it should give up. A
// disk with busy or spinning media behind a queue of other work needs the second.
constexpr Timeouts at_once{1, 10};
constexpr Timeouts transfer{1, 60};
constexpr Timeouts flush{5, 180};
constexpr Timeouts zones{5, 180};     // ALL, and reports of every zone
constexpr Timeouts medium{30, 7200};  // VERIFY reads up to 2^32 blocks

constexpr std::array commands{
    CommandInfo{test_unit_ready, 0x00, {}, 6, false, {0x00}, "TEST UNIT READY", at_once},
    CommandInfo{
        request_sense, 0x03, {}, 6, false, {0x03, 0x01, 0, 0, 0xFF}, "REQUEST SENSE", at_once},
    CommandInfo{read, 0x08, {}, 6, false, {0x08, 0x1F, 0xFF, 0xFF, 0xFF}, "READ(6)", transfer},
    CommandInfo{write, 0x0A, {}, 6, false, {0x0A, 0x1F, 0xFF, 0xFF, 0xFF}, "WRITE(6)", transfer},
    CommandInfo{inquiry, 0x12, {}, 6, false, {0x12, 0x01, 0xFF, 0xFF, 0xFF}, "INQUIRY", at_once},
    CommandInfo{mode_select, 0x15, {}, 6, false, {0x15, 0x11, 0, 0, 0xFF}, "MODE SELECT(6)", flush},
    CommandInfo{
        mode_sense, 0x1A, {}, 6, false, {0x1A, 0x08, 0xFF, 0xFF, 0xFF}, "MODE SENSE(6)", at_once},
    CommandInfo{
        start_stop_unit, 0x1B, {}, 6, false, {0x1B, 0x01, 0, 0x0F, 0xF7}, "START STOP UNIT", flush},
    CommandInfo{read_capacity_10, 0x25, {}, 10, false, {0x25}, "READ CAPACITY(10)", at_once},
    CommandInfo{read,
                0x28,
                {},
                10,
                false,
                {0x28, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "READ(10)",
                transfer},
    CommandInfo{write,
                0x2A,
                {},
                10,
                false,
                {0x2A, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "WRITE(10)",
                transfer},
    CommandInfo{verify,
                0x2F,
                {},
                10,
                false,
                {0x2F, verify_flags, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "VERIFY(10)",
                medium},
    CommandInfo{synchronize_cache,
                0x35,
                {},
                10,
                false,
                {0x35, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "SYNCHRONIZE CACHE(10)",
                flush},
    CommandInfo{mode_select,
                0x55,
                {},
                10,
                false,
                {0x55, 0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF},
                "MODE SELECT(10)",
                flush},
    CommandInfo{mode_sense,
                0x5A,
                {},
                10,
                false,
                {0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF},
                "MODE SENSE(10)",
                at_once},
    CommandInfo{read,
                0x88,
                {},
                16,
                false,
                {0x88, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                 0xFF, group},
                "READ(16)",
                transfer},
    CommandInfo{write,
                0x8A,
                {},
                16,
                false,
                {0x8A, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                 0xFF, group},
                "WRITE(16)",
                transfer},
    CommandInfo{verify,
                0x8F,
                {},
                16,
                false,
                {0x8F, verify_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                 0xFF, 0xFF, group},
                "VERIFY(16)",
                medium},
    CommandInfo{
        synchronize_cache,
        0x91,
        {},
        16,
        false,
        {0x91, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
        "SYNCHRONIZE CACHE(16)",
        flush},
    CommandInfo{close_zone,
                0x94,
                0x01,
                16,
                true,
                {0x94, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "CLOSE ZONE",
                zones},
    CommandInfo{finish_zone,
                0x94,
                0x02,
                16,
                true,
                {0x94, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "FINISH ZONE",
                zones},
    CommandInfo{open_zone,
                0x94,
                0x03,
                16,
                true,
                {0x94, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "OPEN ZONE",
                zones},
    CommandInfo{reset_write_pointer,
                0x94,
                0x04,
                16,
                true,
                {0x94, 0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "RESET WRITE POINTER",
                zones},
    CommandInfo{
        report_zones,
        0x95,
        0x00,
        16,
        true,
        {0x95, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBF},
        "REPORT ZONES",
        zones},
    CommandInfo{read_capacity_16,
                0x9E,
                0x10,
                16,
                false,
                {0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
                "READ CAPACITY(16)",
                at_once},
    CommandInfo{report_luns,
                0xA0,
                {},
                12,
                false,
                {0xA0, 0x00, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
                "REPORT LUNS",
                at_once},
    CommandInfo{report_supported_opcodes,
                0xA3,
                0x0C,
                12,
                false,
                {0xA3, 0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
                "REPORT SUPPORTED OPERATION CODES",
                at_once},
    CommandInfo{report_supported_tmfs,
                0xA3,
                0x0D,
                12,
                false,
                {0xA3, 0x0D, 0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
                "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
                at_once},
    CommandInfo{read,
                0xA8,
                {},
                12,
                false,
                {0xA8, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
                "READ(12)",
                transfer},
    CommandInfo{write,
                0xAA,
                {},
                12,
                false,
                {0xAA, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
                "WRITE(12)",
                transfer},
    CommandInfo{verify,
                0xAF,
                {},
                12,
                false,
                {0xAF, verify_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
                "VERIFY(12)",
                medium},
};

// One past the index of an opcode's first command, which its others follow; 0: there is none.
constexpr auto first_of_opcode = [] {
    std::array<std::uint8_t, 256> first{};
    for (std::size_t i = commands.size(); i > 0; --i)
        first[commands[i - 1].opcode] = static_cast<std::uint8_t>(i);
    return first;
}();
static_assert(std::is_sorted(commands.begin(), commands.end(),
                             [](const auto& a, const auto& b) { return a.opcode < b.opcode; }));

}  // namespace

std::span<const CommandInfo> all_commands() noexcept {
    return commands;
}

tl::expected<const CommandInfo*, Sense> find_command(ByteView cdb, bool zoned) noexcept {
    if (cdb.size() == 0) return tl::unexpected(invalid_field_in_cdb(0));
    const CommandInfo* found = nullptr;
    auto opcode_known = false;
    const auto opcode = cdb.u8(0);
    for (std::size_t i = first_of_opcode[opcode];
         i != 0 && i <= commands.size() && commands[i - 1].opcode == opcode; ++i) {
        const auto& info = commands[i - 1];
        if (info.zoned && !zoned) continue;
        opcode_known = true;
        if (!info.service_action || *info.service_action == (cdb.u8(1) & 0x1F)) found = &info;
    }
    if (!found)
        return tl::unexpected(opcode_known ? invalid_field_in_cdb(1, std::uint8_t{4})
                                           : invalid_opcode());
    if (!cdb.covers(0, found->length))
        return tl::unexpected(invalid_field_in_cdb(static_cast<std::uint16_t>(cdb.size())));
    const auto control = static_cast<std::uint16_t>(found->length - 1);
    if (cdb.bit(control, naca_bit)) return tl::unexpected(invalid_field_in_cdb(control, naca_bit));
    return found;
}

}  // namespace zonebridge::zbc
