// One thread's way to a device whose sequential zones are kept in order. What needs no order goes
// to the device's own queue as it comes; what does goes through its zone's line, and whichever
// queue holds the line issues it, also for the others.
//
// Threads: belongs to its loop's thread.
// Ownership: owns the device's queue and its channel; borrows the loop and the zones.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "transports/sequencer/channel.h"
#include "transports/sequencer/order.h"
#include "transports/sequencer/passed.h"
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

    [[nodiscard]] bool needs_order(const Request& request) const noexcept;
    void add(Node& node) noexcept;
    void pump() noexcept;
    void empty_inbox() noexcept;
    void take_completion(const Completion& completion) noexcept;
    void hand_over() noexcept;

    // The end, in closing.cc.
    void withdraw() noexcept;
    [[nodiscard]] bool is_busy() const noexcept;
    void abandon() noexcept;

    Channel channel_;
    PassedRequests passed_;
    ZoneOrder order_;
    Sweep sweep_;
    std::array<Completion, 64> returned_ = {};
};

}  // namespace zonebridge::sequencer
