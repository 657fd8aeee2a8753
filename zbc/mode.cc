#include "zbc/mode.h"

#include <algorithm>
#include <array>

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t recovery_page = 0x01;
constexpr std::uint8_t caching_page = 0x08;
constexpr std::uint8_t control_page = 0x0A;
constexpr std::uint8_t exceptions_page = 0x1C;
constexpr std::uint8_t all_pages = 0x3F;
constexpr std::array pages{recovery_page, caching_page, control_page, exceptions_page};

constexpr std::uint8_t all_subpages = 0xFF;
constexpr std::uint8_t wce = 0x04;      // caching page, byte 2
constexpr std::uint8_t d_sense = 0x04;  // control page, byte 2
constexpr std::uint8_t swp = 0x08;      // control page, byte 4

constexpr std::size_t max_page_length = 20;
using Page = std::array<std::uint8_t, max_page_length>;

enum class PageControl : std::uint8_t { current, changeable, defaults, saved };

std::size_t page_length(std::uint8_t code) noexcept {
    return code == caching_page ? 20 : 12;
}

Page make_page(std::uint8_t code, PageControl control, const ModeValues& current) noexcept {
    const auto values = control == PageControl::defaults ? ModeValues() : current;
    Page page{};
    page[0] = code;
    page[1] = static_cast<std::uint8_t>(page_length(code) - 2);
    if (control == PageControl::changeable) {
        if (code == caching_page) page[2] = wce;
        if (code == control_page) page[2] = d_sense, page[4] = swp;
        return page;
    }
    switch (code) {
        case recovery_page:
            page[2] = 0xC0;  // AWRE, ARRE
            break;
        case caching_page:
            if (values.write_cache) page[2] = wce;
            break;
        case control_page:
            if (values.descriptor_sense) page[2] = d_sense;
            page[3] = 0x10;  // QUEUE ALGORITHM MODIFIER: reorders without restriction
            if (values.software_write_protect) page[4] = swp;
            page[8] = page[9] = 0xFF;  // BUSY TIMEOUT PERIOD: no limit
            break;
        case exceptions_page:
            page[2] = 0x08;  // DEXCPT: reports no informational exceptions
            break;
    }
    return page;
}

bool is_long_form(ByteView cdb) noexcept {
    return cdb.u8(0) == 0x5A || cdb.u8(0) == 0x55;
}

std::size_t put_block_descriptor(const Unit& unit, bool long_lba, std::size_t at,
                                 ByteWriter& out) noexcept {
    if (long_lba) {
        out.be64(at, unit.blocks);
        out.be32(at + 8, 0);
        out.be32(at + 12, unit.block_size);
        return 16;
    }
    out.be32(at, std::min<std::uint64_t>(unit.blocks, 0xFFFFFFFF));
    out.be32(at + 4, unit.block_size);  // a reserved byte, then 24 bits
    return 8;
}

/// Whether a MODE SELECT block descriptor asks for the disk's own format.
bool is_current_format(const Unit& unit, ByteView descriptor, bool long_lba) noexcept {
    const auto blocks = long_lba ? descriptor.be64(0) : descriptor.be32(0);
    const auto size = long_lba ? descriptor.be32(12) : descriptor.be24(5);
    const auto all_ones = long_lba ? ~std::uint64_t{0} : std::uint64_t{0xFFFFFFFF};
    return size == unit.block_size && (blocks == 0 || blocks == unit.blocks || blocks == all_ones);
}

/// Applies the page at `at`; returns its length.
tl::expected<std::size_t, Sense> select_page(ByteView list, std::size_t at,
                                             ModeValues& values) noexcept {
    const auto first = static_cast<std::uint16_t>(at);
    const auto code = static_cast<std::uint8_t>(list.u8(at) & 0x3F);
    if (list.bit(at, 6) || std::find(pages.begin(), pages.end(), code) == pages.end())
        return tl::unexpected(invalid_field_in_parameters(first, std::uint8_t{5}));
    if (!list.covers(at, 2)) return tl::unexpected(parameter_list_length_error());
    const auto length = page_length(code);
    if (std::size_t{2} + list.u8(at + 1) != length)
        return tl::unexpected(invalid_field_in_parameters(static_cast<std::uint16_t>(at + 1)));
    if (!list.covers(at, length)) return tl::unexpected(parameter_list_length_error());
    const auto current = make_page(code, PageControl::current, values);
    const auto changeable = make_page(code, PageControl::changeable, values);
    for (std::size_t i = 2; i < length; ++i)
        if (((list.u8(at + i) ^ current[i]) & ~changeable[i]) != 0)
            return tl::unexpected(invalid_field_in_parameters(static_cast<std::uint16_t>(at + i)));
    if (code == caching_page) values.write_cache = (list.u8(at + 2) & wce) != 0;
    if (code == control_page) {
        values.descriptor_sense = (list.u8(at + 2) & d_sense) != 0;
        values.software_write_protect = (list.u8(at + 4) & swp) != 0;
    }
    return length;
}

}  // namespace

tl::expected<std::size_t, Sense> encode_mode_sense(const Unit& unit, const ModeValues& values,
                                                   ByteView cdb,
                                                   std::span<std::uint8_t> bytes) noexcept {
    const auto long_form = is_long_form(cdb);
    const auto long_lba = long_form && cdb.bit(1, 4);  // LLBAA
    const auto no_descriptor = cdb.bit(1, 3);          // DBD
    const auto control = static_cast<PageControl>(cdb.u8(2) >> 6);
    const auto wanted = static_cast<std::uint8_t>(cdb.u8(2) & 0x3F);
    const auto subpage = cdb.u8(3);
    if (control == PageControl::saved) return tl::unexpected(illegal_request(0x39, 0x00));
    if (wanted != all_pages && std::find(pages.begin(), pages.end(), wanted) == pages.end())
        return tl::unexpected(invalid_field_in_cdb(2, std::uint8_t{5}));
    if (subpage != 0 && subpage != all_subpages) return tl::unexpected(invalid_field_in_cdb(3));

    ByteWriter out(bytes);
    out.clear(0, max_mode_length);
    std::size_t end = long_form ? 8 : 4;
    std::size_t descriptor = 0;
    if (!no_descriptor) descriptor = put_block_descriptor(unit, long_lba, end, out);
    end += descriptor;
    for (const auto code : pages) {
        if (wanted != all_pages && wanted != code) continue;
        const auto page = make_page(code, control, values);
        for (std::size_t i = 0; i < page_length(code); ++i) out.u8(end + i, page[i]);
        end += page_length(code);
    }

    const auto protect = unit.read_only || values.software_write_protect;
    const auto specific = (protect ? 0x80 : 0) | (unit.fua ? 0x10 : 0);  // WP, DPOFUA
    if (long_form) {
        out.be16(0, end - 2);
        out.u8(3, static_cast<unsigned>(specific));
        out.u8(4, long_lba ? 1 : 0);  // LONGLBA
        out.be16(6, descriptor);
    } else {
        out.u8(0, end - 1);
        out.u8(2, static_cast<unsigned>(specific));
        out.u8(3, descriptor);
    }
    return end;
}

std::size_t mode_select_length(ByteView cdb) noexcept {
    return is_long_form(cdb) ? cdb.be16(7) : cdb.u8(4);
}

tl::expected<ModeValues, Sense> decode_mode_select(const Unit& unit, ModeValues values,
                                                   ByteView cdb, ByteView list) noexcept {
    if (!cdb.bit(1, 4)) return tl::unexpected(invalid_field_in_cdb(1, std::uint8_t{4}));  // PF
    if (cdb.bit(1, 0)) return tl::unexpected(invalid_field_in_cdb(1, std::uint8_t{0}));   // SP
    if (list.size() == 0) return values;
    if (list.size() > max_mode_parameters) return tl::unexpected(parameter_list_length_error());

    const auto long_form = is_long_form(cdb);
    const std::size_t header = long_form ? 8 : 4;
    if (!list.covers(0, header)) return tl::unexpected(parameter_list_length_error());
    const auto long_lba = long_form && list.bit(4, 0);
    const std::size_t unit_length = long_lba ? 16 : 8;
    const std::uint16_t length_byte = long_form ? 6 : 3;
    const std::size_t descriptors = long_form ? list.be16(length_byte) : list.u8(length_byte);
    if (descriptors != 0 && descriptors != unit_length)
        return tl::unexpected(invalid_field_in_parameters(length_byte));
    if (!list.covers(header, descriptors)) return tl::unexpected(parameter_list_length_error());
    if (descriptors != 0 && !is_current_format(unit, list.sub(header, descriptors), long_lba))
        return tl::unexpected(invalid_field_in_parameters(static_cast<std::uint16_t>(header)));

    for (auto at = header + descriptors; at < list.size();) {
        const auto length = select_page(list, at, values);
        if (!length) return tl::unexpected(length.error());
        at += *length;
    }
    return values;
}

}  // namespace zonebridge::zbc
