// The command table is consistent in itself, and the CDB usage data of the target's commands are
// the standards', of which this file has its own copy.

#include "zbc/commands.h"

#include <set>
#include <string>
#include <tuple>

#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

std::string label(const CommandInfo& info) {
    return fmt::format("{} {:02X}h/{:02X}h", info.name, info.opcode, info.action.value_or(0));
}

bool is_field(const CommandInfo& info, CdbField field) {
    // CONTROL is the last byte; in 7Fh it is byte 1.
    const auto end = info.opcode == variable_length ? info.cdb_length : info.cdb_length - 1;
    return field.at >= 1 && field.width >= 1 && field.width <= 8 && field.at + field.width <= end;
}

bool counts_blocks(LengthRule rule) {
    return rule == LengthRule::blocks || rule == LengthRule::blocks_256 ||
           rule == LengthRule::verified || rule == LengthRule::one_block ||
           rule == LengthRule::twice;
}

TEST(CommandTable, IsSortedAndHasEveryCommandOnce) {
    const CommandInfo* before = nullptr;
    std::set<std::string_view> names;
    for (const auto& info : all_commands()) {
        if (before != nullptr) {
            EXPECT_LT(std::tie(before->opcode, before->action), std::tie(info.opcode, info.action))
                << label(info);
            // A row without a service action stands for the whole opcode.
            EXPECT_TRUE(before->opcode != info.opcode || before->action) << label(info);
        }
        EXPECT_TRUE(names.insert(info.name).second) << label(info);
        EXPECT_FALSE(info.name.empty() || info.allow_name.empty()) << label(info);
        before = &info;
    }
    EXPECT_GT(names.size(), 120U);
}

TEST(CommandTable, EveryCommandIsFoundByItsOpcodeAndServiceAction) {
    std::size_t rows = 0;
    for (unsigned code = 0; code < 256; ++code) {
        const auto opcode = static_cast<std::uint8_t>(code);
        rows += commands_of(opcode).size();
        for (const auto& info : commands_of(opcode)) EXPECT_EQ(info.opcode, opcode);
    }
    EXPECT_EQ(rows, all_commands().size());
    for (const auto& info : all_commands()) {
        EXPECT_EQ(find_command(info.opcode, info.action.value_or(0)), &info) << label(info);
        EXPECT_TRUE(has_action(info.opcode) || !info.action) << label(info);
        EXPECT_TRUE(info.opcode == variable_length || info.action.value_or(0) < 32) << label(info);
    }
    EXPECT_EQ(find_command(0xC1, 0), nullptr);
    EXPECT_EQ(find_command(0x9E, 0x1F), nullptr);
    EXPECT_EQ(find_command(0x3B, 0x05)->name, "WRITE BUFFER") << "one row for all modes";
}

TEST(CommandTable, CdbLengthsAgreeWithTheOpcodesGroup) {
    for (const auto& info : all_commands()) {
        const auto length = info.opcode == variable_length ? 32 : length_of_group(info.opcode);
        EXPECT_EQ(info.cdb_length, length) << label(info);
    }
}

TEST(CommandTable, FieldsLieInTheCdbAndDoNotOverlap) {
    for (const auto& info : all_commands()) {
        const auto& lba = info.lba;
        const auto& length = info.length;
        if (lba.width != 0) {
            EXPECT_TRUE(is_field(info, lba)) << label(info);
        }
        if (length.width != 0) {
            EXPECT_TRUE(is_field(info, length)) << label(info);
        }
        EXPECT_TRUE(lba.at + lba.width <= length.at || length.at + length.width <= lba.at)
            << label(info);
        if (info.cdb_length == 6 || lba.width == 0) continue;
        EXPECT_EQ(lba.width, info.cdb_length < 16 ? 4 : 8) << label(info);
        EXPECT_EQ(lba.at, info.opcode == variable_length ? 12 : 2) << label(info);
    }
}

TEST(CommandTable, TheColumnsOfARowAgree) {
    for (const auto& info : all_commands()) {
        const auto ranged = info.touch == ZoneTouch::reads || info.touch == ZoneTouch::writes ||
                            info.touch == ZoneTouch::flushes || info.touch == ZoneTouch::acts;
        if (ranged) {
            EXPECT_TRUE(info.lba.width != 0 && info.length.width != 0) << label(info);
        }
        switch (info.touch) {
            case ZoneTouch::none:
                break;
            case ZoneTouch::reads:
                EXPECT_EQ(info.operation, Operation::read) << label(info);
                EXPECT_FALSE(info.changes) << label(info);
                break;
            case ZoneTouch::writes:
                EXPECT_EQ(info.operation, Operation::write) << label(info);
                EXPECT_TRUE(info.changes) << label(info);
                break;
            case ZoneTouch::flushes:
                EXPECT_EQ(info.operation, Operation::flush) << label(info);
                break;
            case ZoneTouch::acts:
                EXPECT_TRUE(!info.operation || is_zone_action(*info.operation)) << label(info);
                EXPECT_TRUE(info.changes) << label(info);
                break;
            case ZoneTouch::everything:
                EXPECT_TRUE(info.changes) << label(info);
                EXPECT_EQ(info.passing, Passing::if_allowed) << label(info);
                break;
        }
        const auto moves = info.rule != LengthRule::none;
        if (info.rule != LengthRule::buffers) {
            EXPECT_EQ(info.direction != Direction::none, moves) << label(info);
        }
        if (counts_blocks(info.rule) || info.rule == LengthRule::field) {
            EXPECT_NE(info.length.width, 0) << label(info);
        }
        EXPECT_EQ(info.fixed_length != 0, info.rule == LengthRule::fixed) << label(info);
        if (info.edit != ReplyEdit::none) {
            EXPECT_EQ(info.rule, LengthRule::field) << label(info);
            EXPECT_EQ(info.direction, Direction::in) << label(info);
        }
        EXPECT_GE(info.limit_ms, discovery_limit_ms) << label(info);
    }
}

TEST(CommandTable, UsageDataAgreeWithTheFields) {
    for (const auto& info : target_commands()) {
        const auto& usage = info.target->usage;
        EXPECT_EQ(usage[0], info.opcode) << label(info);
        if (info.action) {
            EXPECT_EQ(usage[1] & 0x1F, *info.action) << label(info);
        }
        for (const auto& field : {info.lba, info.length})
            for (std::size_t i = 0; i < field.width; ++i) {
                const auto short_lba = info.cdb_length == 6 && field.at == 1 && i == 0;
                EXPECT_EQ(usage[field.at + i], short_lba ? 0x1F : 0xFF) << label(info);
            }
        for (std::size_t i = info.cdb_length - 1U; i < usage.size(); ++i)
            EXPECT_EQ(usage[i], 0) << label(info) << ": CONTROL and the bytes behind it";
        EXPECT_GT(info.target->timeouts.nominal, 0U) << label(info);
        EXPECT_GT(info.target->timeouts.recommended, info.target->timeouts.nominal) << label(info);
    }
}

TEST(CommandTable, UsageDataAreThoseOfTheStandards) {
    struct Row {
        std::string_view name;
        std::string_view usage;
    };
    const Row rows[] = {
        {"TEST UNIT READY", "00 00*15"},
        {"REQUEST SENSE", "03 01 00 00 ff 00*11"},
        {"READ(6)", "08 1f ff ff ff 00*11"},
        {"WRITE(6)", "0a 1f ff ff ff 00*11"},
        {"INQUIRY", "12 01 ff ff ff 00*11"},
        {"MODE SELECT(6)", "15 11 00 00 ff 00*11"},
        {"MODE SENSE(6)", "1a 08 ff ff ff 00*11"},
        {"START STOP UNIT", "1b 01 00 0f f7 00*11"},
        {"READ CAPACITY(10)", "25 00*15"},
        {"READ(10)", "28 f8 ff ff ff ff 3f ff ff 00*7"},
        {"WRITE(10)", "2a f8 ff ff ff ff 3f ff ff 00*7"},
        {"VERIFY(10)", "2f f6 ff ff ff ff 3f ff ff 00*7"},
        {"SYNCHRONIZE CACHE(10)", "35 02 ff ff ff ff 3f ff ff 00*7"},
        {"MODE SELECT(10)", "55 11 00 00 00 00 00 ff ff 00*7"},
        {"MODE SENSE(10)", "5a 18 ff ff 00 00 00 ff ff 00*7"},
        {"READ(16)", "88 f8 ff*12 3f 00"},
        {"WRITE(16)", "8a f8 ff*12 3f 00"},
        {"VERIFY(16)", "8f f6 ff*12 3f 00"},
        {"SYNCHRONIZE CACHE(16)", "91 02 ff*12 3f 00"},
        {"CLOSE ZONE", "94 01 ff*8 00 00 ff ff 01 00"},
        {"FINISH ZONE", "94 02 ff*8 00 00 ff ff 01 00"},
        {"OPEN ZONE", "94 03 ff*8 00 00 ff ff 01 00"},
        {"RESET WRITE POINTER", "94 04 ff*8 00 00 ff ff 01 00"},
        {"REPORT ZONES", "95 00 ff*12 bf 00"},
        {"READ CAPACITY(16)", "9e 10 00*8 ff ff ff ff 00 00"},
        {"REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00*6"},
        {"REPORT SUPPORTED OPERATION CODES", "a3 0c 87 ff ff ff ff ff ff ff 00*6"},
        {"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "a3 0d 80 00 00 00 ff ff ff ff 00*6"},
        {"READ(12)", "a8 f8 ff*8 3f 00*5"},
        {"WRITE(12)", "aa f8 ff*8 3f 00*5"},
        {"VERIFY(12)", "af f6 ff*8 3f 00*5"},
    };
    const auto commands = target_commands();
    ASSERT_EQ(commands.size(), std::size(rows));
    for (std::size_t i = 0; i < commands.size(); ++i) {
        EXPECT_EQ(commands[i].name, rows[i].name);
        EXPECT_EQ(to_hex(commands[i].target->usage), to_hex(hex(rows[i].usage))) << rows[i].name;
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
