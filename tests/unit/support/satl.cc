#include "tests/unit/support/satl.h"

namespace zonebridge::test {
namespace {

using zbc::zac::AtaCommand;

// SAT-4 "ATA PASS-THROUGH (16) command", byte 2 of the CDB.
constexpr std::uint8_t type_logical_sectors = 0x10;  // T_TYPE
constexpr std::uint8_t direction_in = 0x08;          // T_DIR
constexpr std::uint8_t length_mask = 0x03;           // T_LENGTH

// SAT-4 "ATA PASS-THROUGH sense data".
constexpr std::uint8_t status_return_descriptor = 0x09;
constexpr std::uint8_t status_return_length = 0x0C;
constexpr std::size_t descriptors_start = 8;

// Byte 0 of the fixed format's COMMAND-SPECIFIC INFORMATION.
constexpr std::uint8_t fixed_extend = 0x80;
constexpr std::uint8_t fixed_count_upper = 0x40;
constexpr std::uint8_t fixed_lba_upper = 0x20;

}  // namespace

std::optional<AtaCommand> decode_ata(ByteView cdb) noexcept {
    if (!cdb.covers(0, 16) || cdb.u8(0) != zbc::zac::ata_pass_through_16) return std::nullopt;
    AtaCommand command;
    command.opcode = static_cast<zbc::zac::Opcode>(cdb.u8(14));
    command.protocol = static_cast<zbc::zac::Protocol>(cdb.u8(1) >> 1 & 0xF);
    command.ext = cdb.bit(1, 0);
    if ((cdb.u8(2) & length_mask) != 0)
        command.transfer =
            (cdb.u8(2) & direction_in) != 0 ? zbc::zac::Transfer::in : zbc::zac::Transfer::out;
    command.large_sectors = (cdb.u8(2) & type_logical_sectors) != 0;
    command.features = cdb.be16(3);
    command.count = cdb.be16(5);
    constexpr std::uint8_t places[] = {8, 10, 12, 7, 9, 11};
    for (unsigned byte = 0; byte < 6; ++byte)
        command.lba |= static_cast<std::uint64_t>(cdb.u8(places[byte])) << 8 * byte;
    return command;
}

std::size_t encode_registers(const zbc::zac::Registers& registers, const zbc::Sense& sense,
                             zbc::SenseFormat format, std::span<std::uint8_t> bytes) noexcept {
    auto plain = sense;
    plain.information.reset();  // the registers' place in fixed format
    const auto length = zbc::encode_sense(plain, format, bytes);
    ByteWriter out(bytes);
    const auto count = registers.count;
    const auto lba = [&](unsigned byte) { return registers.lba >> 8 * byte; };
    switch (format) {
        case zbc::SenseFormat::fixed: {
            const auto upper_lba = registers.extend && lba(3) != 0;
            const auto upper_count = registers.extend && count >> 8 != 0;
            out.u8(0, 0xF0);  // VALID
            out.u8(3, registers.error);
            out.u8(4, registers.status);
            out.u8(5, registers.device);
            out.u8(6, count);
            out.u8(8, (registers.extend ? fixed_extend : 0) |
                          (upper_count ? fixed_count_upper : 0) |
                          (upper_lba ? fixed_lba_upper : 0));
            for (unsigned byte = 0; byte < 3; ++byte) out.u8(9 + byte, lba(byte));
            return length;
        }
        case zbc::SenseFormat::descriptor: {
            out.u8(7, length - descriptors_start + 2 + status_return_length);
            out.u8(length, status_return_descriptor);
            out.u8(length + 1, status_return_length);
            out.u8(length + 2, registers.extend ? 1 : 0);
            out.u8(length + 3, registers.error);
            out.be16(length + 4, count);
            constexpr std::size_t places[] = {7, 9, 11, 6, 8, 10};
            for (unsigned byte = 0; byte < 6; ++byte) out.u8(length + places[byte], lba(byte));
            out.u8(length + 12, registers.device);
            out.u8(length + 13, registers.status);
            return length + 2 + status_return_length;
        }
    }
    return 0;
}

}  // namespace zonebridge::test
