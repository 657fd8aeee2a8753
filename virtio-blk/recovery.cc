// Recovery of requests that an earlier server took and never answered: which can be repeated, and
// what the zone shows of the others. docs/decisions/inflight.md.

#include <algorithm>
#include <cstring>

#include "virtio-blk/slot.h"
#include "zone/check.h"

namespace zonebridge::virtio_blk {
namespace {

// Enough for every transport.
constexpr std::size_t readback_alignment = 4096;

std::uint64_t data_length(const virtio::Chain& chain) noexcept {
    return chain.readable_length - RequestHeader::size;
}

/// Whether the data behind the header equal `bytes`.
bool same_data(const virtio::Chain& chain, std::span<const std::byte> bytes) noexcept {
    std::size_t skip = RequestHeader::size;
    for (const auto& piece : chain.readable) {
        const auto* begin = static_cast<const std::byte*>(piece.iov_base);
        const auto skipped = std::min(skip, piece.iov_len);
        skip -= skipped;
        const auto length = std::min(piece.iov_len - skipped, bytes.size());
        if (std::memcmp(begin + skipped, bytes.data(), length) != 0) return false;
        bytes = bytes.subspan(length);
    }
    return bytes.empty();
}

}  // namespace

void BlockDevice::recover(Port& port) noexcept {
    while (auto* const slot = port.slots.pop_recovered(port.queue)) {
        if (!parse(*slot)) {
            port.queue.push(slot->chain, 0);
            port.slots.give_back(*slot);
            loop_.note_ready();
        } else if (may_repeat(*slot)) {
            start(*slot);
        } else if (zone_tells(*slot)) {
            ask_zone(*slot);
        } else {
            answer(*slot, RequestStatus::io_error);
        }
    }
    submit();
}

bool BlockDevice::may_repeat(const Slot& slot) const noexcept {
    if (!slot.header.type) return true;
    switch (slot.type) {
        case RequestType::in:
        case RequestType::flush:
        case RequestType::get_id:
        case RequestType::zone_report:
        case RequestType::discard:  // never of a sequential write required zone
        case RequestType::write_zeroes:
            return true;
        case RequestType::out: {
            const auto& layout = limits_.layout;
            if (layout.zone_count() == 0 || slot.offset >= limits_.size()) return true;
            // A range over several zones is refused if it touches a sequential write required one.
            return !layout.is_required(layout.zone_of(slot.offset)) &&
                   !leaves_required_zone(limits_.layout, slot.offset, data_length(slot.chain));
        }
        case RequestType::zone_append:
        case RequestType::zone_open:
        case RequestType::zone_close:
        case RequestType::zone_finish:
        case RequestType::zone_reset:
        case RequestType::zone_reset_all:
            return false;
    }
    return false;
}

bool BlockDevice::zone_tells(const Slot& slot) const noexcept {
    if (!mode_.zoned || slot.type != RequestType::out || slot.offset >= limits_.size())
        return false;
    const auto length = data_length(slot.chain);
    return length != 0 && length <= limits_.max_transfer &&
           length <= limits_.size() - slot.offset &&
           !leaves_required_zone(limits_.layout, slot.offset, length);
}

void BlockDevice::ask_zone(Slot& slot) noexcept {
    slot.next_waiting = nullptr;
    if (recovering_ != nullptr) {
        last_recovering_->next_waiting = &slot;
        last_recovering_ = &slot;
        return;
    }
    recovering_ = last_recovering_ = &slot;
    slot.recovery = Recovery::asking_zone;
    Request request;
    request.tag = reinterpret_cast<std::uintptr_t>(&slot);
    request.operation = Operation::report;
    request.offset = slot.offset;
    request.zones = std::span(&readback_->zone, 1);
    enqueue(request);
}

void BlockDevice::ask_next_zone() noexcept {
    auto* const next = recovering_->next_waiting;
    auto* const last = last_recovering_;
    recovering_ = nullptr;
    if (next == nullptr) {
        readback_->bytes.reset();
        readback_->size = 0;
        return;
    }
    auto* const behind = next->next_waiting;
    ask_zone(*next);
    next->next_waiting = behind;
    last_recovering_ = last;
}

void BlockDevice::finish_recovery(Slot& slot, const Completion& completion) noexcept {
    const auto asked = std::exchange(slot.recovery, Recovery::none);
    if (!completion.status.ok() || (asked == Recovery::asking_zone && completion.result != 1))
        return answer(slot, RequestStatus::io_error);
    if (asked == Recovery::asking_zone) return judge_by_pointer(slot);
    const auto length = data_length(slot.chain);
    if (!same_data(slot.chain, {readback_->bytes.get(), static_cast<std::size_t>(length)}))
        return answer(slot, RequestStatus::io_error);
    // The data are on the disk. Whether they would survive a power cut is unknown.
    if (!mode_.write_through) return answer(slot, RequestStatus::ok);
    slot.flushing = true;
    start_flush(slot);
}

void BlockDevice::judge_by_pointer(Slot& slot) noexcept {
    const auto& zone = readback_->zone;
    const auto end = slot.offset + data_length(slot.chain);
    const auto full = zone.state == ZoneState::full;
    if (!full && !zone.write_pointer) return answer(slot, RequestStatus::io_error);
    const auto pointer = full ? zone.start + zone.capacity : *zone.write_pointer;
    // Not carried out, and the zone accepts it.
    if (pointer == slot.offset) return start(slot);
    if (pointer < end) return answer(slot, RequestStatus::io_error);

    // Other data may be there: it was this write only if the bytes are equal. A zone may also be
    // full because it was finished, or contain an append's data.
    auto& readback = *readback_;
    const auto length = static_cast<std::size_t>(end - slot.offset);
    if (readback.size < length) {
        const auto rounded = (length + readback_alignment - 1) & ~(readback_alignment - 1);
        readback.bytes.reset(
            static_cast<std::byte*>(std::aligned_alloc(readback_alignment, rounded)));
        readback.size = readback.bytes ? rounded : 0;
        if (!readback.bytes) return answer(slot, RequestStatus::io_error);
    }
    readback.piece = {readback.bytes.get(), length};
    slot.recovery = Recovery::reading_back;
    Request request;
    request.tag = reinterpret_cast<std::uintptr_t>(&slot);
    request.operation = Operation::read;
    request.offset = slot.offset;
    request.length = length;
    request.data = std::span(&readback.piece, 1);
    enqueue(request);
}

}  // namespace zonebridge::virtio_blk
