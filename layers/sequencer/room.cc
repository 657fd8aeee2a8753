// Closing one zone for another. A device with an open limit is to close an implicitly open zone when
// a write needs its place; not every device does, or not always. Then the zone that a write opened
// the longest ago is closed here, between two writes of its own, and the refused request comes
// again: a report has shown that nothing of it was done.
#include <utility>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {
namespace {

constexpr std::uint8_t most_crowdings = 255;

}  // namespace

// ---- What all queues share.

void Zones::note_opened(Line& line) noexcept {
    if (opened_.empty()) return;
    const std::lock_guard guard(room_lock_);
    if (line.listed) return;
    line.listed = true;
    opened_[(opened_head_ + opened_count_++) % opened_.size()] = index(line);
}

std::optional<std::uint32_t> Zones::take_oldest() noexcept {
    const std::lock_guard guard(room_lock_);
    if (opened_count_ == 0) return std::nullopt;
    const auto zone = opened_[opened_head_];
    opened_head_ = (opened_head_ + 1) % opened_.size();
    --opened_count_;
    lines_[zone].listed = false;
    return zone;
}

void Zones::join_crowd(Line& line) noexcept {
    const std::lock_guard guard(room_lock_);
    crowd_.push(line);
}

bool Zones::leave_crowd(Line& line) noexcept {
    const std::lock_guard guard(room_lock_);
    for (const auto* at = crowd_.first; at != nullptr; at = at->next) {
        if (at != &line) continue;
        crowd_.remove(line);
        return true;
    }
    return false;
}

bool Zones::is_room_coming() noexcept {
    const std::lock_guard guard(room_lock_);
    return room_coming_ != 0;
}

void Zones::expect_room() noexcept {
    const std::lock_guard guard(room_lock_);
    ++room_coming_;
}

List<Line> Zones::room_came() noexcept {
    List<Line> called;
    const std::lock_guard guard(room_lock_);
    if (--room_coming_ == 0) return std::exchange(crowd_, {});
    if (auto* line = crowd_.pop()) called.push(*line);
    return called;
}

Line* Zones::call_from_crowd() noexcept {
    const std::lock_guard guard(room_lock_);
    return crowd_.pop();
}

std::size_t Zones::opened() noexcept {
    const std::lock_guard guard(room_lock_);
    return opened_count_;
}

// ---- Who needs room.

/// `carrier`'s command failed and its zone was reported. Whether it is to come again, once another
/// zone was closed; then the carrier is put down.
bool SequencedQueue::wait_for_room(Carrier& carrier) noexcept {
    auto& line = *carrier.line;
    if (carrier.failure.code != StatusCode::too_many_open || closing_) return false;
    const auto state = carrier.zone.state;
    if (state != ZoneState::empty && state != ZoneState::closed) return false;
    if (carrier.step == Carrier::Step::explain_write && line.pointer != carrier.offset)
        return false;
    // Others may take the room again and again, or there is none to be made.
    if (line.crowdings == most_crowdings) {
        line.crowdings = 0;
        return false;
    }
    auto was_to_make_room = false;
    {
        const std::lock_guard guard(line.lock);
        ++line.crowdings;
        line.crowded = true;
        was_to_make_room = std::exchange(line.make_room, false);  // it is not open any more
        for (auto* node = carrier.nodes.first; node != nullptr; node = node->next)
            node->waiting = true;
        carrier.nodes.last->next = line.waiting.first;
        if (line.waiting.empty()) line.waiting.last = carrier.nodes.last;
        line.waiting.first = carrier.nodes.first;
    }
    carrier.nodes = {};
    const auto zone = zones_.index(line);
    zones_.join_crowd(line);
    // From here on the line may be called, and be another queue's.
    const auto asked = ask_for_room(zone);
    if (was_to_make_room) end_room();
    if (asked) {
        put_down(carrier);
    } else if (zones_.leave_crowd(line)) {
        // Tried once more all the same: its requests may have been withdrawn meanwhile, and the
        // device's own word is what they are to end with.
        {
            const std::lock_guard guard(line.lock);
            line.crowded = false;
        }
        line.crowdings = most_crowdings;
        go_on(carrier);
    } else {
        put_down(carrier);
        // It was somebody else's call.
        if (auto* next = zones_.call_from_crowd()) call(*next);
    }
    return true;
}

/// Who waits the longest for room tries again; all do once no more is to come.
void SequencedQueue::end_room() noexcept {
    auto called = zones_.room_came();
    while (auto* line = called.pop()) call(*line);
}

void SequencedQueue::call(Line& line) noexcept {
    const std::lock_guard guard(line.lock);
    line.crowded = false;
    hand_on(line);
}

/// Has a zone closed that a write opened; false if there is none that could be, nor one that is to
/// be already. Not one that waits for something itself, which may be us.
bool SequencedQueue::ask_for_room(std::uint32_t zone) noexcept {
    for (auto left = zones_.opened(); left != 0; --left) {
        const auto oldest = zones_.take_oldest();
        if (!oldest) break;
        if (*oldest == zone) continue;
        auto& line = zones_.line(*oldest);
        const std::lock_guard guard(line.lock);
        if (line.crowded || line.make_room) continue;
        if (line.parked) {
            zones_.note_opened(line);
            continue;
        }
        line.make_room = true;
        zones_.expect_room();
        if (line.held) return true;
        line.held = true;
        runnable_.push(line);
        return true;
    }
    return zones_.is_room_coming();
}

// ---- Who makes room. The line is held by this queue, and nothing of it is in the device.

void SequencedQueue::begin_room(Line& line, Carrier& carrier) noexcept {
    carrier.line = &line;
    carrier.nodes = {};
    carrier.failure = {};
    report(carrier, Carrier::Step::look_for_room);
}

void SequencedQueue::room_looked(Carrier& carrier, bool known) noexcept {
    auto& line = *carrier.line;
    if (!known) return room_made(carrier);
    learn(line, carrier.zone);
    // Who opened a zone by an action wants it open.
    if (carrier.zone.state != ZoneState::implicit_open) return room_made(carrier);
    line.confirmed = false;
    line.opened = false;
    carrier.step = Carrier::Step::close_for_room;
    const auto& layout = limits().layout;
    const auto zone = zones_.index(line);
    Request request;
    request.operation = Operation::close;
    request.offset = layout.start_of(zone);
    request.length = layout.length_of(zone);
    send(request, tag_of(carrier));
}

/// Made or not: who was refused finds out by trying again.
void SequencedQueue::room_made(Carrier& carrier) noexcept {
    end_room();
    go_on(carrier);
}

}  // namespace zonebridge::sequencer
