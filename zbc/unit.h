// A disk as a SCSI initiator sees it: the zone model's limits and identity in SCSI's terms. The codecs
// of INQUIRY, mode pages and capacities use only this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "base/shared_number.h"
#include "zone/limits.h"
#include "zone/refusal.h"
#include "zone/status.h"

namespace zonebridge::zbc {

struct Unit {
    Model model = Model::none;
    SharedNumber blocks = 0;  ///< Logical blocks, as all "blocks" here.
    std::uint32_t block_size = 512;
    std::uint8_t physical_exponent = 0;  ///< log2(logical blocks per physical block).
    std::uint32_t max_transfer_blocks = 0;
    std::optional<std::uint32_t> max_open;  ///< Never more than the disk's active limit.
    bool reads_past_pointer = true;         ///< URSWRZ.
    /// If gaps follow zones, zones start at multiples of this; else 0.
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
    /// URSWRZ: with false a read may not pass a zone's write pointer, also on a disk that would allow
    /// it; true is an error on a disk that does not allow it. Absent: as the disk.
    std::optional<bool> reads_past_pointer = std::nullopt;
    /// Gets what the target refuses without a request to the disk. Outlives the target; may be null.
    RefusalSink* refusals = nullptr;
};

/// A longer serial number is cut.
inline constexpr std::size_t max_serial_length = 64;

/// Fails on what SCSI can't express: sizes that are not whole logical blocks, a physical block that is
/// not a power of two of logical blocks or more than 2^15 of them, an empty disk. Also fails on
/// reads_past_pointer true for a disk that does not allow them, and false for a disk without
/// sequential write required zones.
[[nodiscard]] tl::expected<Unit, Error> describe_unit(const Limits& limits,
                                                      const Identity& identity,
                                                      const UnitOptions& options);

}  // namespace zonebridge::zbc
