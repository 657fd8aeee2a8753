// The active rules of one disk, with their counters and effects. Shared by all of the disk's
// queues.
//
// Threads: any; shared state is atomic. Every queue sees a lasting rule from the moment it acts.
// Ownership: owns the rules; borrows the observer and the layout.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "layers/fault/rule.h"

namespace zonebridge::fault {

class Rules {
  public:
    /// What the rules do to a request, or to its completion.
    struct Verdict {
        std::optional<StatusCode> error;
        std::chrono::microseconds latency{0};
    };

    /// Requires rules in which find_fault finds no fault for this disk. Rules that act at once do
    /// so here.
    Rules(std::vector<Rule> rules, const Limits& limits, Observer* observer);

    /// Counts the request, and lets rules act on it. Bad spots do not apply to appends yet.
    [[nodiscard]] Verdict judge(const Request& request) noexcept;
    /// Bad spots, for an append that succeeded: its data is at [offset, offset + length).
    [[nodiscard]] Verdict judge_landed(std::uint64_t offset, std::uint64_t length) noexcept;

    [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }
    /// Whether any zone has gone bad.
    [[nodiscard]] bool any_bad() const noexcept {
        return bad_.load(std::memory_order_acquire) != 0;
    }
    /// The state that a rule has given to this zone.
    [[nodiscard]] std::optional<ZoneState> state_of(std::uint32_t zone) const noexcept;

    struct Bad {
        std::uint32_t zone = 0;
        ZoneState state = ZoneState::offline;
    };
    /// The first bad zone in [first, last]; with `offline_alone`, the first offline one.
    [[nodiscard]] std::optional<Bad> find_bad(std::uint32_t first, std::uint32_t last,
                                              bool offline_alone) const noexcept;

    [[nodiscard]] bool has_latencies() const noexcept { return latencies_; }
    /// Whether there are spots that apply to appends.
    [[nodiscard]] bool has_append_spots() const noexcept { return append_spots_; }

  private:
    /// A rule and its counters, which several threads change: in a cache line of its own.
    struct alignas(64) Active {
        Rule rule;
        std::uint64_t begin = 0;  // bytes; the whole disk if the rule has no place
        std::uint64_t end = 0;
        std::atomic<std::uint64_t> matched = 0;
        std::atomic<std::uint64_t> acted = 0;
        std::atomic<bool> lasting = false;  // a lasting rule that has acted
        std::atomic<bool> told = false;
    };

    /// The position of a request in bytes; absent if it has none or covers the whole disk.
    struct Place {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    [[nodiscard]] std::optional<Place> place_of(const Request& request) const noexcept;
    [[nodiscard]] bool matches(const Active& active, const Request& request,
                               const std::optional<Place>& place) const noexcept;
    /// Counts a matching request; returns whether the rule acts on it.
    [[nodiscard]] bool count(Active& active) noexcept;
    void act(Active& active, Verdict& verdict) noexcept;

    const Layout& layout_;
    Observer* observer_;
    std::size_t count_;
    std::unique_ptr<Active[]> active_;
    bool latencies_ = false;
    bool append_spots_ = false;
    std::atomic<bool> gone_ = false;
    std::atomic<std::uint32_t> bad_ = 0;  // number of rules that have made zones bad
};

}  // namespace zonebridge::fault
