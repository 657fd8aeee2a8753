// Cuts data into pieces that the device accepts, and explains why it accepts no more.
#pragma once

#include <cstdint>
#include <string>

#include "tools/disk_client.h"
#include "tools/failure.h"

namespace zonebridge::tools {

/// How many bytes may be written at `offset` in one run: to its zone's capacity or end, or to the
/// end of a disk without zones; 0 in the gap behind a capacity and beyond the disk.
[[nodiscard]] std::uint64_t room_at(const Layout& layout, std::uint64_t offset) noexcept;

/// Writes at `offset` must be a multiple of this: physical blocks in zones that require sequential
/// writes, logical blocks elsewhere.
[[nodiscard]] std::uint32_t granularity_at(const Limits& limits, std::uint64_t offset) noexcept;

/// " (zone 3 is closed, its write pointer is ...)": the state of the zone at `offset`, from the
/// device; empty if the report fails.
[[nodiscard]] std::string situation_at(DiskClient& session, std::uint64_t offset);

/// Why nothing can be written at `offset`: the zone's capacity, its end or the disk's.
[[nodiscard]] std::string no_room_at(const Layout& layout, std::uint64_t offset);

}  // namespace zonebridge::tools
