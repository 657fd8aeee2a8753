// A queue to a device whose sequential zones are kept in order. Requests that need no order go to
// the device's own queue at once. The others go through their zone's line, and the queue that holds
// the line issues them, also those of other queues.
//
// Threads: belongs to its loop's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/unique_fd.h"
#include "layers/sequencer/channel.h"
#include "layers/sequencer/order.h"
#include "layers/sequencer/passed.h"
#include "layers/sequencer/sweep.h"
#include "layers/sequencer/zones.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::sequencer {

class SequencedQueue final : public Queue, private Issuer, private Watcher {
    struct Private {};

  public:
    /// `limits` are the limits shown above; `device` has its own.
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(
        Loop& loop, Transport& device, const Limits& limits, Zones& zones, std::size_t depth);
    SequencedQueue(Private, Loop& loop, const Limits& limits, ZoneActions native_all, Zones& zones,
                   std::size_t depth,
                   UniqueFd event);  // by open()
    /// Also waits for requests that other queues issued for this one: their threads must keep
    /// turning.
    ~SequencedQueue() override;

  private:
    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    void on_ready() override;

    [[nodiscard]] bool needs_order(const Request& request) const noexcept;
    void add(Node& node) noexcept;
    [[nodiscard]] bool has_to_issue() const noexcept;
    bool pump() noexcept;
    void empty_inbox() noexcept;
    void take_completion(const Completion& completion) noexcept;
    void hand_over() noexcept;

    // Closing, in closing.cc.
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
