// What a SCSI initiator is shown of a disk: the zone model's limits and identity in SCSI's terms.
// The codecs of INQUIRY, mode pages and capacities read nothing else.
//
// Threads: an immutable value.
// Ownership: owns its strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "zone/limits.h"
#include "zone/refusal.h"
#include "zone/status.h"

namespace zonebridge::zbc {

struct Unit {
    Model model = Model::none;
    std::uint64_t blocks = 0;  ///< Logical blocks; all "blocks" here are.
    std::uint32_t block_size = 512;
    std::uint8_t physical_exponent = 0;  ///< log2(logical blocks per physical block).
    std::uint32_t max_transfer_blocks = 0;
    std::optional<std::uint32_t> max_open;  ///< Never more than the disk's active limit.
    bool reads_past_pointer = true;         ///< URSWRZ.
    /// Zone starts lie at multiples of this where zones are followed by gaps; otherwise 0.
    std::uint64_t zone_granularity_blocks = 0;
    bool read_only = false;
    bool fua = false;

    std::string vendor;
    std::string product;
    std::string revision;
    std::string serial;
    std::uint64_t unique_id = 0;

    [[nodiscard]] bool zoned() const noexcept { return model != Model::none; }
    /// INQUIRY's PERIPHERAL DEVICE TYPE: 14h host-managed zoned block device, or 00h.
    [[nodiscard]] std::uint8_t device_type() const noexcept {
        return model == Model::host_managed ? 0x14 : 0x00;
    }
};

struct UnitOptions {
    bool read_only = false;                            ///< Refuse everything that changes the disk.
    std::optional<std::string> serial = std::nullopt;  ///< Instead of the disk's own.
    /// URSWRZ: false holds reads to what was written, zone by zone, also on a disk that would read
    /// on; true is only for disks that do. Absent: as the disk.
    std::optional<bool> reads_past_pointer = std::nullopt;
    /// Hears of what the target refuses before the disk is asked; outlives it. May be null.
    RefusalSink* refusals = nullptr;
};

/// The longest serial number shown; what is over is cut off.
inline constexpr std::size_t max_serial_length = 64;

/// Fails on what SCSI has no words for: sizes that are not whole logical blocks, a physical block
/// that is not a power of two of logical ones or more than 2^15 of them, an empty disk; and on
/// reads past the pointer that the disk does not have, or that are to be refused on a disk without
/// sequential write required zones.
[[nodiscard]] tl::expected<Unit, Error> describe_unit(const Limits& limits,
                                                      const Identity& identity,
                                                      const UnitOptions& options);

}  // namespace zonebridge::zbc
