// Cutting what is to be written into pieces the device takes, and saying plainly why it took no
// more.
//
// Threads: one thread.
// Ownership: borrows the session.
#pragma once

#include <cstdint>
#include <string>

#include "tools/failure.h"
#include "tools/session.h"

namespace zonebridge::tools {

/// How many bytes may follow `offset` in one run: to its zone's capacity or end, to the end of a
/// disk without zones; 0 in the gap behind a capacity and beyond the disk.
[[nodiscard]] std::uint64_t room_at(const Layout& layout, std::uint64_t offset) noexcept;

/// What writes at `offset` must be a multiple of: physical blocks in zones that require sequential
/// writes, logical blocks elsewhere.
[[nodiscard]] std::uint32_t granularity_at(const Limits& limits, std::uint64_t offset) noexcept;

/// " (zone 3 is closed, its write pointer is ...)": how things stand where `offset` lies, asked of the
/// device; empty if it can't tell.
[[nodiscard]] std::string situation_at(Session& session, std::uint64_t offset);

/// Why nothing can follow at `offset`: the zone's capacity, its end or the disk's.
[[nodiscard]] std::string no_room_at(const Layout& layout, std::uint64_t offset);

}  // namespace zonebridge::tools
