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
    // Select All acts on the same zones as the model, except for OPEN: if the limit does not allow
    // all of them, devices have opened some before they report the error.
    if (request.operation == Operation::open) return begin_walk(slot);
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
    if (slot.request.scope == Scope::all) {
        if (slot.request.operation == Operation::open) return answered_open_all(slot);
        return finish(slot, status_of_answer(slot));
    }
    const auto status = status_of_answer(slot);
    if (!status.ok()) return finish(slot, status, slot.count);
    ++slot.count;
    ++slot.zone;
    if (slot.zone == slot.end || closing_) return finish(slot, {}, slot.count);
    send_action(slot, slot.zone);
}

// ---- Walks use the report buffer, so they run one at a time.

void NvmeQueue::begin_walk(Slot& slot) noexcept {
    slot.count = 0;
    slot.zone = limits().layout.zone_of(slot.request.offset);
    if (slot.request.operation == Operation::report && slot.request.zones.empty())
        return finish(slot, {}, 0);
    walks_.push_back(&slot);
    if (walks_.size() == 1) send_report(slot);
}

void NvmeQueue::end_walk(Slot& slot, Status status, std::uint64_t result) noexcept {
    walks_.erase(walks_.begin());
    finish(slot, status, result);
    if (!walks_.empty() && !closing_) send_report(*walks_.front());
}

void NvmeQueue::send_report(Slot& slot) noexcept {
    const auto& layout = limits().layout;
    if (slot.request.operation == Operation::open && slot.zone == 0) {
        open_all_.phase = OpenAll::Phase::counting;
        open_all_.open = 0;
        open_all_.closed.clear();
        open_all_.next = 0;
    }
    std::uint64_t wanted = layout.zone_count() - slot.zone;
    if (slot.request.operation == Operation::report)
        wanted = std::min<std::uint64_t>(wanted, slot.request.zones.size() - slot.count);
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
    if (!status.ok()) return end_walk(slot, status, 0);
    const zns::Report report({report_bytes_.data(), slot.data.length});
    if (report.count() == 0) return end_walk(slot, {StatusCode::io_error, {}}, 0);
    const auto& layout = limits().layout;
    for (std::size_t i = 0; i < report.count(); ++i) {
        const auto zone = decode(report, i, slot.zone);
        if (!zone) return end_walk(slot, {StatusCode::io_error, {}}, 0);
        slot.request.zones[slot.count++] = *zone;
        ++slot.zone;
    }
    if (slot.zone == layout.zone_count() || slot.count == slot.request.zones.size() || closing_)
        return end_walk(slot, {}, slot.count);
    send_report(slot);
}

// OPEN over the limit opens nothing. With a limit all zones are reported before the first is
// opened: the device may close others to make room, and those must not be opened. Without one, the
// zones of one report are opened before the next report.

void NvmeQueue::answered_open_all(Slot& slot) noexcept {
    const auto status = status_of_answer(slot);
    if (!status.ok()) return end_walk(slot, status, 0);
    auto& all = open_all_;
    if (all.phase == OpenAll::Phase::opening) return open_next(slot);

    const auto& layout = limits().layout;
    const zns::Report report({report_bytes_.data(), slot.data.length});
    if (report.count() == 0) return end_walk(slot, {StatusCode::io_error, {}}, 0);
    for (std::size_t i = 0; i < report.count(); ++i, ++slot.zone) {
        const auto zone = decode(report, i, slot.zone);
        if (!zone) return end_walk(slot, {StatusCode::io_error, {}}, 0);
        all.open += zone->state == ZoneState::explicit_open;
        if (zone->state != ZoneState::closed) continue;
        if (limits().max_open && all.closed.size() >= *limits().max_open)
            return end_walk(slot, {StatusCode::too_many_open, {}}, 0);
        all.closed.push_back(slot.zone);
    }
    if (limits().max_open && slot.zone != layout.zone_count()) return send_report(slot);
    if (limits().max_open && all.open + all.closed.size() > *limits().max_open)
        return end_walk(slot, {StatusCode::too_many_open, {}}, 0);
    all.phase = OpenAll::Phase::opening;
    open_next(slot);
}

void NvmeQueue::open_next(Slot& slot) noexcept {
    auto& all = open_all_;
    if (closing_) return end_walk(slot, {}, 0);
    if (all.next != all.closed.size()) return send_action(slot, all.closed[all.next++]);
    if (slot.zone == limits().layout.zone_count()) return end_walk(slot, {}, 0);
    all.phase = OpenAll::Phase::counting;
    all.closed.clear();
    all.next = 0;
    send_report(slot);
}

}  // namespace zonebridge::nvme
