// A host's decoder of a disk's description: INQUIRY data, vital product data pages, READ
// CAPACITY(16), and the header of mode pages.
//
// A disk's answer may be wrong or short: missing bytes count as zero, text is reduced to printable
// characters, and numbers are not checked here.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zonebridge::zbc {

struct StandardInquiry {
    static constexpr std::uint8_t type_disk = 0x00;
    static constexpr std::uint8_t type_host_managed = 0x14;

    std::uint8_t qualifier = 0;  ///< 0: a device is there.
    std::uint8_t type = 0;       ///< PERIPHERAL DEVICE TYPE.
    std::uint8_t version = 0;
    std::string vendor;
    std::string product;
    std::string revision;
};
/// Nothing if there are fewer than the 36 bytes that are mandatory.
[[nodiscard]] std::optional<StandardInquiry> decode_standard_inquiry(
    std::span<const std::uint8_t> bytes);

/// The part of a VPD page after its header: as many bytes as the header says, and as arrived; nothing
/// for another page.
[[nodiscard]] std::optional<std::span<const std::uint8_t>> vpd_body(
    std::span<const std::uint8_t> bytes, std::uint8_t page) noexcept;

/// Page 00h: which pages the disk has. The argument is the page's body, as for all below.
[[nodiscard]] std::bitset<256> decode_supported_pages(std::span<const std::uint8_t> body) noexcept;

/// Page 80h, without leading and trailing spaces.
[[nodiscard]] std::string decode_serial_number(std::span<const std::uint8_t> body);

/// Page 83h: a name of the logical unit that is unique in the world.
struct Designator {
    enum class Kind : std::uint8_t { t10 = 1, eui64 = 2, naa = 3, name = 8, uuid = 10 };
    Kind kind = Kind::t10;
    std::vector<std::uint8_t> bytes;
    friend bool operator==(const Designator&, const Designator&) = default;
};
/// The strongest designator of the logical unit itself (not of its port or target): NAA, EUI-64,
/// UUID, SCSI name string, T10 vendor id; nothing if there is none.
[[nodiscard]] std::optional<Designator> best_designator(std::span<const std::uint8_t> body);

/// Page B0h.
struct BlockLimits {
    std::uint32_t max_transfer_blocks = 0;  ///< 0: not reported.
};
[[nodiscard]] BlockLimits decode_block_limits(std::span<const std::uint8_t> body) noexcept;

/// Page B1h, field ZONED.
enum class ZonedField : std::uint8_t { none = 0, host_aware = 1, drive_managed = 2, reserved = 3 };
[[nodiscard]] ZonedField decode_zoned_field(std::span<const std::uint8_t> body) noexcept;

/// Page B6h (ZBC-2 "Zoned Block Device Characteristics VPD page").
struct ZonedCharacteristics {
    bool reads_past_pointer = false;  ///< URSWRZ.
    std::optional<std::uint32_t> optimal_open;
    std::optional<std::uint32_t> max_open;  ///< Absent: no limit.
    std::uint8_t alignment_method = 0;
    std::uint64_t granularity_blocks = 0;
};
[[nodiscard]] ZonedCharacteristics decode_zoned_characteristics(
    std::span<const std::uint8_t> body) noexcept;

/// READ CAPACITY(16).
struct Capacity {
    std::uint64_t last_lba = 0;
    std::uint32_t block_size = 0;
    std::uint8_t physical_exponent = 0;  ///< log2(logical blocks per physical block).
    /// RC_BASIS: 0 if the last LBA is that of the leading conventional zones, 1 if it is the device's.
    std::uint8_t basis = 0;
};
/// Nothing if there are fewer than 14 bytes.
[[nodiscard]] std::optional<Capacity> decode_read_capacity_16(
    std::span<const std::uint8_t> bytes) noexcept;

/// The DEVICE-SPECIFIC PARAMETER of a block device's mode parameter header.
struct ModeHeader {
    bool write_protected = false;
    bool dpo_fua = false;  ///< The DPO and FUA bits are supported.
};
[[nodiscard]] std::optional<ModeHeader> decode_mode_header_10(
    std::span<const std::uint8_t> bytes) noexcept;
[[nodiscard]] std::optional<ModeHeader> decode_mode_header_6(
    std::span<const std::uint8_t> bytes) noexcept;

}  // namespace zonebridge::zbc
