#include "zbc/zac_sense.h"

#include "base/bytes.h"
#include "zbc/sense.h"

namespace zonebridge::zbc::zac {
namespace {

constexpr std::uint8_t status_return_descriptor = 0x09;
constexpr std::uint8_t status_return_length = 0x0C;
constexpr std::size_t descriptors_start = 8;

// Byte 0 of the fixed format's COMMAND-SPECIFIC INFORMATION.
constexpr std::uint8_t fixed_extend = 0x80;
constexpr std::uint8_t fixed_count_upper = 0x40;
constexpr std::uint8_t fixed_lba_upper = 0x20;

/// 00h/1Dh ATA PASS-THROUGH INFORMATION AVAILABLE
bool is_information_available(const Sense& sense) noexcept {
    return sense.asc == 0x00 && sense.ascq == 0x1D;
}

Registers decode_descriptor(ByteView one) noexcept {
    Registers registers;
    registers.extend = one.bit(2, 0);
    registers.error = one.u8(3);
    registers.count = one.u8(5);
    registers.lba = std::uint64_t{one.u8(11)} << 16 | std::uint64_t{one.u8(9)} << 8 | one.u8(7);
    if (registers.extend) {
        registers.count = one.be16(4);
        registers.lba |= std::uint64_t{one.u8(10)} << 40 | std::uint64_t{one.u8(8)} << 32 |
                         std::uint64_t{one.u8(6)} << 24;
    }
    registers.device = one.u8(12);
    registers.status = one.u8(13);
    return registers;
}

Registers decode_fixed(ByteView sense) noexcept {
    Registers registers;
    registers.error = sense.u8(3);
    registers.status = sense.u8(4);
    registers.device = sense.u8(5);
    registers.count = sense.u8(6);
    const auto marks = sense.u8(8);
    registers.extend = (marks & fixed_extend) != 0;
    registers.cut = (marks & (fixed_count_upper | fixed_lba_upper)) != 0;
    registers.lba =
        std::uint64_t{sense.u8(11)} << 16 | std::uint64_t{sense.u8(10)} << 8 | sense.u8(9);
    return registers;
}

/// Whether the sense data have a reason, not just a failure.
bool names_a_reason(const Sense& sense) noexcept {
    switch (sense.key) {
        case SenseKey::no_sense:
        case SenseKey::recovered_error:
        case SenseKey::completed:
            return false;
        case SenseKey::not_ready:
        case SenseKey::medium_error:
        case SenseKey::hardware_error:
        case SenseKey::illegal_request:
        case SenseKey::unit_attention:
        case SenseKey::data_protect:
        case SenseKey::blank_check:
        case SenseKey::vendor_specific:
        case SenseKey::copy_aborted:
        case SenseKey::aborted_command:
        case SenseKey::reserved:
        case SenseKey::volume_overflow:
        case SenseKey::miscompare:
            break;
    }
    return (sense.asc != 0 || sense.ascq != 0) && !is_information_available(sense);
}

StatusCode status_of_failure(const Registers& registers) noexcept {
    if ((registers.status & (Registers::busy | Registers::device_fault)) != 0)
        return StatusCode::io_error;
    if ((registers.error & Registers::interface_crc) != 0) return StatusCode::io_error;
    if ((registers.error & Registers::uncorrectable) != 0) return StatusCode::media_error;
    if ((registers.error & Registers::id_not_found) != 0) return StatusCode::out_of_range;
    return StatusCode::io_error;
}

}  // namespace

std::optional<Registers> decode_registers(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    const auto sense = decode_sense(bytes);
    if (!sense) return std::nullopt;
    const auto all = view.sub(0, std::size_t{8} + view.u8(7));
    if ((view.u8(0) & 0x7E) == 0x70) {
        // VALID; or 00h/1Dh, which means the same.
        if (!all.covers(0, 12) || (!view.bit(0, 7) && !is_information_available(*sense)))
            return std::nullopt;
        return decode_fixed(all);
    }
    for (auto at = descriptors_start; all.covers(at, 2); at += std::size_t{2} + all.u8(at + 1)) {
        const auto one = all.sub(at, std::size_t{2} + all.u8(at + 1));
        if (one.u8(0) == status_return_descriptor && one.u8(1) >= status_return_length &&
            one.covers(0, 2 + status_return_length))
            return decode_descriptor(one);
    }
    return std::nullopt;
}

StatusCode status_of(std::span<const std::uint8_t> bytes, Operation operation) noexcept {
    const auto sense = decode_sense(bytes);
    if (sense && names_a_reason(*sense)) return zbc::status_of(*sense, operation);
    if (const auto registers = decode_registers(bytes))
        return registers->ok() ? StatusCode::ok : status_of_failure(*registers);
    if (!sense || is_information_available(*sense)) return StatusCode::io_error;
    return zbc::status_of(*sense, operation);
}

}  // namespace zonebridge::zbc::zac
