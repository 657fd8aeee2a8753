#include "zbc/inquiry_decode.h"

#include <algorithm>
#include <utility>

#include "zbc/bytes.h"

namespace zonebridge::zbc {
namespace {

constexpr std::size_t vpd_header_length = 4;
constexpr std::uint32_t not_reported = 0xFFFFFFFF;

/// Printable characters, without leading and trailing spaces.
std::string text(ByteView view, std::size_t offset, std::size_t length) {
    std::string result;
    for (const auto byte : view.sub(offset, length).bytes())
        result.push_back(byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : ' ');
    result.erase(result.find_last_not_of(' ') + 1);
    result.erase(0, std::min(result.find_first_not_of(' '), result.size()));
    return result;
}

/// 0 and all ones mean that there is none.
std::optional<std::uint32_t> limit(std::uint32_t value) noexcept {
    if (value == 0 || value == not_reported) return std::nullopt;
    return value;
}

int strength(Designator::Kind kind) noexcept {
    switch (kind) {
        case Designator::Kind::naa:
            return 5;
        case Designator::Kind::eui64:
            return 4;
        case Designator::Kind::uuid:
            return 3;
        case Designator::Kind::name:
            return 2;
        case Designator::Kind::t10:
            return 1;
    }
    return 0;
}

ModeHeader mode_header(std::uint8_t parameter) noexcept {
    return {(parameter & 0x80) != 0, (parameter & 0x10) != 0};
}

}  // namespace

std::optional<StandardInquiry> decode_standard_inquiry(std::span<const std::uint8_t> bytes) {
    const ByteView view(bytes);
    if (!view.covers(0, 36)) return std::nullopt;
    StandardInquiry inquiry;
    inquiry.qualifier = static_cast<std::uint8_t>(view.u8(0) >> 5);
    inquiry.type = static_cast<std::uint8_t>(view.u8(0) & 0x1F);
    inquiry.version = view.u8(2);
    inquiry.vendor = text(view, 8, 8);
    inquiry.product = text(view, 16, 16);
    inquiry.revision = text(view, 32, 4);
    return inquiry;
}

std::optional<std::span<const std::uint8_t>> vpd_body(std::span<const std::uint8_t> bytes,
                                                      std::uint8_t page) noexcept {
    const ByteView view(bytes);
    if (!view.covers(0, vpd_header_length) || view.u8(1) != page) return std::nullopt;
    return view.sub(vpd_header_length, view.be16(2)).bytes();
}

std::bitset<256> decode_supported_pages(std::span<const std::uint8_t> body) noexcept {
    std::bitset<256> pages;
    for (const auto page : body) pages.set(page);
    return pages;
}

std::string decode_serial_number(std::span<const std::uint8_t> body) {
    return text(ByteView(body), 0, body.size());
}

std::optional<Designator> best_designator(std::span<const std::uint8_t> body) {
    const ByteView view(body);
    std::optional<Designator> best;
    for (std::size_t at = 0; view.covers(at, 4);) {
        const std::size_t length = view.u8(at + 3);
        const auto association = view.u8(at + 1) >> 4 & 0x03;
        const auto kind = static_cast<Designator::Kind>(view.u8(at + 1) & 0x0F);
        const auto bytes = view.sub(at + 4, length).bytes();
        at += 4 + length;
        // A designator of the logical unit, of a known type, complete, and not empty.
        if (association != 0 || strength(kind) == 0 || bytes.size() != length) continue;
        if (std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; }))
            continue;
        if (!best || strength(kind) > strength(best->kind))
            best = Designator{kind, {bytes.begin(), bytes.end()}};
    }
    return best;
}

// The standards count a page's bytes from its header: the offsets below are 4 less.

BlockLimits decode_block_limits(std::span<const std::uint8_t> body) noexcept {
    return {ByteView(body).be32(8 - vpd_header_length)};
}

ZonedField decode_zoned_field(std::span<const std::uint8_t> body) noexcept {
    return static_cast<ZonedField>(ByteView(body).u8(8 - vpd_header_length) >> 4 & 0x03);
}

ZonedCharacteristics decode_zoned_characteristics(std::span<const std::uint8_t> body) noexcept {
    const ByteView view(body);
    ZonedCharacteristics page;
    page.reads_past_pointer = view.bit(4 - vpd_header_length, 0);
    page.optimal_open = limit(view.be32(8 - vpd_header_length));
    page.max_open = limit(view.be32(16 - vpd_header_length));
    page.alignment_method = static_cast<std::uint8_t>(view.u8(23 - vpd_header_length) & 0x0F);
    page.granularity_blocks = view.be64(24 - vpd_header_length);
    return page;
}

std::optional<Capacity> decode_read_capacity_16(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    if (!view.covers(0, 14)) return std::nullopt;
    return Capacity{view.be64(0), view.be32(8), static_cast<std::uint8_t>(view.u8(13) & 0x0F),
                    static_cast<std::uint8_t>(view.u8(12) >> 4 & 0x03)};
}

std::optional<ModeHeader> decode_mode_header_10(std::span<const std::uint8_t> bytes) noexcept {
    if (bytes.size() < 8) return std::nullopt;
    return mode_header(bytes[3]);
}

std::optional<ModeHeader> decode_mode_header_6(std::span<const std::uint8_t> bytes) noexcept {
    if (bytes.size() < 4) return std::nullopt;
    return mode_header(bytes[2]);
}

}  // namespace zonebridge::zbc
