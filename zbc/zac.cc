#include "zbc/zac.h"

#include "zbc/report.h"

namespace zonebridge::zbc::zac {
namespace {

constexpr std::uint8_t identify_device_data_log = 0x30;
constexpr std::uint8_t device_lba = 0x40;  // DEVICE: the LBA bit

// Byte 2 of the CDB.
constexpr std::uint8_t type_logical_sectors = 0x10;  // T_TYPE
constexpr std::uint8_t direction_in = 0x08;          // T_DIR
constexpr std::uint8_t in_blocks = 0x04;             // BYT_BLOK
constexpr std::uint8_t length_in_count = 0x02;       // T_LENGTH

// FEATURES of ZAC MANAGEMENT IN and OUT.
constexpr std::uint16_t partial_bit = 0x8000;
constexpr std::uint16_t all_bit = 0x0100;

/// The action of ZAC MANAGEMENT OUT; ZBC OUT has the same.
std::uint8_t action_of(Operation operation) noexcept {
    switch (operation) {
        case Operation::close:
            return 0x01;
        case Operation::finish:
            return 0x02;
        case Operation::open:
            return 0x03;
        case Operation::reset:
            return 0x04;
        case Operation::read:
        case Operation::write:
        case Operation::append:
        case Operation::flush:
        case Operation::report:
        case Operation::discard:
        case Operation::write_zeroes:
            break;
    }
    return 0;  // reserved: disks refuse it
}

AtaCommand data(Opcode opcode, Transfer transfer, std::uint64_t lba, std::uint32_t sectors,
                std::uint32_t sector_size) noexcept {
    return {.opcode = opcode,
            .protocol = Protocol::dma,
            .transfer = transfer,
            .large_sectors = sector_size != page_length,
            .count = static_cast<std::uint16_t>(sectors),  // 65536 is 0
            .lba = lba};
}

}  // namespace

Cdb encode(const AtaCommand& command) noexcept {
    Cdb cdb{};
    cdb[0] = ata_pass_through_16;
    cdb[1] = static_cast<std::uint8_t>(static_cast<unsigned>(command.protocol) << 1 |
                                       (command.ext ? 1U : 0U));
    if (command.transfer != Transfer::none) {
        cdb[2] = in_blocks | length_in_count;
        if (command.transfer == Transfer::in) cdb[2] |= direction_in;
        if (command.large_sectors) cdb[2] |= type_logical_sectors;
    }
    const auto lba = [&](unsigned byte) {
        return static_cast<std::uint8_t>(command.lba >> 8 * byte);
    };
    cdb[3] = static_cast<std::uint8_t>(command.features >> 8);
    cdb[4] = static_cast<std::uint8_t>(command.features);
    cdb[5] = static_cast<std::uint8_t>(command.count >> 8);
    cdb[6] = static_cast<std::uint8_t>(command.count);
    cdb[7] = lba(3);
    cdb[8] = lba(0);
    cdb[9] = lba(4);
    cdb[10] = lba(1);
    cdb[11] = lba(5);
    cdb[12] = lba(2);
    cdb[13] = command.ext ? device_lba : 0;
    cdb[14] = static_cast<std::uint8_t>(command.opcode);
    return cdb;
}

Cdb encode_identify_device() noexcept {
    return encode({.opcode = Opcode::identify_device,
                   .protocol = Protocol::pio_in,
                   .transfer = Transfer::in,
                   .ext = false,
                   .count = 1});
}

Cdb encode_read_identify_log(std::uint8_t page, bool dma) noexcept {
    // The log's address in LBA 7:0, the page's number from 15:8 on.
    return encode({.opcode = dma ? Opcode::read_log_dma_ext : Opcode::read_log_ext,
                   .protocol = dma ? Protocol::dma : Protocol::pio_in,
                   .transfer = Transfer::in,
                   .count = 1,
                   .lba = static_cast<std::uint64_t>(page) << 8 | identify_device_data_log});
}

Cdb encode_read(std::uint64_t lba, std::uint32_t sectors, std::uint32_t sector_size) noexcept {
    return encode(data(Opcode::read_dma_ext, Transfer::in, lba, sectors, sector_size));
}

Cdb encode_write(std::uint64_t lba, std::uint32_t sectors, std::uint32_t sector_size,
                 bool fua) noexcept {
    return encode(data(fua ? Opcode::write_dma_fua_ext : Opcode::write_dma_ext, Transfer::out, lba,
                       sectors, sector_size));
}

Cdb encode_flush() noexcept {
    return encode({.opcode = Opcode::flush_cache_ext});
}

Cdb encode_report_zones(std::uint64_t start_lba, std::uint32_t pages, bool partial,
                        std::uint8_t options) noexcept {
    // The action, REPORT ZONES EXT, is 0.
    return encode({.opcode = Opcode::zac_management_in,
                   .protocol = Protocol::dma,
                   .transfer = Transfer::in,
                   .features = static_cast<std::uint16_t>((partial ? partial_bit : 0) |
                                                          (options & 0x3F) << 8),
                   .count = static_cast<std::uint16_t>(pages),  // 65536 is 0
                   .lba = start_lba});
}

Cdb encode_zone_action(Operation operation, std::uint64_t zone_lba) noexcept {
    // COUNT 0 is one zone; before ZAC-2 it was reserved.
    return encode(
        {.opcode = Opcode::zac_management_out, .features = action_of(operation), .lba = zone_lba});
}

Cdb encode_zone_action_all(Operation operation) noexcept {
    return encode({.opcode = Opcode::zac_management_out,
                   .features = static_cast<std::uint16_t>(all_bit | action_of(operation))});
}

std::optional<ReportListHeader> decode_report_header(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    if (!view.covers(0, report_header_length)) return std::nullopt;
    return ReportListHeader{view.le32(0), view.le64(8), view.le64(16)};
}

std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                              std::size_t index) noexcept {
    if (index >= bytes.size() / zone_descriptor_length) return std::nullopt;
    const auto at = report_header_length + index * zone_descriptor_length;
    const ByteView all(bytes);
    if (!all.covers(at, zone_descriptor_length)) return std::nullopt;
    const auto view = all.sub(at, zone_descriptor_length);
    return RawZone{static_cast<std::uint8_t>(view.u8(0) & 0x0F),
                   static_cast<std::uint8_t>(view.u8(1) >> 4), view.le64(8), view.le64(16),
                   view.le64(24)};
}

}  // namespace zonebridge::zbc::zac
