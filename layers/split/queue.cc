#include "layers/split/queue.h"

#include <algorithm>
#include <array>
#include <utility>

namespace zonebridge {
namespace {

/// Leaves room in the queue below for the pieces of long requests.
std::size_t outer_depth(const Queue& inner) noexcept {
    return inner.depth() > SplitQueue::most_pieces ? inner.depth() - SplitQueue::most_pieces : 1;
}
/// A queue below of depth 1 has one request in flight: a piece, or a short request.
std::size_t piece_count(const Queue& inner) noexcept {
    return std::min(SplitQueue::most_pieces, std::max<std::size_t>(inner.depth() - 1, 1));
}

/// Whether pieces may be written in any order: no write pointer is in the way.
bool takes_any_order(const Layout& layout, const Request& request) noexcept {
    if (request.operation == Operation::read || layout.zone_count() == 0) return true;
    const auto last = layout.zone_of(request.offset + request.length - 1);
    for (auto zone = layout.zone_of(request.offset); zone <= last; ++zone)
        if (!layout.is_conventional(zone)) return false;
    return true;
}

}  // namespace

SplitQueue::SplitQueue(Loop& loop, const Limits& limits, const Limits& below,
                       std::unique_ptr<Queue> inner)
    : Queue(loop, limits, outer_depth(*inner)),
      below_(below),
      slots_(depth()),
      pieces_(piece_count(*inner)),
      done_(depth()),
      inner_(std::move(inner)) {
    busy_.reserve(depth());
    for (auto& piece : pieces_) {
        piece.room = std::make_unique_for_overwrite<iovec[]>(below.max_segments);
        free_pieces_.push(piece);
    }
}

bool SplitQueue::is_long(const Request& request) const noexcept {
    return (request.operation == Operation::read || request.operation == Operation::write) &&
           (request.length > below_.max_transfer || request.data.size() > below_.max_segments);
}

std::optional<std::uint32_t> SplitQueue::written_zone(const Request& request) const noexcept {
    const auto& layout = limits().layout;
    if ((request.operation != Operation::write && request.operation != Operation::append) ||
        layout.zone_count() == 0)
        return std::nullopt;
    const auto zone = layout.zone_of(request.offset);
    return layout.is_required(zone) ? std::optional(zone) : std::nullopt;
}

bool SplitQueue::waits(const Request& request) const noexcept {
    if (busy_.empty()) [[likely]]
        return false;
    if (is_zone_action(request.operation)) {
        if (request.scope == Scope::all) return true;
        const auto& layout = limits().layout;
        const auto first = layout.zone_of(request.offset);
        const auto last = layout.zone_of(request.offset + request.length - 1);
        return std::any_of(busy_.begin(), busy_.end(),
                           [=](auto zone) { return first <= zone && zone <= last; });
    }
    const auto zone = written_zone(request);
    return zone && std::find(busy_.begin(), busy_.end(), *zone) != busy_.end();
}

void SplitQueue::accept(std::span<const Request> requests) noexcept {
    std::array<Request, 16> batch;
    std::size_t count = 0;
    const auto pass_on = [&] {
        inner_->take_checked(std::span(batch).first(std::exchange(count, 0)));
    };
    for (const auto& request : requests) {
        auto& slot = slots_.take();
        slot.tag = request.tag;
        if (is_long(request) || waits(request)) [[unlikely]] {
            pass_on();  // what came before goes first
            slot.request = request;
            if (waits(request))
                waiting_.push(slot);
            else
                begin(slot);
            continue;
        }
        batch[count] = request;
        batch[count].tag = slots_.tag_of(slot);
        if (++count == batch.size()) pass_on();
    }
    pass_on();
    send_pieces();
}

std::size_t SplitQueue::collect(std::span<Completion> out) noexcept {
    slots_.reap(*inner_, [this](const Completion& completion) {
        if ((completion.tag & piece_mark) == 0) [[likely]]
            return finish(slots_.slot_of(completion.tag), completion.status, completion.result);
        const auto address = static_cast<std::uintptr_t>(completion.tag & ~piece_mark);
        piece_ended(*reinterpret_cast<Piece*>(address), completion);
    });
    send_pieces();
    return hand_out(done_, out);
}

void SplitQueue::begin(Slot& slot) noexcept {
    const auto& request = slot.request;
    slot.rest = IovecCursor(request.data);
    slot.sent = 0;
    slot.in_flight = 0;
    slot.in_order = !takes_any_order(limits().layout, request);
    slot.zone = written_zone(request);
    slot.status = {};
    if (slot.zone) busy_.push_back(*slot.zone);
    ready_.push(slot);
}

bool SplitQueue::wants_piece(const Slot& slot) const noexcept {
    return slot.status.ok() && slot.sent < slot.request.length &&
           !(slot.in_order && slot.in_flight != 0);
}

void SplitQueue::send_pieces() noexcept {
    while (!ready_.empty() && !free_pieces_.empty()) {
        auto& slot = *ready_.pop();
        send_piece(slot, *free_pieces_.pop());
        if (wants_piece(slot)) ready_.push(slot);
    }
}

void SplitQueue::send_piece(Slot& slot, Piece& piece) noexcept {
    const auto& whole = slot.request;
    const std::uint64_t unit = whole.operation == Operation::write ? below_.physical_block_size
                                                                   : below_.logical_block_size;
    // A piece ends at a multiple of `unit` on the disk; the last ends with the request.
    const auto most =
        std::max(below_.max_transfer / unit * unit, unit) - (whole.offset + slot.sent) % unit;
    const std::span room(piece.room.get(), below_.max_segments);
    const auto before = slot.rest;
    auto slice = slot.rest.slice(std::min(most, whole.length - slot.sent), room);
    const auto end = whole.offset + slot.sent + slice.length;
    if (const auto over = end % unit; over != 0 && slot.sent + slice.length != whole.length) {
        slot.rest = before;
        slice =
            slice.length > over ? slot.rest.slice(slice.length - over, room) : IovecCursor::Slice();
    }
    piece.slot = &slot;
    piece.at = slot.sent;
    slot.sent += slice.length;
    ++slot.in_flight;
    Request request;
    if (slice.length != 0) [[likely]] {
        request.operation = whole.operation;
        request.fua = whole.fua;
        request.offset = whole.offset + piece.at;
        request.length = slice.length;
        request.data = slice.pieces;
    } else {
        // A single block has more buffers than the disk takes at once: the whole request is refused,
        // because it has more of them, too.
        request = whole;
    }
    request.tag = reinterpret_cast<std::uintptr_t>(&piece) | piece_mark;
    // There is room: the queue below is deeper than this one by the number of pieces.
    static_cast<void>(inner_->submit({&request, 1}));
}

void SplitQueue::piece_ended(Piece& piece, const Completion& completion) noexcept {
    auto& slot = *piece.slot;
    const auto wanted = wants_piece(slot);
    const auto at = piece.at;
    free_pieces_.push(piece);
    --slot.in_flight;
    if (!completion.status.ok() && (slot.status.ok() || at < slot.failed_at)) {
        // It is in the list if it wanted a piece: it wants none from now on.
        if (wanted) ready_.remove(slot);
        slot.status = completion.status;
        slot.failed_at = at;
    }
    if (wants_piece(slot)) {
        if (!wanted) ready_.push(slot);
        return;
    }
    if (slot.in_flight != 0) return;
    const auto zone = std::exchange(slot.zone, std::nullopt);
    finish(slot, slot.status, slot.status.ok() ? 0 : slot.failed_at);
    if (!zone) return;
    busy_.erase(std::find(busy_.begin(), busy_.end(), *zone));
    release();
}

void SplitQueue::release() noexcept {
    auto held = std::exchange(waiting_, {});
    while (auto* const slot = held.pop()) {
        if (waits(slot->request)) {
            waiting_.push(*slot);
        } else if (is_long(slot->request)) {
            begin(*slot);
        } else {
            auto request = slot->request;
            request.tag = slots_.tag_of(*slot);
            inner_->take_checked({&request, 1});
            loop().note_queued();  // no submit() of this queue follows
        }
    }
}

void SplitQueue::finish(Slot& slot, Status status, std::uint64_t result) noexcept {
    done_.push({slot.tag, status, result});
    slots_.give_back(slot);
}

}  // namespace zonebridge
