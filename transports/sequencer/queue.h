// One thread's way to a device whose sequential zones are kept in order. What needs no order goes
// to the device's own queue as it comes; what does goes through its zone's line, and whichever
// queue holds the line issues it, also for the others.
//
// Threads: belongs to its loop's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "transports/sequencer/channel.h"
#include "transports/sequencer/sweep.h"
#include "transports/sequencer/zones.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::sequencer {

class SequencedQueue final : public Queue, private Issuer, private Watcher {
    struct Private {};

  public:
    /// `limits` are those shown above; `device` has its own.
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(
        Loop& loop, Transport& device, const Limits& limits, Zones& zones, std::size_t depth);
    SequencedQueue(Private, Loop& loop, const Limits& limits, Zones& zones, std::size_t depth,
                   int event_fd);  // by open()
    /// Waits also for what other queues issued for this one: their threads must go on turning.
    ~SequencedQueue() override;

  private:
    std::size_t accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    void on_ready() override;

    // ---- queue.cc: in, out, and between queues.
    [[nodiscard]] bool needs_order(const Request& request) const noexcept;
    void enqueue(Node& node) noexcept;
    void pump() noexcept;
    void empty_inbox() noexcept;
    void take_completion(const Completion& completion) noexcept;
    void hand_over() noexcept;

    // ---- closing.cc
    void withdraw() noexcept;
    [[nodiscard]] bool is_withdrawable(std::uint64_t tag) const noexcept;
    [[nodiscard]] bool busy() const noexcept;
    void abandon() noexcept;

    // ---- line.cc: one zone's order.
    void run(Line& line) noexcept;
    void pass_append(Line& line, Node& node) noexcept;
    void append_passed(Node& node, const Completion& completion) noexcept;
    void end_append(Node& node, Status status, std::uint64_t result) noexcept;
    [[nodiscard]] StatusCode judge(const Line& line, const Node& node) const noexcept;
    void learn(Line& line, const Zone& zone) noexcept;
    void fail_waiting(Line& line, Status status) noexcept;
    void carried(Command& command, const Completion& completion) noexcept;

    // ---- explain.cc: why what passed its zone's order by has failed.
    [[nodiscard]] bool explain(Node& node, Status failure) noexcept;
    void append_explained(Command& command, bool known) noexcept;
    void read_explained(Command& command, bool known) noexcept;

    // ---- write.cc
    void write_ended(Command& command, Status status) noexcept;
    void settle_write(Command& command) noexcept;

    // ---- action.cc
    void begin_action(Command& command) noexcept;
    void act(Command& command) noexcept;
    void action_judged(Command& command) noexcept;
    void action_ended(Command& command, const Completion& completion) noexcept;
    void action_explained(Command& command) noexcept;
    void end_action(Command& command, Status status) noexcept;

    Zones& zones_;
    Channel channel_;
    std::array<Completion, 64> returned_ = {};
    std::size_t passed_appends_ = 0;  // native ones in the device
    List<Node> foreign_appends_;      // of those, other queues'
    Sweep sweep_;
};

}  // namespace zonebridge::sequencer
