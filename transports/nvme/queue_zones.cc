// The queue's zone actions and reports: sequences of commands, each sent when the last one
// completes.
#include <algorithm>

#include "transports/nvme/queue.h"

namespace zonebridge::nvme {
namespace {

// Finishing a zone may write the rest of it; finishing all of them takes minutes.
constexpr std::uint32_t zone_timeout = 120'000;
constexpr std::uint32_t all_zones_timeout = 3'600'000;

zns::Action action_of(Operation operation) noexcept {
    switch (zone_action_of(operation)) {
        case ZoneAction::open:
            return zns::Action::open;
        case ZoneAction::close:
            return zns::Action::close;
        case ZoneAction::finish:
            return zns::Action::finish;
        case ZoneAction::reset:
            break;
    }
    return zns::Action::reset;
}

}  // namespace

// ---- Actions.

void NvmeQueue::begin_action(Slot& slot) noexcept {
    const auto& request = slot.request;
    const auto& layout = limits().layout;
    slot.count = 0;
    if (request.scope == Scope::zones) {
        slot.zone = layout.zone_of(request.offset);
        slot.end = layout.zone_of(request.offset + request.length - 1) + 1;
        return send_action(slot, slot.zone);
    }
    slot.command = zns::act_on_all(shared_.control->nsid(), action_of(request.operation));
    slot.timeout = all_zones_timeout;
    send(slot);
}

void NvmeQueue::send_action(Slot& slot, std::uint32_t zone) noexcept {
    slot.command = zns::act(shared_.control->nsid(), action_of(slot.request.operation),
                            lba_of(limits().layout.start_of(zone)));
    slot.timeout = zone_timeout;
    slot.data = {};
    send(slot);
}

void NvmeQueue::answered_action(Slot& slot) noexcept {
    if (slot.request.scope == Scope::all) return finish(slot, status_of_answer(slot));
    const auto status = status_of_answer(slot);
    if (!status.ok()) return finish(slot, status, slot.count);
    ++slot.count;
    ++slot.zone;
    if (slot.zone == slot.end || closing_) return finish(slot, {}, slot.count);
    send_action(slot, slot.zone);
}

// ---- Reports share a buffer, so they run one at a time.

void NvmeQueue::begin_report(Slot& slot) noexcept {
    slot.count = 0;
    slot.zone = limits().layout.zone_of(slot.request.offset);
    if (slot.request.zones.empty()) return finish(slot, {}, 0);
    reports_.push_back(&slot);
    if (reports_.size() == 1) send_report(slot);
}

void NvmeQueue::end_report(Slot& slot, Status status, std::uint64_t result) noexcept {
    reports_.erase(reports_.begin());
    finish(slot, status, result);
    if (!reports_.empty() && !closing_) send_report(*reports_.front());
}

void NvmeQueue::send_report(Slot& slot) noexcept {
    const auto& layout = limits().layout;
    const auto wanted = std::min<std::uint64_t>(layout.zone_count() - slot.zone,
                                                slot.request.zones.size() - slot.count);
    const auto bytes = std::min<std::uint64_t>(
        zns::report_header_size + wanted * zns::descriptor_size, report_bytes_.size());
    // Clear old data, so that it is not mistaken for the device's answer.
    std::fill_n(report_bytes_.begin(), bytes, std::uint8_t{0});
    slot.command = zns::report(shared_.control->nsid(), lba_of(layout.start_of(slot.zone)),
                               static_cast<std::uint32_t>(bytes));
    slot.data = {report_bytes_.data(), static_cast<std::uint32_t>(bytes), false};
    slot.timeout = 0;
    send(slot);
}

std::optional<Zone> NvmeQueue::decode(const zns::Report& report, std::size_t index,
                                      std::uint32_t zone) const noexcept {
    const auto& layout = limits().layout;
    const zns::ReportUnits units{limits().logical_block_size, layout.zone_size(), layout.size()};
    auto told = report.zone(index, units);
    if (!told || zns::fault_of(*told, zone, layout) != nullptr) return std::nullopt;
    // Zones that went bad may report another capacity.
    told->capacity = layout.capacity_of(zone);
    return *told;
}

void NvmeQueue::answered_report(Slot& slot) noexcept {
    const auto status = status_of_answer(slot);
    if (!status.ok()) return end_report(slot, status, 0);
    const zns::Report report({report_bytes_.data(), slot.data.length});
    if (report.count() == 0) return end_report(slot, {StatusCode::io_error, {}}, 0);
    const auto& layout = limits().layout;
    for (std::size_t i = 0; i < report.count(); ++i) {
        const auto zone = decode(report, i, slot.zone);
        if (!zone) return end_report(slot, {StatusCode::io_error, {}}, 0);
        slot.request.zones[slot.count++] = *zone;
        ++slot.zone;
    }
    if (slot.zone == layout.zone_count() || slot.count == slot.request.zones.size() || closing_)
        return end_report(slot, {}, slot.count);
    send_report(slot);
}

}  // namespace zonebridge::nvme
