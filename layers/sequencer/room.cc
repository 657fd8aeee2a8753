#include "layers/sequencer/room.h"

#include <utility>

#include "layers/sequencer/channel.h"

namespace zonebridge::sequencer {
namespace {

/// A refused request is tried this often before it fails: other requests may take the room each
/// time, or no room can be made.
constexpr std::uint8_t most_tries = 255;

}  // namespace

// ---- Changes of a zone.

void Room::note_reported(Line& line, ZoneState state) noexcept {
    line.room.opened = state == ZoneState::implicit_open;
    if (line.room.opened) list(line);
}

void Room::note_written(Line& line, bool is_full) noexcept {
    line.room.tries = 0;
    if (is_full) {
        line.room.opened = false;
    } else if (!line.room.opened) {
        line.room.opened = true;
        list(line);
    }
}

void Room::note_acted(Line& line) noexcept {
    line.room.opened = false;
    line.room.tries = 0;
}

void Room::note_swept(Line& line) noexcept {
    line.room.opened = false;
}

// ---- The list of opened zones.

void Room::list(Line& line) noexcept {
    if (!limited_) return;
    const std::lock_guard guard(lock_);
    if (std::exchange(line.room.listed, true)) return;
    line.next_opened = nullptr;
    (newest_ != nullptr ? newest_->next_opened : oldest_) = &line;
    newest_ = &line;
    ++listed_;
}

Line* Room::take_oldest() noexcept {
    const std::lock_guard guard(lock_);
    auto* line = oldest_;
    if (line == nullptr) return nullptr;
    oldest_ = line->next_opened;
    if (oldest_ == nullptr) newest_ = nullptr;
    --listed_;
    line->room.listed = false;
    return line;
}

std::size_t Room::listed() noexcept {
    const std::lock_guard guard(lock_);
    return listed_;
}

// ---- Waiting lines.

void Room::join(Line& line) noexcept {
    const std::lock_guard guard(lock_);
    waiting_.push(line);
}

/// False if the line was called meanwhile.
bool Room::leave(Line& line) noexcept {
    const std::lock_guard guard(lock_);
    for (const auto* at = waiting_.first; at != nullptr; at = at->next) {
        if (at != &line) continue;
        waiting_.remove(line);
        return true;
    }
    return false;
}

Line* Room::take_first_waiting() noexcept {
    const std::lock_guard guard(lock_);
    return waiting_.pop();
}

void Room::try_again(Channel& channel, Line& line) noexcept {
    const std::lock_guard guard(line.lock);
    channel.lines.hand_on(line);
}

// ---- The number of zones being closed.

/// False if no zone may be closed now.
bool Room::count_begun() noexcept {
    const std::lock_guard guard(lock_);
    if (paused_) return false;
    ++in_progress_;
    ++begun_;
    return true;
}

/// The line that has waited longest tries again; all lines do once no zone is being closed.
void Room::count_ended(Channel& channel) noexcept {
    List<Line> called;
    auto sweep_waits = false;
    {
        const std::lock_guard guard(lock_);
        if (--in_progress_ == 0) {
            called = std::exchange(waiting_, {});
            sweep_waits = paused_;
        } else if (auto* line = waiting_.pop()) {
            called.push(*line);
        }
    }
    if (sweep_waits) channel.zones.sweeps.wake_first();
    while (auto* line = called.pop()) try_again(channel, *line);
}

std::uint64_t Room::begun() noexcept {
    const std::lock_guard guard(lock_);
    return begun_;
}

bool Room::is_being_made() noexcept {
    const std::lock_guard guard(lock_);
    return in_progress_ != 0;
}

void Room::pause() noexcept {
    const std::lock_guard guard(lock_);
    paused_ = true;
}

bool Room::is_paused() noexcept {
    const std::lock_guard guard(lock_);
    return paused_;
}

void Room::resume(Channel& channel) noexcept {
    List<Line> called;
    {
        const std::lock_guard guard(lock_);
        paused_ = false;
        called = std::exchange(waiting_, {});
    }
    while (auto* line = called.pop()) try_again(channel, *line);
}

// ---- Refused requests.

bool Room::wait(Channel& channel, Command& command, List<Node> requests) noexcept {
    auto& line = *command.line;
    if (command.failure.code != StatusCode::too_many_open || channel.closing) return false;
    if (command.zone.state != ZoneState::empty && command.zone.state != ZoneState::closed)
        return false;
    if (line.room.tries == most_tries) {
        line.room.tries = 0;
        return false;
    }
    auto was_wanted = false;
    {
        const std::lock_guard guard(line.lock);
        ++line.room.tries;
        line.state = Line::State::waiting_for_room;
        was_wanted = std::exchange(line.room.wanted, false);  // the zone is not open any more
        line.put_back(requests);
    }
    join(line);
    // From here on the line may be called, and go to another queue.
    const auto asked = ask(channel, line);
    if (was_wanted) count_ended(channel);
    if (asked) {
        channel.commands.give_back(command);
    } else if (leave(line)) {
        // Try once more anyway: the line's requests may have been withdrawn meanwhile, and the
        // refused ones must end with the device's own answer.
        {
            const std::lock_guard guard(line.lock);
            line.state = Line::State::held;
        }
        line.room.tries = most_tries;
        channel.go_on(command);
    } else {
        channel.commands.give_back(command);
        // That call was for a waiting line: pass it on to another.
        if (auto* next = take_first_waiting()) try_again(channel, *next);
    }
    return true;
}

/// Has a zone closed that a write opened, or waits until a sweep has ended. False if no zone can be
/// closed and none is being closed. Never picks a zone that waits itself, such as `refused`.
bool Room::ask(Channel& channel, const Line& refused) noexcept {
    if (is_paused()) return true;
    for (auto left = listed(); left != 0; --left) {
        auto* oldest = take_oldest();
        if (oldest == nullptr) break;
        auto& line = *oldest;
        if (&line == &refused) continue;
        const std::lock_guard guard(line.lock);
        if (line.state == Line::State::waiting_for_room || line.room.wanted) continue;
        if (line.state == Line::State::parked) {
            list(line);
            continue;
        }
        if (!count_begun()) {
            list(line);
            return true;
        }
        line.room.wanted = true;
        if (line.state == Line::State::held) return true;
        line.state = Line::State::held;
        channel.lines.add(line);
        return true;
    }
    return is_being_made();
}

// ---- Closing a zone. This queue holds its line.

void Room::begin(Channel& channel, Command& command) noexcept {
    command.line->room.wanted = false;
    channel.report(command, Command::Step::look_for_room);
}

void Room::looked(Channel& channel, Command& command, bool is_known) noexcept {
    // A zone that an action opened stays open.
    if (!is_known || command.zone.state != ZoneState::implicit_open) return ended(channel, command);
    auto& line = *command.line;
    line.pointer.doubt();
    line.room.opened = false;
    command.step = Command::Step::close_for_room;
    const auto& layout = channel.limits.layout;
    const auto zone = channel.zones.index(line);
    auto& request = channel.device.make(tag_of(command));
    request.operation = Operation::close;
    request.offset = layout.start_of(zone);
    request.length = layout.length_of(zone);
}

void Room::ended(Channel& channel, Command& command) noexcept {
    count_ended(channel);
    channel.go_on(command);
}

}  // namespace zonebridge::sequencer
