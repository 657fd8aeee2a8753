// Makes room for one more open zone, on a device that does not do so itself. By the standards a
// device closes an implicitly open zone when a write needs its place. Linux's null_blk does that at
// its open limit but not at its active limit, where it refuses the write. Then Room closes the zone
// that a write opened the longest ago, between two of that zone's own writes, and the refused
// request is tried again: a report has shown that nothing of it was done.
//
// On a device that never refuses so, Room does nothing: zones are noted and wait() returns false.
//
// Threads: any, each with the channel of its own queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "base/list.h"
#include "zone/types.h"

namespace zonebridge::sequencer {

struct Channel;
struct Command;
struct Line;
struct Node;

/// Room's marks of a line, beside Line::next_opened.
struct RoomMarks {
    bool listed = false;     // under Room's lock: in its list of opened zones
    bool wanted = false;     // under the line's lock: the holder closes the zone before anything
                             // else
    bool opened = false;     // belongs to the holder: a write opened the zone, as far as known
    std::uint8_t tries = 0;  // belongs to the holder: refusals of the first pending request
};

class Room {
  public:
    /// `limited`: not every zone can be open at once.
    explicit Room(bool limited) noexcept : limited_(limited) {}

    // ---- Changes of a zone, noted by the holder of its line.

    void note_reported(Line& line, ZoneState state) noexcept;
    void note_written(Line& line, bool is_full) noexcept;
    /// An action on the zone succeeded.
    void note_acted(Line& line) noexcept;
    /// An action on many zones is about to act on this one.
    void note_swept(Line& line) noexcept;

    // ---- Closing one zone for another.

    /// Called when the command failed, its zone was reported, and nothing of it was done. True if
    /// it is tried again once another zone was closed: `requests`, which are the command's, then
    /// wait at the head of their line, and the command is given back.
    [[nodiscard]] bool wait(Channel& channel, Command& command, List<Node> requests) noexcept;
    /// Closes the line's zone before anything else: see RoomMarks::wanted. Under the line's lock;
    /// nothing of the line is in the device.
    void begin(Channel& channel, Command& command) noexcept;
    /// The zone was reported, as begin() requested.
    void looked(Channel& channel, Command& command, bool is_known) noexcept;
    /// The zone was closed, or could not be; the refused request is tried again and shows which.
    void ended(Channel& channel, Command& command) noexcept;

    // ---- For actions on many zones, which must not run while a zone is closed for room.

    /// The number of zones picked for closing so far.
    [[nodiscard]] std::uint64_t begun() noexcept;
    /// No further zone is picked for closing; requests that need room wait. The first sweep is
    /// woken once the zones already picked are closed.
    void pause() noexcept;
    [[nodiscard]] bool is_being_made() noexcept;
    /// Ends the pause.
    void resume(Channel& channel) noexcept;

  private:
    void list(Line& line) noexcept;
    [[nodiscard]] Line* take_oldest() noexcept;
    [[nodiscard]] std::size_t listed() noexcept;

    void join(Line& line) noexcept;
    [[nodiscard]] bool leave(Line& line) noexcept;
    [[nodiscard]] Line* take_first_waiting() noexcept;
    [[nodiscard]] bool is_paused() noexcept;

    [[nodiscard]] bool ask(Channel& channel, const Line& refused) noexcept;
    [[nodiscard]] bool count_begun() noexcept;
    void count_ended(Channel& channel) noexcept;
    static void try_again(Channel& channel, Line& line) noexcept;

    const bool limited_;
    std::mutex lock_;
    // Zones that writes opened, oldest first; under lock_.
    Line* oldest_ = nullptr;
    Line* newest_ = nullptr;
    std::size_t listed_ = 0;
    // Lines that wait for room, and the number of zones being closed for them; under lock_.
    List<Line> waiting_;
    std::size_t in_progress_ = 0;
    std::uint64_t begun_ = 0;
    bool paused_ = false;
};

}  // namespace zonebridge::sequencer
