// The terms of the zone model: zone types, zone states, device models, and the description of one
// zone.
//
// The numeric values are the encoding that SCSI ZBC, NVMe ZNS, Linux and virtio-blk have in common
// (ZBC-2 "zone condition" and "zone type"; NVMe ZNS "zone state"; linux/blkzoned.h), so a codec may
// use them as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

enum class ZoneType : std::uint8_t {
    conventional = 1,
    sequential_write_required = 2,
    sequential_write_preferred = 3,
};

enum class ZoneState : std::uint8_t {
    not_write_pointer = 0x0,
    empty = 0x1,
    implicit_open = 0x2,
    explicit_open = 0x3,
    closed = 0x4,
    read_only = 0xD,
    full = 0xE,
    offline = 0xF,
};

[[nodiscard]] constexpr bool is_open(ZoneState state) noexcept {
    return state == ZoneState::implicit_open || state == ZoneState::explicit_open;
}

/// What a host must know about a disk's zones before it writes.
enum class Model : std::uint8_t {
    none,          ///< No zones: an ordinary disk.
    host_aware,    ///< Zones that prefer sequential writes.
    host_managed,  ///< Zones that demand sequential writes.
};

/// One zone as in a report. All positions and lengths are in bytes.
struct Zone {
    std::uint64_t start = 0;
    std::uint64_t length = 0;    ///< Distance to the next zone's start.
    std::uint64_t capacity = 0;  ///< Writable bytes from `start` on; never more than `length`.
    /// Where the next sequential write goes. Absent where the standards call it invalid:
    /// conventional, full, read-only and offline zones.
    std::optional<std::uint64_t> write_pointer;
    ZoneType type = ZoneType::conventional;
    ZoneState state = ZoneState::not_write_pointer;

    friend bool operator==(const Zone&, const Zone&) = default;
};

/// The zone actions, for code that knows no other operation (zone/request.h).
enum class ZoneAction : std::uint8_t { open, close, finish, reset };

/// A set of zone actions.
class ZoneActions {
  public:
    constexpr ZoneActions() noexcept = default;
    [[nodiscard]] static constexpr ZoneActions all() noexcept {
        return ZoneActions()
            .with(ZoneAction::open)
            .with(ZoneAction::close)
            .with(ZoneAction::finish)
            .with(ZoneAction::reset);
    }
    [[nodiscard]] constexpr ZoneActions with(ZoneAction action) const noexcept {
        ZoneActions more = *this;
        more.bits_ = static_cast<std::uint8_t>(bits_ | 1U << static_cast<unsigned>(action));
        return more;
    }
    [[nodiscard]] constexpr bool has(ZoneAction action) const noexcept {
        return (bits_ >> static_cast<unsigned>(action) & 1U) != 0;
    }

    friend constexpr bool operator==(ZoneActions, ZoneActions) noexcept = default;

  private:
    std::uint8_t bits_ = 0;
};

/// The standards' terms, as messages, JSON and the command line use them
/// ("sequential-write-required", "implicit-open", "host-managed").
[[nodiscard]] std::string_view to_string(ZoneType type) noexcept;
[[nodiscard]] std::string_view to_string(ZoneState state) noexcept;
[[nodiscard]] std::string_view to_string(Model model) noexcept;

/// The reverse of to_string; empty for any other word.
[[nodiscard]] std::optional<ZoneType> parse_zone_type(std::string_view word) noexcept;
[[nodiscard]] std::optional<ZoneState> parse_zone_state(std::string_view word) noexcept;
[[nodiscard]] std::optional<Model> parse_model(std::string_view word) noexcept;

/// The state with this number, as a device gives it; empty for an unknown number.
[[nodiscard]] std::optional<ZoneState> zone_state_of(std::uint8_t number) noexcept;

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
