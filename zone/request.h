// A request to a disk, and its completion.
//
// Ownership: a request borrows its buffers, its iovec array and its zone array until its completion
// is reaped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <sys/uio.h>

#include "base/export.h"
#include "zone/status.h"
#include "zone/types.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

enum class Operation : std::uint8_t {
    read,
    write,
    append,  ///< `offset` is the zone's start; the completion has the position of the data.
    flush,   ///< Covers every write completed before it was submitted, on any queue.
    open,
    close,
    finish,
    reset,
    report,  ///< Fills `zones`, beginning with the zone that holds `offset`.
    /// The range is no longer needed: until it is written again, reads of it may give zeroes, the
    /// old data, or anything else.
    discard,
    write_zeroes,  ///< Reads of the range give zeroes, as if zeroes had been written.
};

/// What a zone action acts on.
enum class Scope : std::uint8_t {
    /// Every zone in [offset, offset + length), in order, stopping at the first failure.
    zones,
    /// Every zone that the action applies to, as with ZBC's ALL bit: OPEN the closed zones, CLOSE
    /// the open ones, FINISH the open and closed ones, RESET all but empty, read-only and offline
    /// ones. OPEN over the limit opens nothing.
    all,
};

struct Request {
    std::uint64_t tag = 0;  ///< Chosen by the submitter; returned in the completion.
    Operation operation = Operation::read;
    Scope scope = Scope::zones;
    bool fua = false;  ///< Writes and appends: durable before the completion.
    /// write_zeroes: the range's space may be freed, as by a discard.
    bool may_unmap = false;
    std::uint64_t offset = 0;
    /// Reads, writes, appends: bytes, equal to the buffers' sum. Actions with Scope::zones: bytes
    /// from `offset`, a zone's start, to the end of the last zone. Discards and writes of zeroes:
    /// the range's bytes. Otherwise 0.
    std::uint64_t length = 0;
    std::span<const iovec> data = {};
    std::span<Zone> zones = {};
};

struct Completion {
    std::uint64_t tag = 0;
    Status status = {};
    /// append: the byte offset of the written data. report: the number of zones filled in.
    /// Scope::zones actions: the number of zones acted on, even if a later one failed. A read or a
    /// write that was carried out in pieces (Limits::any_length) and failed: where the first piece
    /// that failed begins, in bytes from `offset`.
    std::uint64_t result = 0;
};

/// Properties of an operation. A new operation is a member of Operation and a row here.
struct OperationRow {
    Operation operation;
    std::string_view name;  ///< In messages, options and JSON.
    bool moves_data;        ///< Takes buffers of `length` bytes in total.
    bool changes;           ///< Changes the disk's data or zones: refused if the disk is read-only.
    bool zone_action;       ///< Open, close, finish and reset.
    /// Changes a range without data. A flush makes it durable, as it does writes.
    bool clears;
};
inline constexpr std::array operations = {
    OperationRow{Operation::read, "read", true, false, false, false},
    OperationRow{Operation::write, "write", true, true, false, false},
    OperationRow{Operation::append, "append", true, true, false, false},
    OperationRow{Operation::flush, "flush", false, false, false, false},
    OperationRow{Operation::open, "open", false, true, true, false},
    OperationRow{Operation::close, "close", false, true, true, false},
    OperationRow{Operation::finish, "finish", false, true, true, false},
    OperationRow{Operation::reset, "reset", false, true, true, false},
    OperationRow{Operation::report, "report", false, false, false, false},
    OperationRow{Operation::discard, "discard", false, true, false, true},
    OperationRow{Operation::write_zeroes, "write-zeroes", false, true, false, true},
};
// One row for each operation, in the order of the enumeration.
static_assert([] {
    for (std::size_t i = 0; i < operations.size(); ++i)
        if (static_cast<std::size_t>(operations[i].operation) != i) return false;
    return operations.size() == static_cast<std::size_t>(Operation::write_zeroes) + 1;
}());
[[nodiscard]] constexpr const OperationRow& row_of(Operation operation) noexcept {
    return operations[static_cast<std::size_t>(operation)];
}
[[nodiscard]] constexpr std::string_view to_string(Operation operation) noexcept {
    return row_of(operation).name;
}
[[nodiscard]] constexpr bool moves_data(Operation operation) noexcept {
    return row_of(operation).moves_data;
}
[[nodiscard]] constexpr bool changes(Operation operation) noexcept {
    return row_of(operation).changes;
}
[[nodiscard]] constexpr bool is_zone_action(Operation operation) noexcept {
    return row_of(operation).zone_action;
}
[[nodiscard]] constexpr bool clears(Operation operation) noexcept {
    return row_of(operation).clears;
}

/// Requires is_zone_action(operation).
[[nodiscard]] constexpr ZoneAction zone_action_of(Operation operation) noexcept {
    return static_cast<ZoneAction>(static_cast<int>(operation) - static_cast<int>(Operation::open));
}
static_assert(zone_action_of(Operation::open) == ZoneAction::open &&
              zone_action_of(Operation::close) == ZoneAction::close &&
              zone_action_of(Operation::finish) == ZoneAction::finish &&
              zone_action_of(Operation::reset) == ZoneAction::reset);
/// Whether the action, with Scope::all, changes a zone in this state.
[[nodiscard]] constexpr bool all_acts_on(Operation action, ZoneState state) noexcept {
    const auto open = is_open(state);
    const auto closed = state == ZoneState::closed;
    switch (zone_action_of(action)) {
        case ZoneAction::open:
            return closed;
        case ZoneAction::close:
            return open;
        case ZoneAction::finish:
            return open || closed;
        case ZoneAction::reset:
            return open || closed || state == ZoneState::full;
    }
    return false;
}
/// Whether the request may free the range's space: a discard, or a write of zeroes that may unmap.
[[nodiscard]] inline bool may_give_back(const Request& request) noexcept {
    return request.operation == Operation::discard || request.may_unmap;
}

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
