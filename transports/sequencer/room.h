// Room for one more open zone, on a device that makes none. The standards have a device close an
// implicitly open zone when a write needs its place. Linux's null_blk does that at its open limit
// but not at its active limit, where the write is refused. Then the zone that a write opened the
// longest ago is closed here, between two of its own writes, and the refused request comes again: a
// report has shown that nothing of it was done.
//
// On a device that is never refused so, nothing here acts: zones are noted and wait() gives false.
//
// Threads: any, each with the channel of its own queue.
// Ownership: borrows the lines that it lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "transports/list.h"
#include "zone/types.h"

namespace zonebridge::sequencer {

struct Channel;
struct Command;
struct Line;
struct Node;

/// What Room keeps with a line, beside Line::next_opened.
struct RoomMarks {
    bool listed = false;     // under Room's lock: in its list of opened zones
    bool wanted = false;     // under the line's lock: the holder closes the zone before all else
    bool opened = false;     // the holder's: a write opened the zone, as far as is known
    std::uint8_t tries = 0;  // the holder's: how often the first that waits was refused
};

class Room {
  public:
    /// `limited`: not every zone can be open at once.
    explicit Room(bool limited) noexcept : limited_(limited) {}

    // ---- What becomes of a zone, noted by the holder of its line.

    void note_reported(Line& line, ZoneState state) noexcept;
    void note_written(Line& line, bool is_full) noexcept;
    /// An action on the zone went well.
    void note_acted(Line& line) noexcept;
    /// An action on many zones is about to act on this one.
    void note_swept(Line& line) noexcept;

    // ---- Closing one zone for another.

    /// The command failed, its zone was reported, and nothing of it was done. True if it is to come
    /// again once another zone was closed: `requests`, which are the command's, then wait at the
    /// head of their line, and the command is given back.
    [[nodiscard]] bool wait(Channel& channel, Command& command, List<Node> requests) noexcept;
    /// The line's zone is to be closed before all else: see RoomMarks::wanted. Under the line's
    /// lock; nothing of the line is in the device.
    void begin(Channel& channel, Command& command) noexcept;
    /// The zone was reported, as begin() asked.
    void looked(Channel& channel, Command& command, bool is_known) noexcept;
    /// The zone was closed, or could not be: a request that was refused finds out by coming again.
    void ended(Channel& channel, Command& command) noexcept;

    // ---- For actions on many zones: they and a CLOSE for room must not meet.

    /// Zones that were to be closed so far.
    [[nodiscard]] std::uint64_t begun() noexcept;
    /// No other zone is to be closed from here on; requests that need room wait. The first sweep is
    /// woken once those are closed that were to be.
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
    // Lines that wait for room, and zones that are to be closed for them; under lock_.
    List<Line> waiting_;
    std::size_t in_progress_ = 0;
    std::uint64_t begun_ = 0;
    bool paused_ = false;
};

}  // namespace zonebridge::sequencer
