// What the queues of one device share: for every zone who waits for it, who carries its requests at
// the moment, and where its write pointer is; and the actions that concern many zones at once.
//
// Threads: a Line's fields say which of them its lock guards; the others belong to the queue that
// holds the line. Zones is safe from any thread.
// Ownership: Zones owns the lines; nodes are borrowed from the queues, which outlive their place in
// any list.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "transports/list.h"
#include "transports/sequencer/room.h"
#include "transports/sequencer/sweeps.h"
#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::sequencer {

class Inbox;

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
    Inbox* owner = nullptr;
    Status status = {};  // once it ended
    std::uint64_t result = 0;
    std::uint64_t order = 0;      // sweeps accepted before it; a sweep's own number
    std::uint32_t zone = 0;       // a sweep's first
    std::uint32_t last_zone = 0;  // a sweep's last
    Use use = Use::idle;          // the owner's
    bool waiting = false;         // in its line's list; under the line's lock
};

/// One zone.
struct alignas(64) Line {
    enum class State : std::uint8_t {
        idle,    ///< No queue holds the line, and no request waits.
        held,    ///< By one queue, which alone issues for it until no request waits.
        parked,  ///< By none. The end of what the line waits for, a sweep or appends, takes it up.
        waiting_for_room,  ///< By none. Room takes it up.
    };
    enum class Known : std::uint8_t { nothing, pointer, full, read_only, offline };

    /// Takes out the request that waits first. Under lock.
    Node& take_first() noexcept {
        auto& node = *waiting.pop();
        node.waiting = false;
        return node;
    }
    /// Requests that were taken out wait again, before all others. Under lock.
    void put_back(List<Node> requests) noexcept {
        if (requests.empty()) return;
        for (auto* node = requests.first; node != nullptr; node = node->next) node->waiting = true;
        requests.last->next = waiting.first;
        if (waiting.empty()) waiting.last = requests.last;
        waiting.first = requests.first;
    }

    Lock lock;
    std::uint32_t appends = 0;  // native ones in flight; under lock
    List<Node> waiting;         // under lock, in order of arrival
    State state = State::idle;  // under lock
    bool sweep_waits = false;   // under lock: a sweep is to be poked once the zone is quiet

    // The holder's. Whoever takes the line up finds them through the lock.
    Known known = Known::nothing;
    bool confirmed = false;     // by a report, and nothing was issued since
    std::uint64_t pointer = 0;  // where the next write goes, if known says so

    RoomMarks room;
    Line* next = nullptr;
};
static_assert(sizeof(Line) == 64);

class Zones {
  public:
    /// `limited`: not every zone can be open at once.
    Zones(const Layout& layout, bool limited) : room(limited), lines_(layout.zone_count()) {}

    [[nodiscard]] Line& line(std::uint32_t zone) noexcept { return lines_[zone]; }
    [[nodiscard]] std::uint32_t index(const Line& line) const noexcept {
        return static_cast<std::uint32_t>(&line - lines_.data());
    }

    Sweeps sweeps;
    Room room;

  private:
    std::vector<Line> lines_;
};

}  // namespace zonebridge::sequencer
