// The rules of one disk at work: what they have counted, and what has come of it. Shared by all of
// the disk's queues.
//
// Threads: any; what queues see of each other is atomic. A rule that lasts is seen by every queue
// from the moment it acts.
// Ownership: owns the rules; borrows the witness and the layout.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "layers/fault/fault.h"
#include "layers/fault/rule.h"

namespace zonebridge::fault {

class Rules {
  public:
    /// What is to become of a request, or of its answer.
    struct Verdict {
        std::optional<StatusCode> error;
        std::chrono::microseconds latency{0};
    };

    /// Rules in which find_fault finds none for such a disk. What acts from the first moment on is
    /// told here.
    Rules(std::vector<Rule> rules, const Limits& limits, Witness* witness);

    /// Counts the request, and lets rules act that are to. Appends are not judged by spots yet.
    [[nodiscard]] Verdict judge(const Request& request) noexcept;
    /// Spots, for an append that went well: its data is at [offset, offset + length).
    [[nodiscard]] Verdict judge_landed(std::uint64_t offset, std::uint64_t length) noexcept;

    [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }
    /// Whether any zone has gone bad by now.
    [[nodiscard]] bool any_bad() const noexcept {
        return bad_.load(std::memory_order_acquire) != 0;
    }
    /// The state that a rule has given to this zone.
    [[nodiscard]] std::optional<ZoneState> state_of(std::uint32_t zone) const noexcept;

    struct Bad {
        std::uint32_t zone = 0;
        ZoneState state = ZoneState::offline;
    };
    /// The first zone in [first, last] that has gone bad; `offline_alone`: that is offline.
    [[nodiscard]] std::optional<Bad> find_bad(std::uint32_t first, std::uint32_t last,
                                              bool offline_alone) const noexcept;

    [[nodiscard]] bool has_latencies() const noexcept { return latencies_; }
    [[nodiscard]] bool has_states() const noexcept { return states_; }
    /// Whether there are spots that appends may land on.
    [[nodiscard]] bool has_append_spots() const noexcept { return append_spots_; }

  private:
    /// A rule and its counters, which several threads change: a cache line of its own.
    struct alignas(64) Active {
        Rule rule;
        std::uint64_t begin = 0;  // bytes; the whole disk's, where the rule has no place
        std::uint64_t end = 0;
        std::atomic<std::uint64_t> matched = 0;
        std::atomic<std::uint64_t> acted = 0;
        std::atomic<bool> lasting = false;  // it acts once and for all, and has
        std::atomic<bool> told = false;
    };

    /// Where a request is, in bytes; nothing where it is nowhere or everywhere.
    struct Place {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    [[nodiscard]] std::optional<Place> place_of(const Request& request) const noexcept;
    [[nodiscard]] bool matches(const Active& active, const Request& request,
                               const std::optional<Place>& place) const noexcept;
    /// Counts one that matches; whether the rule acts on it.
    [[nodiscard]] bool count(Active& active) noexcept;
    void act(Active& active, Verdict& verdict) noexcept;

    const Layout& layout_;
    Witness* witness_;
    std::size_t count_;
    std::unique_ptr<Active[]> active_;
    bool latencies_ = false;
    bool states_ = false;
    bool append_spots_ = false;
    std::atomic<bool> gone_ = false;
    std::atomic<std::uint32_t> bad_ = 0;  // rules that have made zones bad
};

}  // namespace zonebridge::fault
