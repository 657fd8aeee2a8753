// What zone/machine says of an action on a zone in a given state, where devices and standards
// differ: used before the device is asked, and after it refused.
#pragma once

#include <optional>

#include "zone/request.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::sequencer {

/// The result of an action that the device need not be asked for: a refusal, or ok because nothing
/// would change. Absent: ask the device.
[[nodiscard]] constexpr std::optional<StatusCode> judge_action(Operation operation,
                                                               ZoneState state) noexcept {
    const auto opens = operation == Operation::open;
    const auto closes = operation == Operation::close;
    switch (state) {
        case ZoneState::read_only:
            return StatusCode::zone_read_only;
        case ZoneState::offline:
            return StatusCode::zone_offline;
        case ZoneState::not_write_pointer:
            return StatusCode::not_sequential;
        case ZoneState::empty:
            if (closes) return StatusCode::invalid_transition;
            if (operation == Operation::reset) return StatusCode::ok;
            break;
        case ZoneState::full:
            if (opens || closes) return StatusCode::invalid_transition;
            if (operation == Operation::finish) return StatusCode::ok;
            break;
        case ZoneState::explicit_open:
            if (opens) return StatusCode::ok;
            break;
        case ZoneState::closed:
            if (closes) return StatusCode::ok;
            break;
        case ZoneState::implicit_open:
            break;
    }
    return std::nullopt;
}

/// The result after the device refused with `failure`, and the zone was then found in `state`.
[[nodiscard]] constexpr Status explain_action(Operation operation, ZoneState state,
                                              Status failure) noexcept {
    const auto verdict = judge_action(operation, state);
    if (!verdict) return failure;
    if (*verdict == StatusCode::ok) return {};
    return {*verdict, failure.cause};
}

}  // namespace zonebridge::sequencer
