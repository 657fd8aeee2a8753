// What the parts of one queue share: the path to the device and to the submitters, the commands in
// flight, and the lines that the queue holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/unique_fd.h"
#include "layers/sequencer/command.h"
#include "layers/sequencer/device_queue.h"
#include "layers/sequencer/held_lines.h"
#include "layers/sequencer/inbox.h"
#include "layers/sequencer/requests.h"
#include "layers/sequencer/zones.h"
#include "zone/limits.h"
#include "zone/loop.h"

namespace zonebridge::sequencer {

struct Channel {
    /// Commands beyond those of the queue's own requests: for reports, and for other queues'
    /// requests.
    static constexpr std::size_t spare_commands = 8;

    /// The most requests in the device at once: those that need no order, native appends for other
    /// queues, commands, a sweep.
    [[nodiscard]] static constexpr std::size_t most_in_device(std::size_t depth) noexcept {
        return 3 * depth + spare_commands + 1;
    }

    Channel(const Limits& limits, ZoneActions native_all, Zones& zones, std::size_t depth,
            UniqueFd event);

    /// Requests a report of the zone of the command's line.
    void report(Command& command, Command::Step step) noexcept;
    /// What is wrong with the report that the command requested, if anything is.
    [[nodiscard]] std::optional<Status> find_fault(const Command& command,
                                                   const Completion& completion) const noexcept;
    /// The command has ended; its line continues with the next pending request.
    void go_on(Command& command) noexcept {
        lines.add(*command.line);
        commands.give_back(command);
    }

    const Limits& limits;
    Zones& zones;
    const bool native_append;
    const ZoneActions native_all;
    const std::uint32_t join_segments;  // most pieces of a joined write
    bool closing = false;

    Inbox inbox;
    Requests requests;
    Commands commands;
    HeldLines lines;
    DeviceQueue device;
};

}  // namespace zonebridge::sequencer
