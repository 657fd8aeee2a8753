// A disk's zone properties that the host shows without opening the disk: the block layer's view,
// and the disk's own if sysfs passes it on. They may differ: Linux shows drive-managed disks, and
// since 6.8 host-aware ones, as disks without zones.
//
// Threads: any; every call reads the current state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transports/host/node.h"

namespace zonebridge {

/// The models of zone/types.h, and the one in which the drive hides its zones.
enum class Zoned : std::uint8_t { none, drive_managed, host_aware, host_managed };

/// "none", "drive-managed", "host-aware", "host-managed".
[[nodiscard]] std::string_view to_string(Zoned zoned) noexcept;

/// Whether a host can report and manage the zones.
[[nodiscard]] constexpr bool has_zones(std::optional<Zoned> zoned) noexcept {
    return zoned == Zoned::host_aware || zoned == Zoned::host_managed;
}

struct ZoneFacts {
    bool scsi = false;  ///< The disk is driven by SCSI commands (which ATA disks are as well).
    bool nvme = false;
    /// The block layer's view (queue/zoned); absent without a block device, or if the kernel does
    /// not support zoned disks.
    std::optional<Zoned> block_layer;
    /// The disk's own word (SCSI peripheral device type 14h, VPD page B1h; NVMe command set 2h), if
    /// sysfs passes it on.
    std::optional<Zoned> device;

    std::string vendor;  ///< The disk's; empty if sysfs does not have it.
    std::string model;
    std::optional<std::uint64_t> size;       ///< Bytes.
    std::optional<std::uint64_t> zone_size;  ///< Bytes; the block layer's.
    std::optional<std::uint64_t> zone_count;
};

/// The facts for any node of a disk. Reads sysfs only, which needs no privilege.
[[nodiscard]] ZoneFacts zone_facts(const host::Node& node);

/// The ZONED field of VPD page B1h (SBC-5, block device characteristics).
[[nodiscard]] std::optional<Zoned> zoned_of_vpd_b1(std::string_view page) noexcept;

}  // namespace zonebridge
