// What the host tells of a disk's zones without opening it: the block layer's word, and the disk's
// own where sysfs passes it on. They may differ: Linux shows drive-managed disks, and since 6.8
// host-aware ones, as disks without zones.
//
// Threads: any; every call looks anew.
// Ownership: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transports/host/node.h"

namespace zonebridge {

/// How a disk is zoned: zone/types.h's models, and the one in which the drive hides its zones.
enum class Zoned : std::uint8_t { none, drive_managed, host_aware, host_managed };

/// "none", "drive-managed", "host-aware", "host-managed".
[[nodiscard]] std::string_view to_string(Zoned zoned) noexcept;

/// Zones that a host can report and manage.
[[nodiscard]] constexpr bool has_zones(std::optional<Zoned> zoned) noexcept {
    return zoned == Zoned::host_aware || zoned == Zoned::host_managed;
}

struct ZoneFacts {
    bool scsi = false;  ///< The disk is driven by SCSI commands (which ATA disks are as well).
    bool nvme = false;
    /// What the block layer makes of it (queue/zoned); absent without a block device, or where the
    /// kernel knows no zoned disks at all.
    std::optional<Zoned> block_layer;
    /// What the disk says of itself (SCSI peripheral device type 14h, VPD page B1h; NVMe command
    /// set 2h), where sysfs passes it on.
    std::optional<Zoned> device;

    std::string vendor;  ///< Of the disk; empty where sysfs does not tell.
    std::string model;
    std::optional<std::uint64_t> size;       ///< Bytes.
    std::optional<std::uint64_t> zone_size;  ///< Bytes; the block layer's.
    std::optional<std::uint64_t> zone_count;
};

/// Of any of a disk's nodes. Reads sysfs only, which takes no privilege.
[[nodiscard]] ZoneFacts zone_facts(const host::Node& node);

/// What VPD page B1h (SBC-5, block device characteristics) says of zones: its ZONED field.
[[nodiscard]] std::optional<Zoned> zoned_of_vpd_b1(std::string_view page) noexcept;

}  // namespace zonebridge
