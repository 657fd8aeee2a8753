// Sense data: why a command failed, in the two formats of SPC-4 4.5, and what it means to the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::zbc {

enum class SenseKey : std::uint8_t {
    no_sense = 0x0,
    recovered_error = 0x1,
    not_ready = 0x2,
    medium_error = 0x3,
    hardware_error = 0x4,
    illegal_request = 0x5,
    unit_attention = 0x6,
    data_protect = 0x7,
    blank_check = 0x8,
    vendor_specific = 0x9,
    copy_aborted = 0xA,
    aborted_command = 0xB,
    reserved = 0xC,
    volume_overflow = 0xD,
    miscompare = 0xE,
    completed = 0xF,
};

/// The field of a CDB or parameter list that is wrong (SPC-4 "field pointer sense key specific data").
struct FieldPointer {
    bool in_cdb = true;  ///< False: in the parameter list.
    std::uint16_t byte = 0;
    std::optional<std::uint8_t> bit;  ///< The field's most significant bit; absent: a whole byte.

    friend bool operator==(const FieldPointer&, const FieldPointer&) = default;
};

struct Sense {
    SenseKey key = SenseKey::no_sense;
    std::uint8_t asc = 0;
    std::uint8_t ascq = 0;
    /// The INFORMATION field: for a block device the LBA of the error.
    std::optional<std::uint64_t> information;
    std::optional<FieldPointer> field;

    /// key << 16 | ASC << 8 | ASCQ, as zonebridge::NativeCause has it.
    [[nodiscard]] std::uint32_t code() const noexcept {
        return static_cast<std::uint32_t>(key) << 16 | static_cast<std::uint32_t>(asc) << 8 | ascq;
    }
    friend bool operator==(const Sense&, const Sense&) = default;
};

/// What a unit attention reports, in the order of reports (SAM-5 5.14; SPC-5 "additional sense codes").
enum class Attention : std::uint8_t {
    power_on,          ///< 6/29/00 POWER ON, RESET, OR BUS DEVICE RESET OCCURRED
    capacity_changed,  ///< 6/2A/09 CAPACITY DATA HAS CHANGED
    mode_changed,      ///< 6/2A/01 MODE PARAMETERS CHANGED
    luns_changed,      ///< 6/3F/0E REPORTED LUNS DATA HAS CHANGED
    inquiry_changed,   ///< 6/3F/03 INQUIRY DATA HAS CHANGED
};
inline constexpr std::size_t attention_count = 5;

enum class SenseFormat : std::uint8_t { fixed, descriptor };

inline constexpr std::size_t fixed_sense_length = 18;
inline constexpr std::size_t max_descriptor_sense_length = 28;

/// Writes current (not deferred) sense data; returns its length, of which out.size() bytes were
/// written. Fixed format has room for an INFORMATION of 32 bits: a larger one is left out (VALID 0).
std::size_t encode_sense(const Sense& sense, SenseFormat format,
                         std::span<std::uint8_t> out) noexcept;

/// Reads either format, current or deferred; nothing if the bytes hold no sense data.
[[nodiscard]] std::optional<Sense> decode_sense(std::span<const std::uint8_t> bytes) noexcept;

// ---- Common sense data.

[[nodiscard]] inline Sense illegal_request(std::uint8_t asc, std::uint8_t ascq) noexcept {
    return {SenseKey::illegal_request, asc, ascq, {}, {}};
}
/// 5/24/00 INVALID FIELD IN CDB, pointing at the field.
[[nodiscard]] inline Sense invalid_field_in_cdb(
    std::uint16_t byte, std::optional<std::uint8_t> bit = std::nullopt) noexcept {
    return {SenseKey::illegal_request, 0x24, 0x00, {}, FieldPointer{true, byte, bit}};
}
/// 5/26/00 INVALID FIELD IN PARAMETER LIST, pointing at the field.
[[nodiscard]] inline Sense invalid_field_in_parameters(
    std::uint16_t byte, std::optional<std::uint8_t> bit = std::nullopt) noexcept {
    return {SenseKey::illegal_request, 0x26, 0x00, {}, FieldPointer{false, byte, bit}};
}
/// 5/20/00 INVALID COMMAND OPERATION CODE.
[[nodiscard]] inline Sense invalid_opcode() noexcept {
    return illegal_request(0x20, 0x00);
}
/// 5/1A/00 PARAMETER LIST LENGTH ERROR.
[[nodiscard]] inline Sense parameter_list_length_error() noexcept {
    return illegal_request(0x1A, 0x00);
}
/// 5/21/00 LOGICAL BLOCK ADDRESS OUT OF RANGE; with the first LBA that is invalid, as SBC asks.
[[nodiscard]] inline Sense lba_out_of_range(std::uint64_t first_invalid) noexcept {
    auto sense = illegal_request(0x21, 0x00);
    sense.information = first_invalid;
    return sense;
}
/// 5/25/00 LOGICAL UNIT NOT SUPPORTED.
[[nodiscard]] inline Sense lun_not_supported() noexcept {
    return illegal_request(0x25, 0x00);
}
/// E/1D/00 MISCOMPARE DURING VERIFY OPERATION; with the offset in
/// the data of the first different byte, as SBC asks.
[[nodiscard]] inline Sense miscompare(std::uint64_t offset) noexcept {
    return {SenseKey::miscompare, 0x1D, 0x00, offset, {}};
}
/// 7/27/00 WRITE PROTECTED.
[[nodiscard]] inline Sense write_protected() noexcept {
    return {SenseKey::data_protect, 0x27, 0x00, {}, {}};
}
/// 7/27/02 LOGICAL UNIT SOFTWARE WRITE PROTECTED.
[[nodiscard]] inline Sense software_write_protected() noexcept {
    return {SenseKey::data_protect, 0x27, 0x02, {}, {}};
}
/// 2/04/02 LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED: a START STOP UNIT.
[[nodiscard]] inline Sense stopped() noexcept {
    return {SenseKey::not_ready, 0x04, 0x02, {}, {}};
}
[[nodiscard]] Sense unit_attention(Attention attention) noexcept;

// ---- Between sense data and the model's codes, by one table (sense_table.cc).

/// The sense data for `code` after `operation`; nothing if ZBC has no error for it: for ok, and for
/// OPEN or CLOSE of a zone in a state that needs neither (ZBC-2 "OPEN ZONE command": a FULL zone stays
/// FULL without an error; "CLOSE ZONE command": the same for EMPTY and FULL zones).
[[nodiscard]] std::optional<Sense> sense_for(StatusCode code, Operation operation) noexcept;

/// The code for `sense` of the command that `operation` was sent as. NO SENSE and RECOVERED ERROR are
/// ok: the command did its work. Sense data that the table does not have go by their sense key.
/// 5/24/00 (INVALID FIELD IN CDB) is ZBC's answer to a write to a FULL zone, and to an action on a zone
/// without a write pointer.
[[nodiscard]] StatusCode status_of(const Sense& sense, Operation operation) noexcept;

}  // namespace zonebridge::zbc
