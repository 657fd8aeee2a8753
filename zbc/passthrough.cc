#include "zbc/passthrough.h"

#include <algorithm>
#include <limits>

#include "zbc/inquiry.h"
#include "zbc/time_limits.h"
#include "zbc/zac_identify.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t naca_bit = 2;  // of the CONTROL byte
constexpr auto limits_page = static_cast<std::uint8_t>(VpdPage::block_limits);

// What an edited reply is fetched with. Pages of more than this are not known; an odd length, or
// one of more than a byte, is more than some bridges take.
constexpr std::uint32_t page_length = 252;
constexpr std::uint32_t opcodes_length = 8192;
constexpr std::uint32_t one_opcode_length = 256;

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

std::uint64_t field(ByteView cdb, std::uint8_t at, std::uint8_t width) noexcept {
    switch (width) {
        case 1:
            return cdb.u8(at);
        case 2:
            return cdb.be16(at);
        case 3:
            return cdb.be24(at);
        case 4:
            return cdb.be32(at);
        case 8:
            return cdb.be64(at);
        default:
            return 0;
    }
}

tl::unexpected<NotSent> refuse(Refused why, const Sense& sense) noexcept {
    return tl::unexpected(NotSent{why, Delivery::done, sense});
}

tl::unexpected<NotSent> undelivered(Refused why, Delivery delivery) noexcept {
    return tl::unexpected(NotSent{why, delivery, {}});
}

/// The byte that RDPROTECT, BYTCHK and their like are in.
std::uint8_t flags_byte(const PassedCommand& command) noexcept {
    return command.opcode == variable_length ? 10 : 1;
}

bool is_six(const PassedCommand& command) noexcept {
    return command.cdb_length == 6;
}

/// The blocks that a command is about.
std::uint64_t blocks_of(const PassedCommand& command, ByteView cdb) noexcept {
    const auto count = field(cdb, command.length_at, command.length_width);
    return command.rule == LengthRule::blocks_256 && count == 0 ? 256 : count;
}

/// The bytes that it moves by its CDB.
tl::expected<std::uint64_t, NotSent> bytes_of(const PassedCommand& command, ByteView cdb,
                                              std::uint32_t block_size) noexcept {
    const auto count = blocks_of(command, cdb);
    const auto flags = flags_byte(command);
    switch (command.rule) {
        case LengthRule::none:
        case LengthRule::buffers:
            return 0;
        case LengthRule::field:
            return count;
        case LengthRule::fixed:
            return command.length_at;
        case LengthRule::blocks:
        case LengthRule::blocks_256:
            return count * block_size;
        case LengthRule::twice:
            return 2 * count * block_size;
        case LengthRule::field_512:
            return cdb.bit(4, 7) ? count * 512 : count;
        case LengthRule::one_block:  // NDOB: not in WRITE SAME(10)
            return command.cdb_length > 10 && cdb.bit(flags, 0) ? 0 : block_size;
        case LengthRule::verified:
            switch (cdb.u8(flags) >> 1 & 0x03) {
                case 0:
                    return 0;
                case 1:
                    return count * block_size;
                case 3:
                    return count == 0 ? 0 : block_size;
                default:
                    return refuse(Refused::malformed, invalid_field_in_cdb(flags, std::uint8_t{2}));
            }
    }
    return 0;
}

std::optional<Operation> operation_of(std::uint8_t action) noexcept {
    switch (action) {
        case 0x01:
            return Operation::close;
        case 0x02:
            return Operation::finish;
        case 0x03:
            return Operation::open;
        case 0x04:
            return Operation::reset;
        default:
            return std::nullopt;
    }
}

tl::expected<ZoneEffect, NotSent> effect_of(const PassedCommand& command, ByteView cdb) noexcept {
    ZoneEffect effect;
    effect.touch = command.touch;
    switch (command.touch) {
        case ZoneTouch::none:
        case ZoneTouch::flushes:
        case ZoneTouch::everything:
            break;
        case ZoneTouch::reads:
        case ZoneTouch::writes:
            effect.lba = field(cdb, command.lba_at, command.lba_width);
            if (is_six(command)) effect.lba &= 0x1FFFFF;
            effect.blocks = blocks_of(command, cdb);
            if (effect.blocks > last_number - effect.lba)
                return refuse(Refused::malformed, lba_out_of_range(effect.lba));
            // WRITE SAME of no blocks goes on to the disk's end.
            if (command.rule == LengthRule::one_block && effect.blocks == 0)
                effect.touch = ZoneTouch::everything;
            break;
        case ZoneTouch::acts:
            effect.all = cdb.bit(14, 0);
            effect.operation = operation_of(cdb.u8(1) & 0x1F);
            if (effect.all) break;
            effect.lba = field(cdb, command.lba_at, command.lba_width);
            effect.zones = std::max<std::uint32_t>(cdb.be16(12), 1);
            break;
    }
    return effect;
}

std::uint32_t limit_of(const PassedCommand& command, const ZoneEffect& effect) noexcept {
    if (command.touch != ZoneTouch::acts) return command.limit_ms;
    const auto several = effect.all || effect.zones > 1;
    return action_limit_ms(effect.operation.value_or(Operation::finish), several);
}

/// Sends `length` as the allocation length instead of what the initiator asked for, and keeps that
/// for later.
void fetch(Plan& plan, Edit edit, std::uint64_t length, const PassthroughFacts& facts) noexcept {
    length = std::min(length, facts.max_transfer);
    plan.edit = edit;
    plan.reply_limit = plan.length;
    plan.length = static_cast<std::uint32_t>(length);
    ByteWriter out(plan.cdb);
    const auto& command = *plan.command;
    switch (command.length_width) {
        case 1:
            out.u8(command.length_at, length);
            break;
        case 2:
            out.be16(command.length_at, length);
            break;
        default:
            out.be32(command.length_at, length);
            break;
    }
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
    const auto option = cdb.u8(2) & 0x07;
    const auto opcode = cdb.u8(3);
    const auto action = cdb.be16(4);
    if (option == 0) {
        fetch(plan, Edit::supported_opcodes_all, opcodes_length, facts);
        return;
    }
    // Option 1 is of commands without service actions, 2 of those with, 3 of either.
    const auto with_action = option != 1;
    if (!allowed.shows(opcode, with_action, action))
        fetch(plan, Edit::supported_opcode_none, one_opcode_length, facts);
}

tl::expected<void, NotSent> plan_edit(Plan& plan, ByteView cdb, const Allowed& allowed,
                                      const PassthroughFacts& facts) noexcept {
    switch (cdb.u8(0)) {
        case 0x12:
            return plan_inquiry(plan, cdb, facts);
        case 0x1A:
        case 0x5A:
            if (facts.read_only && plan.length != 0)
                fetch(plan, cdb.u8(0) == 0x1A ? Edit::mode_header_6 : Edit::mode_header_10,
                      plan.length, facts);
            return {};
        case 0xA3:
            if (action_of(cdb) == 0x0C) plan_opcodes(plan, cdb, allowed, facts);
            return {};
        default:
            return {};
    }
}

/// Protection information goes with the data, and nothing on the way carries it.
bool asks_for_protection(const PassedCommand& command, ByteView cdb) noexcept {
    const auto has_field = command.touch == ZoneTouch::reads || command.touch == ZoneTouch::writes;
    return has_field && command.rule != LengthRule::none && !is_six(command) &&
           (cdb.u8(flags_byte(command)) >> 5) != 0;
}

}  // namespace

tl::expected<Plan, NotSent> plan_passthrough(ByteView bytes, const Allowed& allowed,
                                             const PassthroughFacts& facts, std::uint64_t data_out,
                                             std::uint64_t data_in) noexcept {
    if (bytes.size() == 0) return refuse(Refused::malformed, invalid_field_in_cdb(0));
    if (!allowed.passes(bytes)) return refuse(Refused::not_allowed, invalid_opcode());

    Plan plan;
    plan.command = find_passed_command(bytes.u8(0), action_of(bytes));
    const auto length = cdb_length_of(bytes);
    const auto additional_length = std::uint16_t{7};
    if (!length || (plan.command && *length != plan.command->cdb_length))
        return refuse(Refused::malformed, invalid_field_in_cdb(additional_length));
    // A CDB that tells its length is there to its last byte; the rest of another one is zero.
    const auto tells = plan.command || (bytes.u8(0) < 0xC0 && bytes.u8(0) >> 5 != 3) ||
                       bytes.u8(0) == variable_length;
    if (tells && !bytes.covers(0, *length))
        return refuse(Refused::malformed,
                      invalid_field_in_cdb(static_cast<std::uint16_t>(bytes.size())));
    if (*length > Plan::max_cdb)
        return refuse(Refused::malformed,
                      invalid_field_in_cdb(bytes.u8(0) == variable_length
                                               ? additional_length
                                               : static_cast<std::uint16_t>(Plan::max_cdb)));
    const auto cdb = bytes.sub(0, *length);
    std::copy(cdb.bytes().begin(), cdb.bytes().end(), plan.cdb.begin());
    plan.cdb_length = static_cast<std::uint8_t>(*length);

    // NACA: the disk would then refuse everybody else until somebody cleared that.
    if (tells) {
        const auto control =
            static_cast<std::uint16_t>(bytes.u8(0) == variable_length ? 1 : *length - 1);
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
        if (asks_for_protection(command, cdb))
            return refuse(Refused::unsupported,
                          invalid_field_in_cdb(flags_byte(command), std::uint8_t{7}));
        const auto effect = effect_of(command, cdb);
        if (!effect) return tl::unexpected(effect.error());
        plan.effect = *effect;
        plan.limit_ms = limit_of(command, *effect);
        const auto moved = bytes_of(command, cdb, facts.block_size);
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
        if (plan.command && plan.command->length_width != 0)
            return refuse(Refused::too_long, invalid_field_in_cdb(plan.command->length_at));
        return refuse(Refused::too_long, illegal_request(0x24, 0x00));
    }
    plan.length = static_cast<std::uint32_t>(wanted);
    if (const auto edited = plan_edit(plan, cdb, allowed, facts); !edited)
        return tl::unexpected(edited.error());
    return plan;
}

}  // namespace zonebridge::zbc
