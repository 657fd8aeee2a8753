// Which commands pass through to a disk: every opcode with every service action, checked against a
// list of this file's own.

#include <map>
#include <set>
#include <utility>

#include "tests/unit/zbc/support.h"
#include "zbc/allowed.h"
#include "zbc/commands.h"
#include "zbc/passthrough.h"

namespace zonebridge::zbc::test {
namespace {

using Key = std::pair<unsigned, unsigned>;  // opcode, service action (0 where there is none)

/// Commands that pass without --allow, and the lengths of their CDBs.
const std::map<Key, std::size_t>& by_default() {
    static const std::map<Key, std::size_t> commands{
        {{0x00, 0}, 6},      // TEST UNIT READY
        {{0x03, 0}, 6},      // REQUEST SENSE
        {{0x08, 0}, 6},      // READ(6)
        {{0x0A, 0}, 6},      // WRITE(6)
        {{0x12, 0}, 6},      // INQUIRY
        {{0x1A, 0}, 6},      // MODE SENSE(6)
        {{0x25, 0}, 10},     // READ CAPACITY(10)
        {{0x28, 0}, 10},     // READ(10)
        {{0x2A, 0}, 10},     // WRITE(10)
        {{0x2E, 0}, 10},     // WRITE AND VERIFY(10)
        {{0x2F, 0}, 10},     // VERIFY(10)
        {{0x34, 0}, 10},     // PRE-FETCH(10)
        {{0x35, 0}, 10},     // SYNCHRONIZE CACHE(10)
        {{0x4D, 0}, 10},     // LOG SENSE
        {{0x5A, 0}, 10},     // MODE SENSE(10)
        {{0x88, 0}, 16},     // READ(16)
        {{0x8A, 0}, 16},     // WRITE(16)
        {{0x8E, 0}, 16},     // WRITE AND VERIFY(16)
        {{0x8F, 0}, 16},     // VERIFY(16)
        {{0x90, 0}, 16},     // PRE-FETCH(16)
        {{0x91, 0}, 16},     // SYNCHRONIZE CACHE(16)
        {{0x94, 0x01}, 16},  // CLOSE ZONE
        {{0x94, 0x02}, 16},  // FINISH ZONE
        {{0x94, 0x03}, 16},  // OPEN ZONE
        {{0x94, 0x04}, 16},  // RESET WRITE POINTER
        {{0x94, 0x10}, 16},  // SEQUENTIALIZE ZONE
        {{0x95, 0x00}, 16},  // REPORT ZONES
        {{0x95, 0x06}, 16},  // REPORT REALMS
        {{0x95, 0x07}, 16},  // REPORT ZONE DOMAINS
        {{0x95, 0x09}, 16},  // ZONE QUERY
        {{0x9C, 0}, 16},     // WRITE ATOMIC(16)
        {{0x9E, 0x10}, 16},  // READ CAPACITY(16)
        {{0x9E, 0x12}, 16},  // GET LBA STATUS(16)
        {{0x9E, 0x16}, 16},  // GET STREAM STATUS
        {{0xA3, 0x0C}, 12},  // REPORT SUPPORTED OPERATION CODES
        {{0xA3, 0x0D}, 12},  // REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
        {{0xA8, 0}, 12},     // READ(12)
        {{0xAA, 0}, 12},     // WRITE(12)
        {{0xAE, 0}, 12},     // WRITE AND VERIFY(12)
        {{0xAF, 0}, 12},     // VERIFY(12)
    };
    return commands;
}

/// Opcodes whose byte 1 selects the command, by SPC-5, SBC-4, ZBC-2 and SCC-2; in 3Bh, 3Ch and 9Bh
/// it is a mode. 7Fh has a test of its own.
const std::set<unsigned>& with_actions() {
    static const std::set<unsigned> opcodes{0x3B, 0x3C, 0x48, 0x5E, 0x5F, 0x83, 0x84, 0x86, 0x87,
                                            0x94, 0x95, 0x9B, 0x9D, 0x9E, 0x9F, 0xA3, 0xA4, 0xA9,
                                            0xAB, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE, 0xBF};
    return opcodes;
}

constexpr std::uint64_t longest = 1 << 20;

PassthroughFacts command_facts() {
    PassthroughFacts facts;
    facts.max_transfer = longest;
    return facts;
}

/// "passes", "overrun", "failure", or the sense as text.
std::string outcome(const Bytes& cdb, const Allowed& allowed, std::uint64_t data_out = 0,
                    std::uint64_t data_in = longest) {
    const auto plan = plan_passthrough(ByteView(cdb), allowed, command_facts(), data_out, data_in);
    if (plan) return "passes";
    if (plan.error().delivery == Delivery::overrun) return "overrun";
    if (plan.error().delivery == Delivery::failure) return "failure";
    return words(plan.error().sense);
}

/// A CDB as virtio-scsi has it: 32 bytes, zeroes behind the command's own.
Bytes cdb_of(unsigned opcode, unsigned action) {
    Bytes cdb(32);
    cdb[0] = static_cast<std::uint8_t>(opcode);
    cdb[1] = static_cast<std::uint8_t>(action);
    return cdb;
}

TEST(PassedCommands, ExactlyTheListedOpcodesAndActionsPass) {
    const Allowed allowed;
    std::size_t passed = 0;
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        if (opcode == 0x7F) continue;
        for (unsigned action = 0; action < 32; ++action) {
            const auto key = Key{opcode, with_actions().contains(opcode) ? action : 0};
            // Byte 1 of VERIFY has BYTCHK: values other than 0 are invalid or need data.
            if (opcode == 0x2F || opcode == 0x8F || opcode == 0xAF)
                if ((action >> 1 & 3) != 0) continue;
            const auto may = by_default().contains(key);
            auto answer = outcome(cdb_of(opcode, action), allowed);
            if (may && answer == "overrun") answer = "passes";  // WRITE(6) cannot be without data
            EXPECT_EQ(answer, may ? "passes" : "5/20/00")
                << fmt::format("opcode {:02X}h action {:02X}h", opcode, action);
            passed += may ? 1 : 0;
        }
    }
    EXPECT_GT(passed, by_default().size()) << "the loop met the listed commands";
}

TEST(PassedCommands, NoCommandOfVariableLengthPasses) {
    const Allowed allowed;
    for (unsigned action = 0; action < 0x10000; ++action) {
        Bytes cdb(32);
        cdb[0] = 0x7F;
        cdb[7] = 0x18;
        cdb[8] = static_cast<std::uint8_t>(action >> 8);
        cdb[9] = static_cast<std::uint8_t>(action);
        ASSERT_EQ(outcome(cdb, allowed), "5/20/00") << action;
    }
}

TEST(PassedCommands, TheCommandTableAgreesWithTheDecision) {
    const Allowed allowed;
    std::size_t listed = 0;
    for (const auto& command : all_commands()) {
        const auto found = by_default().find(Key{command.opcode, command.action.value_or(0)});
        const auto may = found != by_default().end();
        EXPECT_EQ(command.passing == Passing::by_default, may) << command.name;
        EXPECT_TRUE(has_action(command.opcode) || !command.action) << command.name;
        EXPECT_EQ(find_command(command.opcode, command.action.value_or(0)), &command)
            << command.name;
        if (!may) continue;
        ++listed;
        EXPECT_EQ(command.cdb_length, found->second) << command.name;
    }
    EXPECT_EQ(listed, by_default().size());
}

TEST(PassedCommands, ReportLunsNeverPassesEvenIfAllowed) {
    EXPECT_EQ(outcome(cdb_of(0xA0, 0), Allowed()), "5/20/00");
    const auto allowed = parse_allowed("0xA0,report-luns").value();
    EXPECT_EQ(outcome(cdb_of(0xA0, 0), allowed), "5/20/00");
    EXPECT_TRUE(allowed.shows(0xA0, false, 0));
}

// ---- Commands that are refused unless allowed by name.

struct Named {
    std::string_view name;     // for messages
    std::string_view allowed;  // the name for --allow
    std::string_view cdb;      // the first bytes
};
class RefusedCommand : public testing::TestWithParam<Named> {};

TEST_P(RefusedCommand, PassesIfAllowedByName) {
    auto cdb = hex(GetParam().cdb);
    cdb.resize(32);
    EXPECT_EQ(outcome(cdb, Allowed()), "5/20/00") << GetParam().name;
    const auto allowed = parse_allowed(GetParam().allowed);
    ASSERT_TRUE(allowed) << allowed.error().message;
    EXPECT_EQ(outcome(cdb, *allowed), "passes") << GetParam().name;
}

TEST_P(RefusedCommand, DoesNotPassByAnotherName) {
    auto cdb = hex(GetParam().cdb);
    cdb.resize(32);
    for (const auto& command : all_commands()) {
        const ByteView view(cdb);
        if (command.allow_name == GetParam().allowed) continue;
        const auto allowed = parse_allowed(command.allow_name).value();
        EXPECT_EQ(outcome(cdb, allowed), "5/20/00")
            << GetParam().name << " allowed by " << command.allow_name;
    }
}

INSTANTIATE_TEST_SUITE_P(
    PassedCommands, RefusedCommand,
    testing::Values(
        Named{"PERSISTENT RESERVE IN", "persistent-reserve-in", "5E 00"},
        Named{"PERSISTENT RESERVE IN, full status", "persistent-reserve-in", "5E 03"},
        Named{"PERSISTENT RESERVE OUT, register", "persistent-reserve-out", "5F 00"},
        Named{"PERSISTENT RESERVE OUT, preempt and abort", "persistent-reserve-out", "5F 05"},
        Named{"RESERVE(6)", "reserve", "16"}, Named{"RELEASE(10)", "release", "57"},
        Named{"MODE SELECT(6)", "mode-select", "15"}, Named{"MODE SELECT(10)", "mode-select", "55"},
        Named{"LOG SELECT", "log-select", "4C"}, Named{"START STOP UNIT", "start-stop-unit", "1B"},
        Named{"EXTENDED COPY(LID1)", "extended-copy", "83 00"},
        Named{"EXTENDED COPY(LID4)", "extended-copy", "83 01"},
        Named{"WRITE USING TOKEN", "extended-copy", "83 11"},
        Named{"RECEIVE COPY STATUS", "receive-copy", "84 05"},
        Named{"RECEIVE COPY OPERATING PARAMETERS", "receive-copy", "84 03"},
        Named{"SEND DIAGNOSTIC", "send-diagnostic", "1D"},
        Named{"RECEIVE DIAGNOSTIC RESULTS", "receive-diagnostic-results", "1C"},
        Named{"WRITE BUFFER, microcode", "write-buffer", "3B 05"},
        Named{"WRITE BUFFER, activate", "write-buffer", "3B 0F"},
        Named{"READ BUFFER(10)", "read-buffer", "3C 02"},
        Named{"READ BUFFER(16)", "read-buffer", "9B 02"}, Named{"FORMAT UNIT", "format-unit", "04"},
        Named{"FORMAT WITH PRESET", "format-with-preset", "38"},
        Named{"SANITIZE, overwrite", "sanitize", "48 01"},
        Named{"SANITIZE, block erase", "sanitize", "48 02"},
        Named{"SANITIZE, cryptographic erase", "sanitize", "48 03"},
        Named{"SANITIZE, exit failure mode", "sanitize", "48 1F"},
        Named{"SECURITY PROTOCOL IN", "security-protocol-in", "A2"},
        Named{"SECURITY PROTOCOL OUT", "security-protocol-out", "B5"},
        Named{"ATA PASS-THROUGH(16)", "ata-pass-through", "85 06"},
        Named{"ATA PASS-THROUGH(12), which is BLANK of optical disks, too", "ata-pass-through",
              "A1 06"},
        Named{"READ(32)", "variable-length", "7F 00*6 18 00 09"},
        Named{"WRITE(32)", "variable-length", "7F 00*6 18 00 0B"},
        Named{"a vendor's command of variable length", "variable-length", "7F 00*6 18 80 00"},
        Named{"REASSIGN BLOCKS", "reassign-blocks", "07"}, Named{"UNMAP", "unmap", "42"},
        Named{"WRITE SAME(16) without data", "write-same", "93 01"},
        Named{"COMPARE AND WRITE", "compare-and-write", "89"}, Named{"ORWRITE", "orwrite", "8B"},
        Named{"READ LONG(10)", "read-long", "3E"}, Named{"READ LONG(16)", "read-long", "9E 11"},
        Named{"WRITE LONG(10)", "write-long", "3F"}, Named{"WRITE LONG(16)", "write-long", "9F 11"},
        Named{"WRITE SCATTERED", "write-scattered", "9F 12"},
        Named{"WRITE STREAM", "write-stream", "9A"},
        Named{"STREAM CONTROL", "stream-control", "9E 14"},
        Named{"BACKGROUND CONTROL", "background-control", "9E 15"},
        Named{"REMOVE ELEMENT AND TRUNCATE", "remove-element", "9E 18"},
        Named{"REMOVE ELEMENT AND MODIFY ZONES", "remove-element", "9E 1A"},
        Named{"RESTORE ELEMENTS AND REBUILD", "restore-elements", "9E 19"},
        Named{"ZONE ACTIVATE", "zone-activate", "95 08"},
        Named{"PREVENT ALLOW MEDIUM REMOVAL", "prevent-allow-medium-removal", "1E"},
        Named{"REPORT TARGET PORT GROUPS", "report-target-port-groups", "A3 0A"},
        Named{"SET TARGET PORT GROUPS", "set-target-port-groups", "A4 0A"},
        Named{"SET TIMESTAMP", "set-timestamp", "A4 0F"},
        Named{"READ DEFECT DATA(12)", "read-defect-data", "B7"},
        Named{"a vendor's command, by number", "0xC1", "C1"},
        Named{"the last vendor's command", "0xFF", "FF"},
        Named{"by opcode and action", "0x9E/0x1F", "9E 1F"},
        Named{"an action that has no name", "0x48/0x05", "48 05"}));

// ---- The argument of --allow.

TEST(Allowed, AnOpcodeAllowsAllItsActionsAndAnActionOnlyItself) {
    const auto all = parse_allowed("0x48").value();
    const auto one = parse_allowed("0x48/0x03").value();
    for (unsigned action = 0; action < 32; ++action) {
        EXPECT_TRUE(all.passes(0x48, static_cast<std::uint16_t>(action)));
        EXPECT_EQ(one.passes(0x48, static_cast<std::uint16_t>(action)), action == 3);
    }
    const auto read_32 = parse_allowed("0x7f/0x9").value();
    EXPECT_TRUE(read_32.passes(0x7F, 0x0009));
    EXPECT_FALSE(read_32.passes(0x7F, 0x000B));
    EXPECT_TRUE(parse_allowed("0x7F").value().passes(0x7F, 0xFFFF));
}

TEST(Allowed, ANameAllowsItsCommandsAndNoOthers) {
    const Allowed before;
    std::set<std::string_view> names;
    for (const auto& command : all_commands()) names.insert(command.allow_name);
    for (const auto name : names) {
        const auto after = parse_allowed(name).value();
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
            if (opcode == 0x7F) continue;
            for (unsigned action = 0; action < 32; ++action) {
                const auto code = static_cast<std::uint8_t>(opcode);
                const auto number = static_cast<std::uint16_t>(action);
                const auto* const command = find_command(code, number);
                const auto named = command != nullptr && command->allow_name == name &&
                                   command->passing != Passing::answered_above;
                EXPECT_EQ(after.passes(code, number), named || before.passes(code, number))
                    << fmt::format("{} {:02X}h/{:02X}h", name, opcode, action);
            }
        }
        EXPECT_EQ(after.passes(0x7F, 0x8001), name == "variable-length") << name;
    }
}

TEST(Allowed, SeveralEntriesAreSeparatedByCommasOrAddedOneByOne) {
    auto allowed = parse_allowed("write-buffer, 0xC1,sanitize").value();
    EXPECT_TRUE(allowed.passes(0x3B, 5) && allowed.passes(0xC1, 0) && allowed.passes(0x48, 1));
    ASSERT_TRUE(allowed.add("unmap"));
    EXPECT_TRUE(allowed.passes(0x42, 0) && allowed.passes(0x3B, 5));
    EXPECT_TRUE(allowed.passes(0x28, 0)) << "commands that pass by default still pass";
}

TEST(Allowed, AnUnknownNameIsAnErrorThatListsTheKnownNames) {
    const auto allowed = parse_allowed("format");
    ASSERT_FALSE(allowed);
    EXPECT_NE(allowed.error().message.find("no command 'format'"), std::string::npos);
    EXPECT_NE(allowed.error().message.find(" format-unit, "), std::string::npos);
    EXPECT_NE(allowed.error().message.find("0x9E/0x18"), std::string::npos);
    EXPECT_EQ(allowed.error().code, StatusCode::invalid_request);
}

TEST(Allowed, NothingIsAllowedIfAnyEntryIsWrong) {
    for (const auto* const text : {"",
                                   ",",
                                   "unmap,",
                                   ",unmap",
                                   "unmap,,sanitize",
                                   "unmap,nonsense",
                                   "UNMAP",
                                   "0x",
                                   "0x100",
                                   "0xC1/0x01",
                                   "0x48/0x20",
                                   "0x48/",
                                   "0x48/3",
                                   "0x7F/0x10000",
                                   "48",
                                   "0xZZ",
                                   "0x48/0x3/0x1",
                                   "0x48 /0x3",
                                   "-1",
                                   "0x-1",
                                   "unmap sanitize"}) {
        Allowed allowed;
        const auto added = allowed.add(text);
        EXPECT_FALSE(added) << text;
        EXPECT_FALSE(allowed.passes(0x42, 0)) << text;
        EXPECT_FALSE(allowed.passes(0x48, 3)) << text;
        if (!added) {
            EXPECT_FALSE(added.error().message.empty());
        }
    }
}

TEST(Allowed, EveryListedNameIsAccepted) {
    auto names = allow_names() + ", ";
    std::size_t count = 0;
    for (std::size_t at = 0; at < names.size(); ++count) {
        const auto end = names.find(", ", at);
        EXPECT_TRUE(parse_allowed(names.substr(at, end - at))) << names.substr(at, end - at);
        at = end + 2;
    }
    EXPECT_GT(count, 30U);
    EXPECT_EQ(names.find("test-unit-ready"), std::string::npos) << "it passes by default";
}

// ---- The length and the description of a CDB.

TEST(PassedCommands, TheCdbLengthFollowsFromTheOpcode) {
    const auto length = [](std::string_view text) {
        const auto cdb = hex(text);
        return cdb_length_of(ByteView(cdb));
    };
    EXPECT_EQ(length("00 00*31"), 6U);
    EXPECT_EQ(length("28 00*31"), 10U);
    EXPECT_EQ(length("42 00*31"), 10U);
    EXPECT_EQ(length("88 00*31"), 16U);
    EXPECT_EQ(length("A8 00*31"), 12U);
    EXPECT_EQ(length("7F 00*6 18 00*24"), 32U);
    EXPECT_EQ(length("7F 00*6 04 00*24"), 12U);
    EXPECT_EQ(length("7F 00*6 F8 00*24"), 256U) << "longer than the CDB's bytes";
    EXPECT_FALSE(length("7F 00*6 00 00*24"));
    EXPECT_FALSE(length("7F 00*6 17 00*24"));
    EXPECT_EQ(length("C1"), 16U);
    EXPECT_EQ(length("C1 00*31"), 16U);
    EXPECT_EQ(length("C1 00*18 01 00*12"), 20U);
    EXPECT_EQ(length("60 FF*31"), 32U);
}

TEST(PassedCommands, ACdbIsDescribedByNameAndNumbers) {
    const auto describe = [](std::string_view text) {
        const auto cdb = hex(text);
        std::string out(100, '?');
        out.resize(describe_cdb(ByteView(cdb), out));
        return out;
    };
    EXPECT_EQ(describe("3B 05"), "WRITE BUFFER 3Bh/05h");
    EXPECT_EQ(describe("48 01"), "SANITIZE OVERWRITE 48h/01h");
    EXPECT_EQ(describe("C1 05"), "opcode C1h");
    EXPECT_EQ(describe("9E 1F"), "opcode 9Eh/1Fh");
    EXPECT_EQ(describe("7F 00*7 80 01"), "opcode 7Fh/8001h");
    EXPECT_EQ(describe(""), "");
    std::array<char, 5> narrow{};
    const auto cdb = hex("48 01");
    EXPECT_EQ(describe_cdb(ByteView(cdb), narrow), 5U);
}

}  // namespace
}  // namespace zonebridge::zbc::test
