// One zone's line: the requests that wait for the zone in order of arrival, which queue issues for it
// at the moment, and what is known of the zone's write pointer.
//
// Threads: a Line's fields say which of them its lock guards; the others belong to the queue that
// holds the line, and pass with it through the lock.
// Ownership: a Line borrows its nodes from the queues that accepted them, which outlive their place
// in any list.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/list.h"
#include "layers/sequencer/room.h"
#include "zone/request.h"
#include "zone/types.h"

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
    bool pending = false;         // in its line's list; under the line's lock
};

/// What is known of a zone's write pointer. A zone may change by itself, so no request is refused by
/// what was known before: a report confirms it while nothing is in flight.
class WritePointer {
  public:
    enum class Known : std::uint8_t { nothing, pointer, full, read_only, offline };

    [[nodiscard]] Known known() const noexcept { return known_; }
    [[nodiscard]] bool is_known() const noexcept { return known_ != Known::nothing; }
    /// By a report, and nothing was issued since.
    [[nodiscard]] bool is_confirmed() const noexcept { return confirmed_; }
    /// The byte where the next write goes, if known() says pointer.
    [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
    /// What becomes of a write that would be issued now. Only if something is known.
    [[nodiscard]] StatusCode judge_write(std::uint64_t offset) const noexcept {
        if (known_ != Known::pointer) return refusal();
        return offset == at_ ? StatusCode::ok : StatusCode::unaligned_write;
    }
    /// The same of an append; `end` is where the zone's capacity ends.
    [[nodiscard]] StatusCode judge_append(std::uint64_t length, std::uint64_t end) const noexcept {
        if (known_ != Known::pointer) return refusal();
        return length <= end - at_ ? StatusCode::ok : StatusCode::crosses_boundary;
    }

    void learn(const Zone& zone) noexcept;
    void forget() noexcept { known_ = Known::nothing; }
    /// Something is about to be issued, or the line is given up.
    void doubt() noexcept { confirmed_ = false; }
    /// The zone was reset, or all is written up to there.
    void move(std::uint64_t to) noexcept {
        known_ = Known::pointer;
        at_ = to;
    }
    void fill() noexcept { known_ = Known::full; }

  private:
    [[nodiscard]] StatusCode refusal() const noexcept;

    std::uint64_t at_ = 0;
    Known known_ = Known::nothing;
    bool confirmed_ = false;
};

struct alignas(64) Line {
    enum class State : std::uint8_t {
        idle,    ///< No queue holds the line, and no request waits.
        held,    ///< By one queue, which alone issues for it until no request waits.
        parked,  ///< By none. The end of what the line waits for, a sweep or appends, takes it up.
        waiting_for_room,  ///< By none. Room takes it up.
    };

    // ---- The pending list. All under the lock.

    void add(Node& node) noexcept {
        node.pending = true;
        pending.push(node);
    }
    Node& take_first() noexcept {
        auto& node = *pending.pop();
        node.pending = false;
        return node;
    }
    /// Requests that were taken out wait again, before all others.
    void put_back(List<Node> requests) noexcept;
    [[nodiscard]] List<Node> take_all() noexcept;
    void withdraw(Node& node) noexcept {
        pending.remove(node);
        node.pending = false;
    }
    /// Whether nothing is in flight or pending that was accepted before the sweep of that number.
    [[nodiscard]] bool is_quiet(std::uint64_t sweep) const noexcept {
        if (appends != 0) return false;
        if (state == State::idle) return true;
        return state == State::parked && !pending.empty() && pending.first->order >= sweep;
    }

    Lock lock;
    std::uint32_t appends = 0;  // native ones in flight; under lock
    List<Node> pending;         // in order of arrival; under lock
    State state = State::idle;  // under lock
    bool sweep_waits = false;   // the first sweep is to be woken once the zone is quiet; under lock
    RoomMarks room;
    WritePointer pointer;  // the holder's
    Line* next = nullptr;
    Line* next_opened = nullptr;  // Room's; under its lock
};
static_assert(sizeof(Line) == 64);

}  // namespace zonebridge::sequencer
