#include "zbc/sense.h"

#include <limits>

#include "base/bytes.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t fixed_current = 0x70;
constexpr std::uint8_t fixed_deferred = 0x71;
constexpr std::uint8_t descriptor_current = 0x72;
constexpr std::uint8_t descriptor_deferred = 0x73;

constexpr std::uint8_t information_descriptor = 0x00;
constexpr std::uint8_t key_specific_descriptor = 0x02;

/// The three SENSE KEY SPECIFIC bytes: SKSV, C/D, BPV and the bit pointer, the field pointer.
void put_field(ByteWriter& out, std::size_t offset, const FieldPointer& field) noexcept {
    out.u8(offset, 0x80 | (field.in_cdb ? 0x40 : 0) | (field.bit ? 0x08 | (*field.bit & 7) : 0));
    out.be16(offset + 1, field.byte);
}

std::optional<FieldPointer> get_field(ByteView bytes, std::size_t offset, SenseKey key) noexcept {
    if (key != SenseKey::illegal_request || !bytes.covers(offset, 3) || !bytes.bit(offset, 7))
        return std::nullopt;
    FieldPointer field{bytes.bit(offset, 6), bytes.be16(offset + 1), std::nullopt};
    if (bytes.bit(offset, 3)) field.bit = static_cast<std::uint8_t>(bytes.u8(offset) & 7);
    return field;
}

std::size_t encode_fixed(const Sense& sense, ByteWriter out) noexcept {
    out.clear(0, fixed_sense_length);
    const auto fits =
        sense.information && *sense.information <= std::numeric_limits<std::uint32_t>::max();
    out.u8(0, fixed_current | (fits ? 0x80 : 0));
    out.u8(2, static_cast<std::uint8_t>(sense.key));
    if (fits) out.be32(3, *sense.information);
    out.u8(7, fixed_sense_length - 8);
    out.u8(12, sense.asc);
    out.u8(13, sense.ascq);
    if (sense.field) put_field(out, 15, *sense.field);
    return fixed_sense_length;
}

std::size_t encode_descriptor(const Sense& sense, ByteWriter out) noexcept {
    out.clear(0, max_descriptor_sense_length);
    out.u8(0, descriptor_current);
    out.u8(1, static_cast<std::uint8_t>(sense.key));
    out.u8(2, sense.asc);
    out.u8(3, sense.ascq);
    std::size_t end = 8;
    if (sense.information) {
        out.u8(end, information_descriptor);
        out.u8(end + 1, 0x0A);
        out.u8(end + 2, 0x80);  // VALID
        out.be64(end + 4, *sense.information);
        end += 12;
    }
    if (sense.field) {
        out.u8(end, key_specific_descriptor);
        out.u8(end + 1, 0x06);
        put_field(out, end + 4, *sense.field);
        end += 8;
    }
    out.u8(7, end - 8);
    return end;
}

Sense decode_fixed(ByteView bytes) noexcept {
    Sense sense;
    sense.key = static_cast<SenseKey>(bytes.u8(2) & 0x0F);
    const auto length = std::size_t{8} + bytes.u8(7);
    const auto valid = bytes.sub(0, length);
    sense.asc = valid.u8(12);
    sense.ascq = valid.u8(13);
    if (bytes.bit(0, 7)) sense.information = bytes.be32(3);
    sense.field = get_field(valid, 15, sense.key);
    return sense;
}

Sense decode_descriptors(ByteView bytes) noexcept {
    Sense sense;
    sense.key = static_cast<SenseKey>(bytes.u8(1) & 0x0F);
    sense.asc = bytes.u8(2);
    sense.ascq = bytes.u8(3);
    const auto all = bytes.sub(0, std::size_t{8} + bytes.u8(7));
    for (std::size_t at = 8; all.covers(at, 2); at += std::size_t{2} + all.u8(at + 1)) {
        const auto one = all.sub(at, std::size_t{2} + all.u8(at + 1));
        if (one.be16(0) == (information_descriptor << 8 | 0x0A) && one.covers(0, 12) &&
            one.bit(2, 7))
            sense.information = one.be64(4);
        if (one.be16(0) == (key_specific_descriptor << 8 | 0x06) && one.covers(0, 8))
            sense.field = get_field(one, 4, sense.key);
    }
    return sense;
}

}  // namespace

std::size_t encode_sense(const Sense& sense, SenseFormat format,
                         std::span<std::uint8_t> out) noexcept {
    switch (format) {
        case SenseFormat::fixed:
            return encode_fixed(sense, ByteWriter(out));
        case SenseFormat::descriptor:
            return encode_descriptor(sense, ByteWriter(out));
    }
    return 0;
}

std::optional<Sense> decode_sense(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    switch (view.u8(0) & 0x7F) {
        case fixed_current:
        case fixed_deferred:
            if (!view.covers(0, 8)) return std::nullopt;
            return decode_fixed(view);
        case descriptor_current:
        case descriptor_deferred:
            if (!view.covers(0, 4)) return std::nullopt;
            return decode_descriptors(view);
        default:
            return std::nullopt;
    }
}

Sense unit_attention(Attention attention) noexcept {
    const auto sense = [](std::uint8_t asc, std::uint8_t ascq) {
        return Sense{SenseKey::unit_attention, asc, ascq, {}, {}};
    };
    switch (attention) {
        case Attention::power_on:
            return sense(0x29, 0x00);
        case Attention::capacity_changed:
            return sense(0x2A, 0x09);
        case Attention::mode_changed:
            return sense(0x2A, 0x01);
        case Attention::luns_changed:
            return sense(0x3F, 0x0E);
        case Attention::inquiry_changed:
            return sense(0x3F, 0x03);
    }
    return sense(0x29, 0x00);
}

}  // namespace zonebridge::zbc
