// What the queues of one device share: for every zone who waits for it, who carries its requests at
// the moment, and where its write pointer is; and the actions that concern many zones at once.
//
// Threads: a Line's fields say which of them its lock guards; the others belong to the queue that
// holds the line. Zones is safe from any thread.
// Ownership: Zones owns the lines; nodes are borrowed from the queues, which outlive their place in
// any list.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/list.h"
#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::sequencer {

class SequencedQueue;

/// Four bytes, so that a zone's lock lies in the cache line it guards.
class Lock {
  public:
    void lock() noexcept {
        std::uint32_t free = 0;
        if (state_.compare_exchange_strong(free, taken, std::memory_order_acquire)) return;
        while (state_.exchange(waited_for, std::memory_order_acquire) != 0)
            state_.wait(waited_for, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        if (state_.exchange(0, std::memory_order_release) == waited_for) state_.notify_one();
    }

  private:
    static constexpr std::uint32_t taken = 1;
    static constexpr std::uint32_t waited_for = 2;
    std::atomic<std::uint32_t> state_ = 0;
};

/// One accepted request, in a place of its queue's that is made when the queue is opened.
struct alignas(64) Node {
    enum class Use : std::uint8_t {
        idle,
        passing,    ///< Handed on as it came.
        in_zone,    ///< In order with its zone's others.
        appending,  ///< A native append that passed its zone's order by.
        sweeping,   ///< An action on many zones.
    };

    Request request = {};  // as the submitter gave it
    Node* next = nullptr;
    SequencedQueue* owner = nullptr;
    Status status = {};  // once it ended
    std::uint64_t result = 0;
    std::uint64_t order = 0;      // sweeps accepted before it; a sweep's own number
    std::uint32_t zone = 0;       // a sweep's first
    std::uint32_t last_zone = 0;  // a sweep's last
    Use use = Use::idle;          // the owner's
    bool waiting = false;         // in its line's list; under the line's lock
};

/// One zone. It is *held* by at most one queue, which alone issues for it; that queue gives it up
/// once nobody waits. While it is *parked* no queue holds it: what it waits for takes it up again.
struct alignas(64) Line {
    enum class Known : std::uint8_t { nothing, pointer, full, read_only, offline };

    Lock lock;
    std::uint32_t appends = 0;  // native ones in flight; under lock
    List<Node> waiting;         // under lock, in order of arrival
    bool held = false;          // under lock
    bool parked = false;        // under lock; held is true as well
    bool sweep_waits = false;   // under lock: a sweep is to be poked once the zone is quiet
    bool crowded = false;       // under lock: waits for room; held is true, and no queue holds it
    bool make_room = false;     // under lock: the holder closes the zone before all else
    bool listed = false;        // in Zones' list of open zones; under that list's lock

    // The holder's. Whoever takes the line up finds them through the lock.
    Known known = Known::nothing;
    bool confirmed = false;      // by a report, and nothing was issued since
    bool opened = false;         // a write went well since the zone was last known not to be open
    std::uint8_t crowdings = 0;  // how often the first that waits has waited for room
    std::uint64_t pointer = 0;   // where the next write goes, if known says so
    Line* next = nullptr;
};
static_assert(sizeof(Line) == 64);

class Zones {
  public:
    /// `limited`: not every zone can be open at once.
    Zones(const Layout& layout, bool limited)
        : lines_(layout.zone_count()), opened_(limited ? layout.zone_count() : 0) {}

    [[nodiscard]] Line& line(std::uint32_t zone) noexcept { return lines_[zone]; }
    [[nodiscard]] std::uint32_t index(const Line& line) const noexcept {
        return static_cast<std::uint32_t>(&line - lines_.data());
    }

    // ---- Sweeps: actions on many zones. They have numbers in order of arrival and run one at a
    // time. What was accepted before a sweep goes first, what came later waits, in its zones.

    /// Sweeps accepted so far. Read it under a line's lock: a sweep that is not counted has yet to
    /// look at that line.
    [[nodiscard]] std::uint64_t order() const noexcept {
        return accepted_.load(std::memory_order_acquire);
    }
    /// Whether a request of that order must wait for a sweep that is yet to end.
    [[nodiscard]] bool blocks(std::uint32_t zone, std::uint64_t order) noexcept {
        return order > ended_.load(std::memory_order_acquire) && is_swept(zone, order);
    }

    void add_sweep(Node& sweep) noexcept;
    /// The sweep whose turn it is; null where there is none.
    [[nodiscard]] Node* first_sweep() noexcept;
    /// Takes a sweep out, ended or withdrawn, and pokes the first that is left. Lines parked for it
    /// are the caller's to take up.
    void remove_sweep(Node& sweep) noexcept;
    /// Wakes the owner of the first sweep.
    void poke_sweep() noexcept;

    // ---- Room: zones that writes opened, oldest first, so that one of them can be closed for
    // another where the device does not do that itself; and who waits for it (room.cc).

    /// A write opened the zone.
    void note_opened(Line& line) noexcept;
    /// How many such zones are known of.
    [[nodiscard]] std::size_t opened() noexcept;
    /// Takes out the zone that was opened the longest ago, by a write.
    [[nodiscard]] std::optional<std::uint32_t> take_oldest() noexcept;

    void join_crowd(Line& line) noexcept;
    /// False if the line was called meanwhile.
    [[nodiscard]] bool leave_crowd(Line& line) noexcept;
    /// Zones that are to be closed for those who wait.
    void expect_room() noexcept;
    [[nodiscard]] bool is_room_coming() noexcept;
    /// One of them was. Who is to try again: the one that has waited the longest; all, if no more
    /// room is to come.
    [[nodiscard]] List<Line> room_came() noexcept;
    /// Who has waited the longest; null if nobody does.
    [[nodiscard]] Line* call_from_crowd() noexcept;

  private:
    [[nodiscard]] bool is_swept(std::uint32_t zone, std::uint64_t order) noexcept;

    std::vector<Line> lines_;
    std::atomic<std::uint64_t> accepted_ = 0;
    std::atomic<std::uint64_t> ended_ = 0;  // all up to this number
    std::mutex sweeps_lock_;
    List<Node> sweeps_;  // under sweeps_lock_

    std::mutex room_lock_;
    std::vector<std::uint32_t> opened_;  // under room_lock_: a ring with a place for each zone
    std::size_t opened_head_ = 0;        // under room_lock_
    std::size_t opened_count_ = 0;       // under room_lock_
    List<Line> crowd_;                   // under room_lock_
    std::size_t room_coming_ = 0;        // under room_lock_
};

}  // namespace zonebridge::sequencer
