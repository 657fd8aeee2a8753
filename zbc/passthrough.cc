#include "zbc/passthrough.h"

#include <algorithm>
#include <limits>

#include "zbc/cdb.h"
#include "zbc/inquiry.h"
#include "zbc/supported_commands.h"
#include "zbc/zac_identify.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t naca_bit = 2;  // of the CONTROL byte
constexpr auto limits_page = static_cast<std::uint8_t>(VpdPage::block_limits);

// Allocation lengths for replies that are edited. No page is longer than this; some bridges take
// neither an odd length nor one of more than a byte.
constexpr std::uint32_t page_length = 252;
constexpr std::uint32_t opcodes_length = 8192;
constexpr std::uint32_t one_opcode_length = 256;

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

tl::unexpected<NotSent> refuse(Refused why, const Sense& sense) noexcept {
    return tl::unexpected(NotSent{why, Delivery::done, sense});
}

tl::unexpected<NotSent> undelivered(Refused why, Delivery delivery) noexcept {
    return tl::unexpected(NotSent{why, delivery, {}});
}

/// The bytes that a command moves by its CDB. `range` is of a command with a range.
tl::expected<std::uint64_t, NotSent> bytes_of(const CommandInfo& command, ByteView cdb,
                                              const BlockRange& range,
                                              std::uint32_t block_size) noexcept {
    switch (command.rule) {
        case LengthRule::none:
        case LengthRule::buffers:
            return 0;
        case LengthRule::field:
            return read_field(cdb, command.length);
        case LengthRule::fixed:
            return command.fixed_length;
        case LengthRule::blocks:
            return read_field(cdb, command.length) * block_size;
        case LengthRule::blocks_256:
            return std::uint64_t{range.blocks} * block_size;
        case LengthRule::twice:
            return std::uint64_t{2} * range.blocks * block_size;
        case LengthRule::field_512: {
            const auto count = read_field(cdb, command.length);
            return cdb.bit(4, 7) ? count * 512 : count;
        }
        case LengthRule::one_block:  // NDOB: not in WRITE SAME(10)
            return command.cdb_length > 10 && cdb.bit(flags_byte(command), 0) ? 0 : block_size;
        case LengthRule::verified:
            switch (range.byte_check) {
                case 0:
                    return 0;
                case 1:
                    return std::uint64_t{range.blocks} * block_size;
                case 3:
                    return range.blocks == 0 ? 0 : block_size;
                default:
                    return refuse(Refused::malformed,
                                  invalid_field_in_cdb(flags_byte(command), std::uint8_t{2}));
            }
    }
    return 0;
}

tl::expected<ZoneEffect, NotSent> effect_of(const CommandInfo& command, ByteView cdb,
                                            const BlockRange& range) noexcept {
    ZoneEffect effect;
    effect.touch = command.touch;
    switch (command.touch) {
        case ZoneTouch::none:
        case ZoneTouch::flushes:
        case ZoneTouch::everything:
            break;
        case ZoneTouch::reads:
        case ZoneTouch::writes:
            effect.lba = range.lba;
            effect.blocks = range.blocks;
            if (effect.blocks > last_number - effect.lba)
                return refuse(Refused::malformed, lba_out_of_range(effect.lba));
            // WRITE SAME of no blocks goes on to the disk's end.
            if (command.rule == LengthRule::one_block && effect.blocks == 0)
                effect.touch = ZoneTouch::everything;
            break;
        case ZoneTouch::acts: {
            const auto fields = decode_zone_action(cdb);
            effect.all = fields.all;
            effect.operation = command.operation;
            if (fields.all) break;
            effect.lba = fields.zone_lba;
            effect.zones = fields.zones;
            break;
        }
    }
    return effect;
}

std::uint32_t limit_of(const CommandInfo& command, const ZoneEffect& effect) noexcept {
    if (command.touch != ZoneTouch::acts) return command.limit_ms;
    const auto several = effect.all || effect.zones > 1;
    return action_limit_ms(effect.operation.value_or(Operation::finish), several);
}

/// Sends `length` as the allocation length instead of the initiator's, which is kept for the edit.
void fetch(Plan& plan, Edit edit, std::uint64_t length, const PassthroughFacts& facts) noexcept {
    length = std::min(length, facts.max_transfer);
    plan.edit = edit;
    plan.reply_limit = plan.length;
    plan.length = static_cast<std::uint32_t>(length);
    write_field(ByteWriter(plan.cdb), plan.command->length, length);
}

tl::expected<void, NotSent> plan_inquiry(Plan& plan, ByteView cdb,
                                         const PassthroughFacts& facts) noexcept {
    const auto is_page = cdb.bit(1, 0) && !cdb.bit(1, 1);  // EVPD without CMDDT
    if (!is_page) return {};
    const auto page = cdb.u8(2);
    if (page == zac::ata_information_page) return refuse(Refused::hidden, invalid_field_in_cdb(2));
    if (page == limits_page && !facts.has_block_limits) {
        plan.edit = Edit::made_up_block_limits;
        plan.reply_limit = plan.length;
        plan.length = page_length;
        plan.direction = Direction::none;
    } else if (plan.length == 0) {
        return {};
    } else if (page == 0x00) {
        fetch(plan, Edit::supported_pages, page_length, facts);
    } else if (page == limits_page) {
        fetch(plan, Edit::block_limits, page_length, facts);
    }
    return {};
}

void plan_opcodes(Plan& plan, ByteView cdb, const Allowed& allowed,
                  const PassthroughFacts& facts) noexcept {
    if (plan.length == 0) return;
    const auto all = (cdb.u8(2) & 0x07) == 0;  // REPORTING OPTIONS
    if (all)
        fetch(plan, Edit::supported_opcodes_all, opcodes_length, facts);
    else if (hides_opcode(cdb, allowed))
        fetch(plan, Edit::supported_opcode_none, one_opcode_length, facts);
}

tl::expected<void, NotSent> plan_edit(Plan& plan, ByteView cdb, const Allowed& allowed,
                                      const PassthroughFacts& facts) noexcept {
    const auto edit = plan.command ? plan.command->edit : ReplyEdit::none;
    switch (edit) {
        case ReplyEdit::none:
            break;
        case ReplyEdit::vpd_pages:
            return plan_inquiry(plan, cdb, facts);
        case ReplyEdit::write_protect:
            if (facts.read_only && plan.length != 0)
                fetch(plan, plan.cdb_length == 6 ? Edit::mode_header_6 : Edit::mode_header_10,
                      plan.length, facts);
            break;
        case ReplyEdit::supported_commands:
            plan_opcodes(plan, cdb, allowed, facts);
            break;
    }
    return {};
}

}  // namespace

tl::expected<Plan, NotSent> plan_passthrough(ByteView bytes, const Allowed& allowed,
                                             const PassthroughFacts& facts, std::uint64_t data_out,
                                             std::uint64_t data_in) noexcept {
    if (bytes.size() == 0) return refuse(Refused::malformed, invalid_field_in_cdb(0));
    const auto opcode = bytes.u8(0);
    const auto action = action_of(bytes);
    if (!allowed.passes(opcode, action)) return refuse(Refused::not_allowed, invalid_opcode());

    Plan plan;
    plan.command = find_command(opcode, action);
    const auto length = cdb_length_of(bytes);
    const auto additional_length = std::uint16_t{7};
    if (!length || (plan.command && *length != plan.command->cdb_length))
        return refuse(Refused::malformed, invalid_field_in_cdb(additional_length));
    // A CDB whose length is known has to be there to its last byte.
    const auto tells = plan.command || length_of_group(opcode) || opcode == variable_length;
    if (tells && !bytes.covers(0, *length))
        return refuse(Refused::malformed,
                      invalid_field_in_cdb(static_cast<std::uint16_t>(bytes.size())));
    if (*length > Plan::max_cdb)
        return refuse(Refused::malformed,
                      invalid_field_in_cdb(opcode == variable_length
                                               ? additional_length
                                               : static_cast<std::uint16_t>(Plan::max_cdb)));
    const auto cdb = bytes.sub(0, *length);
    std::copy(cdb.bytes().begin(), cdb.bytes().end(), plan.cdb.begin());
    plan.cdb_length = static_cast<std::uint8_t>(*length);

    // NACA: after an error the disk would refuse all its other users until the condition is cleared.
    if (tells) {
        const auto control =
            static_cast<std::uint16_t>(opcode == variable_length ? 1 : *length - 1);
        if (cdb.bit(control, naca_bit))
            return refuse(Refused::unsupported, invalid_field_in_cdb(control, naca_bit));
    }
    if (facts.read_only && (!plan.command || plan.command->changes))
        return refuse(Refused::read_only, write_protected());
    if (data_out != 0 && data_in != 0)
        return undelivered(Refused::bidirectional, Delivery::failure);

    auto wanted = std::uint64_t{0};
    if (plan.command) {
        const auto& command = *plan.command;
        const auto ranged = command.touch == ZoneTouch::reads || command.touch == ZoneTouch::writes;
        const auto range = ranged ? decode_block_range(command, cdb) : BlockRange();
        // Protection information goes with the data, and nothing on the path carries it.
        if (range.protect != 0)
            return refuse(Refused::unsupported,
                          invalid_field_in_cdb(flags_byte(command), std::uint8_t{7}));
        const auto effect = effect_of(command, cdb, range);
        if (!effect) return tl::unexpected(effect.error());
        plan.effect = *effect;
        plan.limit_ms = limit_of(command, *effect);
        const auto moved = bytes_of(command, cdb, range, facts.block_size);
        if (!moved) return tl::unexpected(moved.error());
        wanted = *moved;
        plan.direction = command.direction;
    } else {
        plan.effect.touch = ZoneTouch::everything;
        plan.limit_ms = many_limit_ms;
    }

    if (!plan.command || plan.command->rule == LengthRule::buffers) {
        const auto out_only = plan.direction == Direction::out;
        if (!out_only) plan.direction = data_in != 0 ? Direction::in : Direction::out;
        wanted = plan.direction == Direction::in ? data_in : data_out;
    }
    if (wanted == 0) plan.direction = Direction::none;
    const auto there = plan.direction == Direction::in    ? data_in
                       : plan.direction == Direction::out ? data_out
                                                          : std::uint64_t{0};
    if (wanted > there) return undelivered(Refused::overrun, Delivery::overrun);
    if (wanted > facts.max_transfer || wanted > std::numeric_limits<std::uint32_t>::max()) {
        if (plan.command && plan.command->length.width != 0)
            return refuse(Refused::too_long, invalid_field_in_cdb(plan.command->length.at));
        return refuse(Refused::too_long, illegal_request(0x24, 0x00));
    }
    plan.length = static_cast<std::uint32_t>(wanted);
    if (const auto edited = plan_edit(plan, cdb, allowed, facts); !edited)
        return tl::unexpected(edited.error());
    return plan;
}

}  // namespace zonebridge::zbc
