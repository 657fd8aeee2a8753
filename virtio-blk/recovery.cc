#include "virtio-blk/recovery.h"

#include <algorithm>
#include <utility>

#include "base/iovec.h"
#include "virtio-blk/slot.h"
#include "zone/check.h"
#include "zone/lost.h"

namespace zonebridge::virtio_blk {
namespace {

// Enough for every transport.
constexpr std::size_t readback_alignment = 4096;

// Bytes that are read at once: a request may be as long as the guest's memory.
constexpr std::uint64_t most_read = 1 << 20;

/// The zone action of a request on one zone.
std::optional<Operation> action_of(RequestType type) noexcept {
    switch (type) {
        case RequestType::zone_open:
            return Operation::open;
        case RequestType::zone_close:
            return Operation::close;
        case RequestType::zone_finish:
            return Operation::finish;
        case RequestType::zone_reset:
            return Operation::reset;
        case RequestType::in:
        case RequestType::out:
        case RequestType::flush:
        case RequestType::get_id:
        case RequestType::discard:
        case RequestType::write_zeroes:
        case RequestType::zone_append:
        case RequestType::zone_report:
        case RequestType::zone_reset_all:
            break;
    }
    return std::nullopt;
}

}  // namespace

bool Recovery::changes_nothing(const Slot& slot) noexcept {
    if (!slot.header.type) return true;
    switch (slot.type) {
        case RequestType::in:
        case RequestType::flush:
        case RequestType::get_id:
        case RequestType::zone_report:
            return true;
        case RequestType::out:
        case RequestType::discard:
        case RequestType::write_zeroes:
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

bool Recovery::may_repeat(const Slot& slot) const noexcept {
    const auto& layout = limits_.layout;
    switch (slot.type) {
        case RequestType::in:
        case RequestType::flush:
        case RequestType::get_id:
        case RequestType::zone_report:
        case RequestType::discard:  // never of a sequential write required zone
        case RequestType::write_zeroes:
            return true;
        case RequestType::out: {
            if (layout.zone_count() == 0 || slot.offset >= limits_.size()) return true;
            const auto length = slot.data_length();
            return !layout.is_required(layout.zone_of(slot.offset)) || length == 0 ||
                   length > limits_.longest_request() || length > limits_.size() - slot.offset ||
                   leaves_required_zone(layout, slot.offset, length);
        }
        case RequestType::zone_append:
        case RequestType::zone_open:
        case RequestType::zone_close:
        case RequestType::zone_finish:
        case RequestType::zone_reset:
            return layout.zone_count() == 0 || slot.offset >= limits_.size() ||
                   slot.offset != layout.start_of(layout.zone_of(slot.offset));
        case RequestType::zone_reset_all:
            return layout.zone_count() == 0;
    }
    return false;
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
    if (first_->type != RequestType::zone_reset_all) request.offset = first_->offset;
    request.zones = std::span(&zone_, 1);
    return request;
}

Recovery::Judgement Recovery::take(const Completion& completion) noexcept {
    const auto asked = std::exchange(step_, Step::judged);
    if (asked == Step::searching) {
        if (completion.status.ok())
            search_piece();
        else
            for_searched([](Slot& slot) { slot.search = Slot::Search::found; });
        return search_on();
    }
    if (!completion.status.ok()) return Verdict::unknown;
    if (asked == Step::reading_back) {
        if (!same_data()) return Verdict::unknown;
        compared_ += piece_.iov_len;
        return read_back();
    }
    return completion.result == 1 ? judge_by_zone() : Verdict::unknown;
}

Recovery::Judgement Recovery::judge_by_zone() noexcept {
    if (const auto action = action_of(first_->type))
        return shows_action(zone_.state, *action) ? Verdict::done : Verdict::not_done;
    // Zones that are empty stay empty.
    if (first_->type == RequestType::zone_reset_all) return Verdict::not_done;
    return first_->type == RequestType::zone_append ? judge_append() : judge_write();
}

Recovery::Judgement Recovery::judge_write() noexcept {
    compared_ = 0;
    switch (shown_of_write(zone_, first_->offset, first_->data_length())) {
        case Shown::not_done:
            return Verdict::not_done;
        case Shown::unknown:
            return Verdict::unknown;
        case Shown::perhaps:
            to_compare_ = first_->data_length();
            return read_back();
        case Shown::in_part:
            to_compare_ = *zone_.write_pointer - first_->offset;
            return read_back();
    }
    return Verdict::unknown;
}

/// Reads the next piece of what the write may have left, or ends the judgement.
Recovery::Judgement Recovery::read_back() noexcept {
    if (compared_ == to_compare_) {
        first_->written = compared_;
        return compared_ == first_->data_length() ? Verdict::done : Verdict::not_done;
    }
    step_ = Step::reading_back;
    return read(first_->offset + compared_,
                static_cast<std::size_t>(
                    std::min({to_compare_ - compared_, limits_.max_transfer, most_read})));
}

bool Recovery::same_data() const noexcept {
    const std::span found(reinterpret_cast<const std::uint8_t*>(bytes_.get()), piece_.iov_len);
    return !IovecCursor(first_->chain.readable, RequestHeader::size + compared_).compare(found);
}

Recovery::Judgement Recovery::read(std::uint64_t offset, std::size_t length) noexcept {
    if (size_ < length) {
        const auto rounded = (length + readback_alignment - 1) & ~(readback_alignment - 1);
        bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(readback_alignment, rounded)));
        size_ = bytes_ ? rounded : 0;
    }
    if (!bytes_) {
        for_searched([](Slot& slot) { slot.search = Slot::Search::found; });
        step_ = Step::judged;
        return Verdict::unknown;
    }
    piece_ = {bytes_.get(), length};
    Request request;
    request.tag = first_->tag();
    request.operation = Operation::read;
    request.offset = offset;
    request.length = length;
    request.data = std::span(&piece_, 1);
    return request;
}

// ---- Appends. Nothing tells where an append's data went: an append that was answered may have left
// the same bytes. But an append whose first block is nowhere in its zone was not carried out, and is
// carried out now. All appends to one zone that wait are searched for at once.

Recovery::Judgement Recovery::judge_append() noexcept {
    if (first_->search == Slot::Search::none) {
        const auto full = zone_.state == ZoneState::full;
        if (!full && !zone_.write_pointer) return Verdict::unknown;
        search_at_ = zone_.start;
        search_end_ = full ? zone_.start + zone_.capacity : *zone_.write_pointer;
        for (auto* slot = first_; slot != nullptr; slot = slot->next_recovered)
            if (slot->type == RequestType::zone_append && slot->offset == zone_.start &&
                slot->search == Slot::Search::none)
                slot->search = Slot::Search::running;
    }
    return search_on();
}

template <typename Each>
void Recovery::for_searched(const Each& each) noexcept {
    for (auto* slot = first_; slot != nullptr; slot = slot->next_recovered)
        if (slot->search == Slot::Search::running) each(*slot);
}

/// Reads the next piece, or ends the search.
Recovery::Judgement Recovery::search_on() noexcept {
    auto left = false;
    for_searched([&](const Slot&) { left = true; });
    if (left && search_at_ < search_end_) {
        step_ = Step::searching;
        return read(search_at_, static_cast<std::size_t>(std::min(
                                    {search_end_ - search_at_, limits_.max_transfer, most_read})));
    }
    for_searched([](Slot& slot) { slot.search = Slot::Search::absent; });
    return first_->search == Slot::Search::absent ? Verdict::not_done : Verdict::unknown;
}

void Recovery::search_piece() noexcept {
    const std::span piece(reinterpret_cast<const std::uint8_t*>(bytes_.get()), piece_.iov_len);
    const std::size_t block = limits_.logical_block_size;
    for (std::size_t at = 0; at < piece.size(); at += block) {
        const auto found = piece.subspan(at, std::min(block, piece.size() - at));
        for_searched([&](Slot& slot) {
            if (!IovecCursor(slot.chain.readable, RequestHeader::size).compare(found))
                slot.search = Slot::Search::found;
        });
    }
    search_at_ += piece.size();
}

}  // namespace zonebridge::virtio_blk
