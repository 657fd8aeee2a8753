// A queue that injects faults: the rules judge requests when they are submitted, and reports and
// appends again when they complete.
//
// Threads: belongs to its loop's thread.
// Ownership: owns the lower queue and a slot for each request in flight; borrows the loop and the
// rules.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/list.h"
#include "layers/all_zones/action_on_all.h"
#include "layers/fault/rules.h"
#include "layers/tag_table.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::fault {

class FaultyQueue final : public Queue, private Watcher {
    struct Private {};

  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(Loop& loop,
                                                                          Transport& disk,
                                                                          Rules& rules,
                                                                          QueueOptions options);
    FaultyQueue(Private, Loop& loop, const Limits& limits, Rules& rules,
                std::unique_ptr<Queue> inner);  // by open()
    ~FaultyQueue() override;

  private:
    using Clock = std::chrono::steady_clock;

    struct Slot {
        Request request = {};  // as the submitter gave it
        Slot* next = nullptr;
        std::chrono::microseconds latency{0};
        /// The state of the bad zone that ends a range action; only the zones before it are acted
        /// on.
        std::optional<ZoneState> stop;
    };
    struct Held {
        Clock::time_point due;
        std::uint64_t order = 0;  // of completions due at once, the one held first goes first
        Completion completion;
    };

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void on_ready() override {}  // the wake-up is all that is needed

    void take(const Request& request) noexcept;
    [[nodiscard]] std::optional<Rules::Bad> find_bad(const Request& request) const noexcept;
    void make(const Request& request) noexcept;
    void returned(Slot& slot, const Completion& completion) noexcept;
    void show_states(std::span<Zone> zones, std::uint64_t count) const noexcept;
    void finish(Slot& slot, Status status, std::uint64_t result) noexcept;
    void release_due() noexcept;
    void set_timer() noexcept;

    void begin_all() noexcept;
    void continue_all() noexcept;
    void all_continued(const Completion& completion) noexcept;

    Rules& rules_;
    int timer_fd_ = -1;
    TagTable<Slot> slots_;
    std::vector<Held> held_;  // a heap, the earliest due on top
    std::uint64_t held_order_ = 0;
    std::optional<Clock::time_point> timer_;
    RingBuffer<Completion> done_;
    List<Slot> pending_all_;         // actions on all zones that have not begun
    Slot* current_all_ = nullptr;    // one at a time
    std::span<Zone> reported_ = {};  // by the request of current_all_ in flight; empty: an action
    ActionOnAll all_;
    std::unique_ptr<Queue> inner_;  // last: destroyed first, while the zone buffers above still
                                    // exist
};

}  // namespace zonebridge::fault
