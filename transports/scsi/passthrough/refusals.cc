#include "transports/scsi/passthrough/refusals.h"

#include <algorithm>
#include <array>
#include <new>

#include "transports/scsi/answer.h"
#include "transports/scsi/passthrough/deliver.h"
#include "zbc/report_decode.h"

namespace zonebridge::scsi {
namespace {

std::optional<Operation> operation_of(const zbc::Plan& plan) noexcept {
    switch (plan.effect.touch) {
        case zbc::ZoneTouch::reads:
            return Operation::read;
        case zbc::ZoneTouch::writes:
            return Operation::write;
        case zbc::ZoneTouch::acts:
            return plan.effect.operation;
        case zbc::ZoneTouch::none:
        case zbc::ZoneTouch::flushes:
        case zbc::ZoneTouch::everything:
            return std::nullopt;
    }
    return std::nullopt;
}

struct Look {
    std::optional<Zone> zone;
    std::optional<zbc::Attention> attention;
};

/// The zone that holds `offset`, by one command without retries.
Look look_at_zone(Port& port, const DiskFacts& disk, std::uint64_t offset) {
    alignas(512) std::array<std::uint8_t, 512> buffer{};
    const auto& layout = disk.limits.layout;
    const auto block = disk.limits.logical_block_size;
    const auto number = layout.zone_of(offset);
    const iovec data{buffer.data(), buffer.size()};
    const auto call = disk.dialect->report(layout.start_of(number) / block, buffer.size());
    const auto answer = port.run({.cdb = call.cdb(),
                                  .direction = call.direction,
                                  .data = {&data, 1},
                                  .length = buffer.size(),
                                  .timeout_ms = call.timeout_ms});
    if (const auto attention = taken_attention(answer)) return {std::nullopt, attention};
    if (!disk.dialect->judge(answer, Operation::report, 0).ok()) return {};
    const auto reply = std::span(buffer).first(
        buffer.size() - std::min<std::size_t>(answer.residual, buffer.size()));
    const auto raw = disk.dialect->zone_descriptor(reply, 0);
    if (!raw) return {};
    const auto told = zbc::read_zone(*raw, block);
    if (!told || told->start != layout.start_of(number)) return {};
    Zone zone;
    zone.start = layout.start_of(number);
    zone.length = layout.length_of(number);
    zone.capacity = layout.capacity_of(number);
    zone.write_pointer = told->write_pointer;
    zone.type = layout.type_of(number);
    zone.state = told->state;
    return {zone, std::nullopt};
}

}  // namespace

bool is_zone_refusal(const zbc::Plan& plan, const Answer& answer) noexcept {
    const auto operation = operation_of(plan);
    return operation && sense_of(answer) &&
           kind_of(judge(answer, *operation, 0).code) == RefusalKind::zone;
}

std::optional<zbc::Attention> explain(Port& port, const DiskFacts& disk, const zbc::Plan& plan,
                                      const Answer& answer, RefusalSink& sink) noexcept {
    const auto operation = operation_of(plan);
    if (!operation) return std::nullopt;
    const auto& limits = disk.limits;
    const std::uint64_t block = limits.logical_block_size;
    const auto total = limits.size() / block;
    const auto lba = std::min(plan.effect.lba, total);
    const auto blocks = is_zone_action(*operation)
                            ? plan.effect.zones * (limits.layout.zone_size() / block)
                            : plan.effect.blocks;
    Refusal refusal;
    refusal.operation = *operation;
    refusal.status = judge(answer, *operation, 0);
    Look look;
    if (!plan.effect.all) {
        refusal.offset = lba * block;
        refusal.length = std::min(blocks, total - lba) * block;
        if (lba < total && limits.layout.zone_count() != 0) {
            try {
                look = look_at_zone(port, disk, refusal.offset);
            } catch (const std::bad_alloc&) {  // reported without its zone
            }
        }
    }
    refusal.zone = look.zone;
    sink.refused(refusal);
    return look.attention;
}

}  // namespace zonebridge::scsi
