// The sweep that one queue has under way. A sweep is an action on many zones: it begins once every
// request that was accepted before it has ended in each of them, and what was accepted after it
// waits there until it ends.
//
// Threads: the queue's.
// Ownership: borrows the channel, and the node of the sweep under way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "transports/sequencer/channel.h"
#include "transports/sequencer/zones.h"

namespace zonebridge::sequencer {

class Sweep {
  public:
    explicit Sweep(Channel& channel) noexcept : channel_(channel) {}

    /// One of the queue's own; node.zone and node.last_zone say of which zones.
    void add(Node& node) noexcept;
    /// Issues what can be issued.
    void run() noexcept;
    /// The command that had sweep_tag has ended.
    void completed(const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// False: the device has it.
    [[nodiscard]] bool withdraw(Node& node) noexcept;
    /// The device's answer will not come.
    void abandon(Status status) noexcept;

  private:
    enum class Step : std::uint8_t {
        drain,    ///< Zones are looked at until all are quiet.
        judge,    ///< A report, to see which zones allow the action.
        act,      ///< The action, on as many zones as allow it.
        explain,  ///< A report: why it failed.
    };

    [[nodiscard]] bool is_drained() noexcept;
    [[nodiscard]] bool pause_room() noexcept;
    void resume_room() noexcept;
    void go_on() noexcept;
    void act(std::uint32_t end) noexcept;
    void report(std::size_t zones, Step step) noexcept;
    void judged(const Completion& completion) noexcept;
    void acted(const Completion& completion) noexcept;
    void explained(const Completion& completion) noexcept;
    void end(Status status) noexcept;
    void unpark(std::uint32_t first, std::uint32_t last) noexcept;

    Channel& channel_;
    std::size_t pending_ = 0;  // the queue's own sweeps that have not ended

    Node* node_ = nullptr;  // the one under way
    Step step_ = Step::drain;
    bool in_device_ = false;          // a command of it is
    bool room_paused_ = false;        // drain: all zones were quiet once; else: true
    std::uint64_t room_begun_ = 0;    // Room::begun() when it began
    std::uint32_t zone_ = 0;          // drain: the next to look at; else: the first not done
    std::uint32_t end_ = 0;           // act: behind the last zone of the command
    std::optional<StatusCode> stop_;  // why it goes no further than that
    Status failure_ = {};
    std::array<Zone, 64> zones_ = {};  // what was reported
};

}  // namespace zonebridge::sequencer
