#include "layers/sequencer/channel.h"

#include <algorithm>

namespace zonebridge::sequencer {
namespace {

/// The most pieces of a joined write, even if the device would take more.
constexpr std::uint32_t most_pieces = 256;

}  // namespace

Channel::Channel(const Limits& limits_, ZoneActions native_all_, Zones& zones_, std::size_t depth,
                 UniqueFd event)
    : limits(limits_),
      zones(zones_),
      native_append(limits_.append == Support::native),
      native_all(native_all_),
      join_segments(std::clamp(limits_.max_segments, 1U, most_pieces)),
      inbox(std::move(event)),
      requests(depth, inbox),
      commands(depth + spare_commands, join_segments),
      lines(zones_, inbox),
      device(most_in_device(depth)) {}

void Channel::report(Command& command, Command::Step step) noexcept {
    command.step = step;
    auto& request = device.make(tag_of(command));
    request.operation = Operation::report;
    request.offset = limits.layout.start_of(zones.index(*command.line));
    request.zones = {&command.zone, 1};
}

std::optional<Status> Channel::find_fault(const Command& command,
                                          const Completion& completion) const noexcept {
    if (!completion.status.ok()) return completion.status;
    const auto& layout = limits.layout;
    const auto index = zones.index(*command.line);
    const auto start = layout.start_of(index);
    const auto& zone = command.zone;
    const Status nonsense{StatusCode::io_error, {}};
    if (completion.result != 1 || zone.start != start) return nonsense;
    switch (zone.state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            if (!zone.write_pointer || *zone.write_pointer < start ||
                *zone.write_pointer > start + layout.capacity_of(index))
                return nonsense;
            return std::nullopt;
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
            return std::nullopt;
        case ZoneState::not_write_pointer:
            break;
    }
    return nonsense;
}

}  // namespace zonebridge::sequencer
