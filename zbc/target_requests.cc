#include "zbc/target_requests.h"

#include <algorithm>
#include <limits>

#include "zone/check.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint32_t invalid_field = 0x052400;  // INVALID FIELD IN CDB

/// What the command asked for; nothing for commands that concern no blocks of the disk.
std::optional<Refusal> asked_for(const CommandInfo& info, ByteView cdb, const Unit& unit,
                                 const Layout& layout) noexcept {
    const auto bytes = [&](std::uint64_t blocks) {
        return std::min(blocks, std::numeric_limits<std::uint64_t>::max() / unit.block_size) *
               unit.block_size;
    };
    if (!info.operation) return std::nullopt;
    Refusal asked;
    asked.operation = *info.operation;
    switch (info.touch) {
        case ZoneTouch::reads:
        case ZoneTouch::writes: {
            const auto range = decode_block_range(info, cdb);
            asked.offset = bytes(range.lba);
            asked.length = bytes(range.blocks);
            return asked;
        }
        case ZoneTouch::acts: {
            const auto fields = decode_zone_action(cdb);
            asked.scope = fields.all ? Scope::all : Scope::zones;
            if (fields.all) return asked;
            asked.offset = bytes(fields.zone_lba);
            asked.length = fields.zones * layout.zone_size();
            // The last zone may be a shorter one.
            if (asked.offset < layout.size() && asked.length > layout.size() - asked.offset &&
                fields.zones <= layout.zone_count() - layout.zone_of(asked.offset))
                asked.length = layout.size() - asked.offset;
            return asked;
        }
        case ZoneTouch::none:  // with an operation of the model: REPORT ZONES
            asked.offset = bytes(read_field(cdb, info.lba));
            return asked;
        case ZoneTouch::flushes:
        case ZoneTouch::everything:
            break;
    }
    return std::nullopt;
}

/// The rule that was broken: the model's code if the model refuses the request, too, else what the
/// sense data mean.
StatusCode rule_of(const Limits& limits, const Refusal& asked, const Sense& sense,
                   std::size_t pieces) noexcept {
    const iovec whole{nullptr, asked.length};
    Request request;
    request.operation = asked.operation;
    request.scope = asked.scope;
    request.offset = asked.offset;
    request.length = asked.length;
    if (asked.operation == Operation::read || asked.operation == Operation::write)
        request.data = {&whole, 1};
    if (const auto code = check(limits, request); code != StatusCode::ok) return code;
    if (sense.code() != invalid_field) return status_of(sense, asked.operation);
    return pieces > limits.max_segments && !limits.any_length ? StatusCode::too_large
                                                              : StatusCode::unsupported;
}

}  // namespace

std::optional<Sense> refuse_range(const Unit& unit, std::uint64_t lba,
                                  std::uint64_t blocks) noexcept {
    // Read once: a disk without zones may shrink meanwhile.
    const std::uint64_t there = unit.blocks;
    if (lba >= there) return lba_out_of_range(lba);
    if (blocks > there - lba) return lba_out_of_range(there);
    return std::nullopt;
}

tl::expected<ByteRange, Sense> checked_range(const TargetFacts& facts, const CommandInfo& info,
                                             const BlockRange& range, bool limited) noexcept {
    const auto& unit = facts.unit;
    if (const auto sense = refuse_range(unit, range.lba, range.blocks))
        return tl::unexpected(*sense);
    const ByteRange bytes{range.lba * unit.block_size,
                          std::uint64_t{range.blocks} * unit.block_size};
    if (bytes.length == 0) return bytes;
    if (limited && bytes.length > facts.disk.limits().longest_request())
        return tl::unexpected(invalid_field_in_cdb(info.length.at));
    if (const auto sense = info.touch == ZoneTouch::writes
                               ? facts.geometry.refuse_write(bytes.offset, bytes.length)
                               : facts.geometry.refuse_read(bytes.offset, bytes.length))
        return tl::unexpected(*sense);
    return bytes;
}

tl::expected<Request, Sense> zone_action_request(const TargetFacts& facts, const CommandInfo& info,
                                                 ByteView cdb) noexcept {
    const auto& unit = facts.unit;
    const auto& layout = facts.disk.limits().layout;
    const auto fields = decode_zone_action(cdb);
    Request request;
    request.operation = *info.operation;
    if (fields.all) {
        request.scope = Scope::all;
        return request;
    }
    if (const auto sense = refuse_range(unit, fields.zone_lba, 1)) return tl::unexpected(*sense);
    const auto offset = fields.zone_lba * unit.block_size;
    const auto first = layout.zone_of(offset);
    if (offset != layout.start_of(first) || layout.is_conventional(first))
        return tl::unexpected(invalid_field_in_cdb(info.lba.at));
    auto fits = fields.zones <= layout.zone_count() - first;
    for (auto zone = first; fits && zone < first + fields.zones; ++zone)
        fits = !layout.is_conventional(zone);
    if (!fits) return tl::unexpected(invalid_field_in_cdb(info.length.at));
    const auto last = first + fields.zones - 1;
    request.offset = offset;
    request.length = layout.start_of(last) + layout.length_of(last) - offset;
    return request;
}

std::optional<Refusal> refusal_of(const TargetFacts& facts, const Task& task,
                                  const TaskResult& result) noexcept {
    const auto sense = decode_sense(std::span(result.sense).first(result.sense_length));
    if (!sense || sense->key == SenseKey::unit_attention || sense->key == SenseKey::not_ready)
        return std::nullopt;
    const ByteView cdb(task.cdb);
    const auto info = find_target_command(cdb, facts.unit.zoned());
    if (!info) return std::nullopt;
    const auto& limits = facts.disk.limits();
    auto asked = asked_for(**info, cdb, facts.unit, limits.layout);
    if (!asked) return std::nullopt;
    const auto pieces = std::max(task.data_in.size(), task.data_out.size());
    asked->status.code = rule_of(limits, *asked, *sense, pieces);
    // By its own SWP: the initiator knows.
    if (asked->status.code == StatusCode::read_only && !facts.unit.read_only) return std::nullopt;
    return asked;
}

}  // namespace zonebridge::zbc
