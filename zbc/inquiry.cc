#include "zbc/inquiry.h"

#include <algorithm>
#include <array>

#include "zbc/bytes.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {
namespace {

constexpr std::size_t standard_length = 96;
// Initiators know these versions, and need nothing newer for this unit.
constexpr std::uint8_t version_spc4 = 0x06;
constexpr std::uint32_t not_reported = 0xFFFFFFFF;

// SPC-4 "version descriptor values", all "no version claimed".
constexpr std::uint16_t sam5 = 0x00A0;
constexpr std::uint16_t spc4 = 0x0460;
constexpr std::uint16_t sbc3 = 0x04C0;
constexpr std::uint16_t zbc2 = 0x0660;

constexpr std::uint8_t zone_alignment_constant_length = 1;
constexpr std::uint8_t zone_alignment_constant_start = 8;

constexpr std::uint8_t zoned_host_aware = 1;  // ZONED in VPD page B1h

constexpr std::array all_pages{VpdPage::supported_pages,
                               VpdPage::unit_serial_number,
                               VpdPage::device_identification,
                               VpdPage::extended_inquiry,
                               VpdPage::mode_page_policy,
                               VpdPage::block_limits,
                               VpdPage::block_device_characteristics,
                               VpdPage::logical_block_provisioning,
                               VpdPage::zoned_block_device_characteristics};

bool has_page(const Unit& unit, VpdPage page) noexcept {
    return page != VpdPage::zoned_block_device_characteristics || unit.zoned();
}

std::size_t supported_pages(const Unit& unit, ByteWriter out) noexcept {
    std::size_t end = 4;
    for (const auto page : all_pages)
        if (has_page(unit, page)) out.u8(end++, static_cast<std::uint8_t>(page));
    return end;
}

std::size_t serial_number(const Unit& unit, ByteWriter out) noexcept {
    out.ascii(4, unit.serial, unit.serial.size());
    return 4 + unit.serial.size();
}

/// Designators of the logical unit: T10 vendor id based, which people can read, and NAA locally
/// assigned, from which hosts make the names of device links.
std::size_t identification(const Unit& unit, ByteWriter out) noexcept {
    const auto t10_length = 8 + 16 + unit.serial.size();
    std::size_t at = 4;
    out.u8(at, 0x02);      // ASCII
    out.u8(at + 1, 0x01);  // of the logical unit; T10 vendor id based
    out.u8(at + 3, t10_length);
    out.ascii(at + 4, unit.vendor, 8);
    out.ascii(at + 12, unit.product, 16);
    out.ascii(at + 28, unit.serial, unit.serial.size());
    at += 4 + t10_length;
    if (unit.unique_id != 0) {
        out.u8(at, 0x01);      // binary
        out.u8(at + 1, 0x03);  // of the logical unit; NAA
        out.u8(at + 3, 8);
        out.be64(at + 4, std::uint64_t{3} << 60 | unit.unique_id << 4 >> 4);
        at += 12;
    }
    return at;
}

/// Page 86h (SPC-5 7.7.7): no protection information, simple tasks, a volatile write cache.
std::size_t extended_inquiry(ByteWriter out) noexcept {
    out.u8(5, 0x01);  // SIMPSUP
    out.u8(6, 0x01);  // V_SUP
    out.u8(13, max_descriptor_sense_length);
    return 64;
}

/// Page 87h (SPC-5 7.7.13): which mode pages initiators share (zbc/mode.h).
std::size_t mode_page_policy(ByteWriter out) noexcept {
    constexpr unsigned control_page = 0x0A;
    constexpr unsigned per_initiator = 3;
    constexpr unsigned any_other_page = 0x3F;
    constexpr unsigned any_subpage = 0xFF;
    out.u8(4, control_page);
    out.u8(6, per_initiator);
    out.u8(8, any_other_page);
    out.u8(9, any_subpage);  // shared: 0
    return 12;
}

/// Page B0h (SBC-4 6.6.4). virtio-scsi initiators learn the transfer limit only here.
std::size_t block_limits(const Unit& unit, ByteWriter out) noexcept {
    out.be16(6, std::uint32_t{1} << unit.physical_exponent);  // OPTIMAL TRANSFER LENGTH GRANULARITY
    out.be32(8, unit.max_transfer_blocks);
    return 64;
}

std::size_t characteristics(const Unit& unit, ByteWriter out) noexcept {
    out.be16(4, 0x0001);  // MEDIUM ROTATION RATE: does not rotate
    if (unit.model == Model::host_aware) out.u8(8, zoned_host_aware << 4);
    return 64;
}

/// Page B2h (SBC-4 6.6.6): all zero: full provisioning, and no command unmaps blocks. On a disk with
/// zones a reset of a zone frees its blocks.
std::size_t provisioning() noexcept {
    return 8;
}

/// Page B6h (ZBC-2 "Zoned Block Device Characteristics VPD page").
std::size_t zoned_characteristics(const Unit& unit, ByteWriter out) noexcept {
    const auto open = unit.max_open.value_or(not_reported);
    const auto managed = unit.model == Model::host_managed;
    out.u8(4, unit.reads_past_pointer ? 0x01 : 0x00);  // URSWRZ
    out.be32(8,
             managed ? not_reported : open);  // OPTIMAL NUMBER OF OPEN SEQUENTIAL WRITE PREFERRED
    out.be32(12, not_reported);  // OPTIMAL NUMBER OF NON-SEQUENTIALLY WRITTEN ... PREFERRED
    out.be32(16, managed ? open : not_reported);  // MAXIMUM NUMBER OF OPEN ... REQUIRED
    out.u8(23, unit.zone_granularity_blocks != 0 ? zone_alignment_constant_start
                                                 : zone_alignment_constant_length);
    out.be64(24, unit.zone_granularity_blocks);
    return 64;
}

std::size_t page_body(const Unit& unit, VpdPage page, ByteWriter out) noexcept {
    switch (page) {
        case VpdPage::supported_pages:
            return supported_pages(unit, out);
        case VpdPage::unit_serial_number:
            return serial_number(unit, out);
        case VpdPage::device_identification:
            return identification(unit, out);
        case VpdPage::extended_inquiry:
            return extended_inquiry(out);
        case VpdPage::mode_page_policy:
            return mode_page_policy(out);
        case VpdPage::block_limits:
            return block_limits(unit, out);
        case VpdPage::block_device_characteristics:
            return characteristics(unit, out);
        case VpdPage::logical_block_provisioning:
            return provisioning();
        case VpdPage::zoned_block_device_characteristics:
            return zoned_characteristics(unit, out);
    }
    return 4;
}

}  // namespace

std::size_t encode_standard_inquiry(const Unit& unit, std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    out.clear(0, standard_length);
    out.u8(0, unit.device_type());
    out.u8(2, version_spc4);
    out.u8(3, 0x12);  // HISUP, RESPONSE DATA FORMAT 2
    out.u8(4, standard_length - 5);
    out.u8(7, 0x02);  // CMDQUE
    out.ascii(8, unit.vendor, 8);
    out.ascii(16, unit.product, 16);
    out.ascii(32, unit.revision, 4);
    out.be16(58, sam5);
    out.be16(60, spc4);
    out.be16(62, sbc3);
    if (unit.zoned()) out.be16(64, zbc2);
    return standard_length;
}

std::size_t encode_absent_inquiry(std::span<std::uint8_t> bytes) noexcept {
    constexpr std::size_t length = 36;
    ByteWriter out(bytes);
    out.clear(0, length);
    out.u8(0, 0x7F);
    out.u8(2, version_spc4);
    out.u8(3, 0x12);
    out.u8(4, length - 5);
    out.ascii(8, "", length - 8);
    return length;
}

std::optional<std::size_t> encode_vpd(const Unit& unit, std::uint8_t page,
                                      std::span<std::uint8_t> bytes) noexcept {
    const auto known = std::find_if(all_pages.begin(), all_pages.end(), [&](VpdPage one) {
        return static_cast<std::uint8_t>(one) == page && has_page(unit, one);
    });
    if (known == all_pages.end()) return std::nullopt;
    ByteWriter out(bytes);
    out.clear(0, max_inquiry_length);
    const auto length = page_body(unit, *known, out);
    out.u8(0, unit.device_type());
    out.u8(1, page);
    out.be16(2, length - 4);
    return length;
}

}  // namespace zonebridge::zbc
