// Plans mostly valid CDBs for passing through to a disk, and edits replies to those that pass.
// Requires that only allowed commands pass, that no transfer exceeds its buffers or the path's
// limit, and that an edit stays within its reply.
//
// Input: a byte each for the facts, the allowed commands, the buffers and the command of the table;
// then the CDB's bytes, changes of the CDB, and a reply.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/fuzz/scsi_commands.h"
#include "tests/fuzz/targets.h"
#include "zbc/passthrough.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;
using zbc::Edit;

constexpr std::array<std::string_view, 8> allow_lists{
    "",          "",
    "",          "write-buffer,mode-select",
    "0x9E/0x18", "variable-length,ata-pass-through,security-protocol-in",
    "0xC1,0x7F", "extended-copy,write-same,compare-and-write,format-unit"};

/// Parsed once: other tests cover the parser.
const zbc::Allowed& allowed_by(std::uint8_t choice) {
    static const auto sets = [] {
        std::vector<zbc::Allowed> made;
        for (const auto list : allow_lists)
            made.push_back(list.empty() ? zbc::Allowed() : zbc::parse_allowed(list).value());
        return made;
    }();
    return sets[choice % sets.size()];
}

/// Commands that change a disk, its settings or its access rights, or whose effect is unknown.
/// Whatever the table says, they must not pass unless allowed.
bool is_dangerous(std::span<const std::uint8_t> cdb) {
    const auto action = cdb.size() > 1 ? cdb[1] & 0x1F : 0;
    switch (cdb[0]) {
        case 0x04:  // FORMAT UNIT
        case 0x07:
        case 0x15:  // MODE SELECT
        case 0x16:
        case 0x17:
        case 0x1B:  // START STOP UNIT
        case 0x1D:  // SEND DIAGNOSTIC
        case 0x38:
        case 0x3B:  // WRITE BUFFER
        case 0x3F:  // WRITE LONG
        case 0x48:  // SANITIZE
        case 0x4C:  // LOG SELECT
        case 0x55:
        case 0x5F:  // PERSISTENT RESERVE OUT
        case 0x7F:
        case 0x83:  // EXTENDED COPY
        case 0x85:  // ATA PASS-THROUGH
        case 0x9F:
        case 0xA0:  // answered elsewhere
        case 0xA1:
        case 0xA2:  // SECURITY PROTOCOL
        case 0xA4:
        case 0xB5:
            return true;
        case 0x95:
            return action == 0x08;
        case 0x9E:
            return action == 0x14 || action == 0x15 || (action >= 0x18 && action <= 0x1A);
        default:
            return cdb[0] >= 0xC0 || cdb[0] >> 5 == 3;
    }
}

zbc::PassthroughFacts some_facts(Input& input) {
    const auto choice = input.byte();
    zbc::PassthroughFacts facts;
    facts.block_size = (choice & 1) != 0 ? 4096 : 512;
    facts.max_transfer = (choice & 2) != 0 ? 64 << 10 : 1 << 20;
    if ((choice & 0x30) == 0x30) facts.max_transfer = 200;
    facts.read_only = (choice & 4) != 0;
    facts.has_block_limits = (choice & 8) == 0;
    facts.peripheral = 0x14;
    return facts;
}

Bytes some_cdb(Input& input) {
    const auto table = zbc::all_commands();
    const auto choice = input.byte();
    const auto& command = table[choice % table.size()];
    Bytes cdb(command.cdb_length);
    const auto given = input.take(cdb.size());
    std::copy(given.begin(), given.end(), cdb.begin());
    cdb[0] = command.opcode;
    if (command.opcode == 0x7F) {
        cdb[7] = static_cast<std::uint8_t>(cdb.size() - 8);
        cdb[8] = static_cast<std::uint8_t>(command.action.value_or(0) >> 8);
        cdb[9] = static_cast<std::uint8_t>(command.action.value_or(0));
    } else if (command.action) {
        cdb[1] = static_cast<std::uint8_t>((cdb[1] & 0xE0) | *command.action);
    }
    const auto change = input.byte();
    if (change >= 0xC0) cdb[input.byte() % cdb.size()] ^= input.byte();
    if (change >= 0xF0) cdb.resize(input.byte() % 40);
    return cdb;
}

/// The size of the buffers, which is mostly sufficient.
std::uint64_t some_room(std::uint8_t choice, std::uint64_t moves) {
    switch (choice % 8) {
        case 0:
            return moves;
        case 1:
            return moves == 0 ? 0 : moves - 1;
        case 2:
            return choice;
        case 3:
            return std::uint64_t{1} << (choice >> 3);
        default:
            return 1 << 20;
    }
}

void require_reply(const zbc::Plan& plan, const zbc::PassthroughFacts& facts,
                   const zbc::Allowed& allowed, Input& input) {
    const auto received = input.rest();
    Bytes reply(plan.length, 0xC5);
    auto arrived = std::min<std::size_t>(received.size(), reply.size());
    if (plan.edit == Edit::made_up_block_limits) arrived = 0;
    std::copy_n(received.begin(), arrived, reply.begin());
    const auto length = zbc::edit_reply(plan, facts, allowed, reply, arrived);
    require(length <= reply.size() && length <= plan.reply_limit);
    const ByteView bytes(std::span<const std::uint8_t>(reply).first(length));
    switch (plan.edit) {
        case Edit::none:
            break;
        case Edit::supported_pages:
            if (length >= 4 && bytes.u8(1) == 0)
                for (std::size_t at = 4; at < length; ++at) require(bytes.u8(at) != 0x89);
            break;
        case Edit::block_limits:
            if (length >= 12 && bytes.u8(1) == 0xB0)
                require(std::uint64_t{bytes.be32(8)} * facts.block_size <=
                        std::max<std::uint64_t>(facts.max_transfer, facts.block_size));
            break;
        case Edit::made_up_block_limits:
            require(length < 2 || bytes.u8(1) == 0xB0);
            break;
        case Edit::mode_header_6:
            require(length <= 2 || bytes.bit(2, 7));
            break;
        case Edit::mode_header_10:
            require(length <= 3 || bytes.bit(3, 7));
            break;
        case Edit::supported_opcodes_all:
            for (std::size_t at = 4; at + 8 <= length; at += bytes.bit(at + 5, 1) ? 20 : 8)
                if (arrived >= 4)
                    require(allowed.shows(bytes.u8(at), bytes.bit(at + 5, 0), bytes.be16(at + 2)));
            break;
        case Edit::supported_opcode_none:
            require(length < 2 || (bytes.u8(1) & 0x07) == 1);
            break;
    }
}

void require_plan(const zbc::Plan& plan, const zbc::PassthroughFacts& facts,
                  const zbc::Allowed& allowed, const Bytes& cdb, std::uint64_t out,
                  std::uint64_t in, bool by_default) {
    require(allowed.passes(ByteView(cdb)));
    require(!by_default || !is_dangerous(cdb));
    require(!by_default || plan.command != nullptr);
    require(out == 0 || in == 0);
    require(!facts.read_only || (plan.command != nullptr && !plan.command->changes));
    require(plan.limit_ms != 0);
    require(plan.cdb_length >= 6 && plan.cdb_length <= zbc::Plan::max_cdb);
    // The CDB is unchanged, except for the length field if the reply is to be edited.
    for (std::size_t i = 0; i < plan.cdb_length; ++i) {
        const auto sent = plan.cdb[i] == (i < cdb.size() ? cdb[i] : 0);
        const std::size_t at = plan.command == nullptr ? 0 : plan.command->length.at;
        const std::size_t width = plan.command == nullptr ? 0 : plan.command->length.width;
        require(sent || (plan.edit != Edit::none && i >= at && i < at + width));
    }
    const auto room = plan.direction == zbc::Direction::in    ? in
                      : plan.direction == zbc::Direction::out ? out
                                                              : 0;
    if (plan.edit == Edit::none) {
        require(plan.length <= room && plan.length <= facts.max_transfer);
    } else {
        require(plan.length <= zbc::max_edited_reply);
        require(plan.reply_limit <= in && plan.direction != zbc::Direction::out);
        require(plan.length <= facts.max_transfer || plan.direction == zbc::Direction::none);
    }
    const auto meaning = meaning_of(std::span(cdb).first(std::min(cdb.size(), std::size_t{16})));
    const auto& effect = plan.effect;
    switch (meaning.effect) {
        case Effect::none:
            break;
        case Effect::read:
        case Effect::write:
        case Effect::verify:
            require(!meaning.odd);
            require(effect.touch == (meaning.effect == Effect::write ? zbc::ZoneTouch::writes
                                                                     : zbc::ZoneTouch::reads));
            require(effect.lba == meaning.lba && effect.blocks == meaning.count);
            if (meaning.effect != Effect::verify)
                require(plan.length == meaning.count * facts.block_size);
            else if (meaning.byte_check == 1)
                require(plan.length == meaning.count * facts.block_size);
            break;
        case Effect::action:
            require(!meaning.odd && effect.touch == zbc::ZoneTouch::acts);
            require(effect.all == meaning.all && effect.operation == meaning.operation);
            if (!effect.all) require(effect.lba == meaning.lba && effect.zones == meaning.count);
            break;
    }
}

void require_refusal(const zbc::NotSent& refusal, bool read_only) {
    if (refusal.delivery != zbc::Delivery::done) {
        require(refusal.delivery == zbc::Delivery::overrun ||
                refusal.delivery == zbc::Delivery::failure);
        return;
    }
    const auto protects = refusal.sense.key == zbc::SenseKey::data_protect;
    require(protects ? read_only : refusal.sense.key == zbc::SenseKey::illegal_request);
}

}  // namespace

Tally run_passthrough_plan(std::span<const std::uint8_t> bytes) {
    Input input(bytes.data(), bytes.size());
    Tally tally;
    const auto facts = some_facts(input);
    const auto choice = input.byte();
    const auto& allowed = allowed_by(choice);
    const auto by_default = allow_lists[choice % allow_lists.size()].empty();
    const auto buffers = input.byte();
    const auto cdb = some_cdb(input);
    // Twice: with ample room, and with about the room that the first plan needs.
    std::uint64_t moves = 0;
    for (const auto way : {0, 1}) {
        for (const auto room : {std::uint64_t{1} << 40, some_room(buffers, moves)}) {
            const auto both = buffers >= 0xF8 ? room : 0;
            const auto out = way == 0 ? room : both;
            const auto in = way == 0 ? both : room;
            const auto plan = zbc::plan_passthrough(ByteView(cdb), allowed, facts, out, in);
            if (cdb.empty()) {
                require(!plan);
                continue;
            }
            ++(plan ? tally.good : tally.refused)[cdb[0]];
            if (!plan) {
                require_refusal(plan.error(), facts.read_only);
                continue;
            }
            require_plan(*plan, facts, allowed, cdb, out, in, by_default);
            moves = plan->edit == Edit::none ? plan->length : plan->reply_limit;
            if (plan->edit != Edit::none) require_reply(*plan, facts, allowed, input);
        }
    }
    return tally;
}

}  // namespace zonebridge::fuzz
