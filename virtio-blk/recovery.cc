#include "virtio-blk/recovery.h"

#include <span>
#include <utility>

#include "base/iovec.h"
#include "virtio-blk/slot.h"
#include "zone/check.h"

namespace zonebridge::virtio_blk {
namespace {

// Enough for every transport.
constexpr std::size_t readback_alignment = 4096;

}  // namespace

bool Recovery::may_repeat(const Slot& slot) const noexcept {
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
                   !leaves_required_zone(limits_.layout, slot.offset, slot.data_length());
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

bool Recovery::zone_tells(const Slot& slot) const noexcept {
    if (slot.type != RequestType::out || slot.offset >= limits_.size()) return false;
    const auto length = slot.data_length();
    return length != 0 && length <= limits_.max_transfer &&
           length <= limits_.size() - slot.offset &&
           !leaves_required_zone(limits_.layout, slot.offset, length);
}

std::optional<Request> Recovery::add(Slot& slot) noexcept {
    slot.next_recovered = nullptr;
    if (first_ != nullptr) {
        last_->next_recovered = &slot;
        last_ = &slot;
        return std::nullopt;
    }
    first_ = last_ = &slot;
    return ask_zone();
}

std::optional<Request> Recovery::end() noexcept {
    first_ = first_->next_recovered;
    if (first_ != nullptr) return ask_zone();
    last_ = nullptr;
    bytes_.reset();
    size_ = 0;
    return std::nullopt;
}

Request Recovery::ask_zone() noexcept {
    step_ = Step::asking_zone;
    Request request;
    request.tag = first_->tag();
    request.operation = Operation::report;
    request.offset = first_->offset;
    request.zones = std::span(&zone_, 1);
    return request;
}

std::variant<Recovery::Verdict, Request> Recovery::take(const Completion& completion) noexcept {
    const auto asked = std::exchange(step_, Step::judged);
    if (!completion.status.ok()) return Verdict::unknown;
    if (asked != Step::asking_zone) return same_data() ? Verdict::done : Verdict::unknown;
    if (completion.result != 1) return Verdict::unknown;
    return judge_by_pointer();
}

std::variant<Recovery::Verdict, Request> Recovery::judge_by_pointer() noexcept {
    const auto offset = first_->offset;
    const auto end = offset + first_->data_length();
    const auto full = zone_.state == ZoneState::full;
    if (!full && !zone_.write_pointer) return Verdict::unknown;
    const auto pointer = full ? zone_.start + zone_.capacity : *zone_.write_pointer;
    if (pointer == offset) return Verdict::not_done;
    if (pointer < end) return Verdict::unknown;

    // Other data may be there: it was this write only if the bytes are equal. A zone may also be
    // full because it was finished, or contain an append's data.
    const auto length = static_cast<std::size_t>(end - offset);
    if (size_ < length) {
        const auto rounded = (length + readback_alignment - 1) & ~(readback_alignment - 1);
        bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(readback_alignment, rounded)));
        size_ = bytes_ ? rounded : 0;
        if (!bytes_) return Verdict::unknown;
    }
    piece_ = {bytes_.get(), length};
    step_ = Step::reading_back;
    Request request;
    request.tag = first_->tag();
    request.operation = Operation::read;
    request.offset = offset;
    request.length = length;
    request.data = std::span(&piece_, 1);
    return request;
}

bool Recovery::same_data() const noexcept {
    const std::span found(reinterpret_cast<const std::uint8_t*>(bytes_.get()), piece_.iov_len);
    return !IovecCursor(first_->chain.readable, RequestHeader::size).compare(found);
}

}  // namespace zonebridge::virtio_blk
