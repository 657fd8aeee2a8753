// Zone reports: filled one buffer of zones at a time, each continuing where the last piece ended,
// so that the cost of a report grows with its descriptors only.

#include <algorithm>

#include "virtio-blk/slot.h"

namespace zonebridge::virtio_blk {

void BlockDevice::start_report(Slot& slot) noexcept {
    // Without room for a single zone the driver would repeat the request for ever.
    if (slot.reply_length < report_header_size + zone_descriptor_size ||
        slot.header.sector >= limits_.size() / sector_size)
        return answer(slot, RequestStatus::invalid_command);
    slot.cursor = IovecCursor(slot.reply, report_header_size);
    slot.room = (slot.reply_length - report_header_size) / zone_descriptor_size;
    slot.reported = 0;
    slot.position = slot.offset;
    if (!free_report_buffers_.empty()) {
        slot.buffer = free_report_buffers_.back();
        free_report_buffers_.pop_back();
        return continue_report(slot);
    }
    slot.next_waiting = nullptr;
    if (last_waiting_report_ == nullptr)
        first_waiting_report_ = &slot;
    else
        last_waiting_report_->next_waiting = &slot;
    last_waiting_report_ = &slot;
}

void BlockDevice::continue_report(Slot& slot) noexcept {
    auto zones = std::span<Zone>(slot.buffer->zones);
    zones = zones.first(std::min<std::uint64_t>(zones.size(), slot.room - slot.reported));
    Request request;
    request.tag = reinterpret_cast<std::uintptr_t>(&slot);
    request.operation = Operation::report;
    request.offset = slot.position;
    request.zones = zones;
    enqueue(request);
}

void BlockDevice::finish_report_piece(Slot& slot, const Completion& completion) noexcept {
    if (!completion.status.ok()) return end_report(slot, status_of(slot, completion.status.code));
    const auto zones =
        std::span(slot.buffer->zones)
            .first(std::min<std::uint64_t>(completion.result, slot.buffer->zones.size()));
    for (const auto& zone : zones) {
        const auto descriptor = encode(zone);
        slot.cursor.write(descriptor);
    }
    slot.reported += zones.size();
    if (!zones.empty()) slot.position = zones.back().start + zones.back().length;
    if (!zones.empty() && slot.reported < slot.room && slot.position < limits_.size())
        return continue_report(slot);
    const auto header = encode_report_header(slot.reported);
    copy_to(slot.reply, 0, header);
    end_report(slot, RequestStatus::ok);
}

void BlockDevice::end_report(Slot& slot, RequestStatus status) noexcept {
    auto* const buffer = slot.buffer;
    slot.buffer = nullptr;
    answer(slot, status);
    auto* const next = first_waiting_report_;
    if (next == nullptr) {
        free_report_buffers_.push_back(buffer);
        return;
    }
    first_waiting_report_ = next->next_waiting;
    if (first_waiting_report_ == nullptr) last_waiting_report_ = nullptr;
    next->buffer = buffer;
    continue_report(*next);
}

}  // namespace zonebridge::virtio_blk
