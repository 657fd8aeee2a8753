// What the parts of one queue share: the way to the device and back to the submitters, the commands
// in flight and the lines that the queue holds.
//
// Threads: the queue's, but for the inbox.
// Ownership: owns its parts; borrows the limits and the zones, which outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "transports/sequencer/command.h"
#include "transports/sequencer/device_queue.h"
#include "transports/sequencer/held_lines.h"
#include "transports/sequencer/inbox.h"
#include "transports/sequencer/requests.h"
#include "transports/sequencer/zones.h"
#include "zone/limits.h"
#include "zone/loop.h"

namespace zonebridge::sequencer {

struct Channel {
    /// More commands than the queue's own requests need: reports, and what is done for others.
    static constexpr std::size_t spare_commands = 8;

    /// Takes `event_fd` over.
    Channel(Loop& loop, const Limits& limits, Zones& zones, std::size_t depth, int event_fd);

    /// Asks for the zone of the command's line.
    void report(Command& command, Command::Step step) noexcept;
    /// What is wrong with the report that the command asked for, if anything is.
    [[nodiscard]] std::optional<Status> find_fault(const Command& command,
                                                   const Completion& completion) const noexcept;
    /// The command has ended; its line goes on with what waits there.
    void go_on(Command& command) noexcept {
        lines.add(*command.line);
        commands.give_back(command);
    }

    const Limits& limits;
    Zones& zones;
    const bool native_append;
    const std::uint32_t join_segments;  // pieces in a joined write, at most
    bool closing = false;

    Inbox inbox;
    Requests requests;
    Commands commands;
    HeldLines lines;
    DeviceQueue device;
};

}  // namespace zonebridge::sequencer
