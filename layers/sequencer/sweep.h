// One queue's current sweep. A sweep is an action on many zones: it begins once every earlier
// request to those zones has ended, and later requests to them wait until it ends.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "layers/all_zones/action_on_all.h"
#include "layers/sequencer/channel.h"
#include "layers/sequencer/zones.h"

namespace zonebridge::sequencer {

class Sweep {
  public:
    explicit Sweep(Channel& channel) : channel_(channel), all_(channel.limits) {}

    /// Adds one of the queue's own sweeps, of the zones node.zone to node.last_zone.
    void add(Node& node) noexcept;
    [[nodiscard]] bool is_pending() const noexcept { return pending_ != 0; }
    /// Issues what can be issued now.
    void run() noexcept;
    /// The command with sweep_tag has completed.
    void completed(const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// False: the device has it.
    [[nodiscard]] bool withdraw(Node& node) noexcept;
    /// The device will not complete the command.
    void abandon(Status status) noexcept;

  private:
    enum class Step : std::uint8_t {
        drain,    ///< Checks zones until all are quiet.
        judge,    ///< A report, to see which zones allow the action.
        act,      ///< The action, on as many zones as allow it.
        explain,  ///< A report: why the action failed.
        all,      ///< An action on all zones that the device does not have, zone by zone.
    };

    [[nodiscard]] bool is_drained() noexcept;
    [[nodiscard]] bool pause_room() noexcept;
    void resume_room() noexcept;
    void go_on() noexcept;
    void act(std::uint32_t end) noexcept;
    void act_on_all() noexcept;
    void report(std::size_t zones, Step step) noexcept;
    void judged(const Completion& completion) noexcept;
    void acted(const Completion& completion) noexcept;
    void explained(const Completion& completion) noexcept;
    void end(Status status) noexcept;
    void unpark(std::uint32_t first, std::uint32_t last) noexcept;

    Channel& channel_;
    std::size_t pending_ = 0;  // the queue's own sweeps that have not ended

    Node* node_ = nullptr;  // the current sweep
    Step step_ = Step::drain;
    bool in_device_ = false;          // one of its commands is in the device
    bool room_paused_ = false;        // drain: all zones were quiet once; else: true
    std::uint64_t room_begun_ = 0;    // Room::begun() at its start
    std::uint32_t zone_ = 0;          // drain: the next to check; else: the first not done
    std::uint32_t end_ = 0;           // act: one past the last zone of the command
    std::optional<StatusCode> stop_;  // why it does not go on past end_
    Status failure_ = {};
    std::array<Zone, 64> zones_ = {};  // the reported zones
    ActionOnAll all_;
};

}  // namespace zonebridge::sequencer
