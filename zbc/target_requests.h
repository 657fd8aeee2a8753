// From a CDB to a request of the zone model: every check of the target that needs no zone's state.
// Blocks become bytes here. And the other way: what a refused CDB asked for, in the model's words.
#pragma once

#include <cstdint>
#include <optional>

#include <tl/expected.hpp>

#include "zbc/cdb.h"
#include "zbc/geometry.h"
#include "zbc/logical_unit.h"
#include "zbc/sense.h"
#include "zbc/unit.h"
#include "zbc/unit_state.h"
#include "zone/refusal.h"
#include "zone/request.h"
#include "zone/transport.h"

namespace zonebridge::zbc {

/// What all queues of a target share. Immutable, but for the state and the unit's blocks, which any
/// thread may change.
struct TargetFacts {
    Transport& disk;
    Unit unit;
    const Geometry geometry;
    UnitState state;
    RefusalSink* refusals = nullptr;  ///< Gets what is refused here; may be null.
};

struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

/// Why [lba, lba + blocks) is not on the disk: 5/21/00 with the first LBA that is not.
[[nodiscard]] std::optional<Sense> refuse_range(const Unit& unit, std::uint64_t lba,
                                                std::uint64_t blocks) noexcept;

/// The bytes of a READ, WRITE or VERIFY. With `limited` no more than the disk takes.
/// Errors: what refuse_range() and Geometry refuse; 5/24/00 at the length for too many blocks.
[[nodiscard]] tl::expected<ByteRange, Sense> checked_range(const TargetFacts& facts,
                                                           const CommandInfo& info,
                                                           const BlockRange& range,
                                                           bool limited) noexcept;

/// CLOSE, FINISH, OPEN ZONE and RESET WRITE POINTER. Errors: 5/21/00 for a zone id beyond the disk,
/// 5/24/00 for one that is not a sequential zone's start, and for a ZONE COUNT beyond the sequential
/// zones that follow. Gap zones are passed over and not counted.
[[nodiscard]] tl::expected<Request, Sense> zone_action_request(const TargetFacts& facts,
                                                               const CommandInfo& info,
                                                               ByteView cdb) noexcept;

/// What a task asked for that this target refused, and the rule that it broke; nothing for commands
/// that concern no blocks, for unit attentions, and for a disk that an initiator protected itself.
[[nodiscard]] std::optional<Refusal> refusal_of(const TargetFacts& facts, const Task& task,
                                                const TaskResult& result) noexcept;

}  // namespace zonebridge::zbc
