#include "zbc/zac_identify.h"

#include <bit>
#include <numeric>

#include <fmt/format.h>

#include "zbc/zac.h"

namespace zonebridge::zbc::zac {
namespace {

std::uint16_t word(ByteView page, unsigned number) noexcept {
    return le16(page, std::size_t{2} * number);
}
bool word_bit(ByteView page, unsigned number, unsigned bit) noexcept {
    return (word(page, number) >> bit & 1) != 0;
}
/// The two upper bits of some words are 01b if the other bits are valid.
bool is_valid(ByteView page, unsigned number) noexcept {
    return word(page, number) >> 14 == 1;
}

/// ACS-4 "ATA string convention": two characters in a word, the first in the upper byte.
std::string text(ByteView page, unsigned first, unsigned words) {
    std::string out;
    for (unsigned i = 0; i < words; ++i) {
        const auto both = word(page, first + i);
        for (const auto c : {both >> 8, both & 0xFF})
            out += c > ' ' && c <= '~' ? static_cast<char>(c) : ' ';
    }
    const auto begin = out.find_first_not_of(' ');
    if (begin == std::string::npos) return {};
    return out.substr(begin, out.find_last_not_of(' ') - begin + 1);
}

std::uint64_t words_64(ByteView page, unsigned first) noexcept {
    return le64(page, std::size_t{2} * first);
}

/// The last word: a signature, and a checksum that makes the sum of all bytes zero.
bool is_damaged(ByteView page) noexcept {
    if (page.u8(510) != 0xA5) return false;  // no checksum
    const auto bytes = page.bytes().first(page_length);
    return std::accumulate(bytes.begin(), bytes.end(), 0U) % 256 != 0;
}

/// The first qword of a log page holds its number.
bool is_page(ByteView page, std::uint8_t number) noexcept {
    return page.covers(0, page_length) && page.bit(7, 7) && page.u8(2) == number &&
           le16(page, 0) != 0;
}

/// A qword whose upper bit is set if the other bits are valid.
std::optional<std::uint64_t> valid_qword(ByteView page, std::size_t offset) noexcept {
    const auto value = le64(page, offset);
    if (value >> 63 == 0) return std::nullopt;
    return value & ~(std::uint64_t{1} << 63);
}

/// A count of zones; all ones and 0 are not counts.
std::optional<std::uint32_t> zone_count(ByteView page, std::size_t offset) noexcept {
    const auto value = valid_qword(page, offset);
    if (!value) return std::nullopt;
    const auto count = static_cast<std::uint32_t>(*value);
    if (count == 0 || count == 0xFFFFFFFF) return std::nullopt;
    return count;
}

}  // namespace

tl::expected<Identify, std::string> decode_identify(ByteView page) {
    const auto refuse = [](std::string what) { return tl::unexpected(std::move(what)); };
    if (!page.covers(0, page_length))
        return refuse(
            fmt::format("its identify data is {} bytes, not {}", page.size(), page_length));
    if (word_bit(page, 0, 15)) return refuse("its identify data is not an ATA disk's");
    if (is_damaged(page)) return refuse("its identify data's checksum is wrong");
    if (!word_bit(page, 49, 8) || !word_bit(page, 49, 9))
        return refuse("it says it has no DMA or no LBAs");
    if (!is_valid(page, 83) || !word_bit(page, 83, 10))
        return refuse("it says it has no 48-bit addresses");

    Identify disk;
    disk.serial = text(page, 10, 10);
    disk.firmware = text(page, 23, 4);
    disk.model = text(page, 27, 20);

    disk.sectors = words_64(page, 100);
    // Large disks have their whole size in other words.
    if (word_bit(page, 69, 3) && words_64(page, 230) != 0) disk.sectors = words_64(page, 230);
    disk.logical_sector_size = page_length;
    disk.physical_sector_size = page_length;
    if (is_valid(page, 106)) {
        std::uint64_t size = page_length;
        if (word_bit(page, 106, 12))
            size = std::uint64_t{2} * (std::uint32_t{word(page, 118)} << 16 | word(page, 117));
        if (size < 512 || size > 65536 || !std::has_single_bit(size))
            return refuse(fmt::format("its logical sectors are said to be of {} bytes", size));
        disk.logical_sector_size = static_cast<std::uint32_t>(size);
        if (word_bit(page, 106, 13)) size <<= word(page, 106) & 0xF;
        if (size > 1 << 20)
            return refuse(fmt::format("its physical sectors are said to be of {} bytes", size));
        disk.physical_sector_size = static_cast<std::uint32_t>(size);
    }
    if (disk.sectors == 0) return refuse("it says it has no sectors");
    if (disk.sectors > max_sectors)
        return refuse(
            fmt::format("it says it has {} sectors, more than 48 bits can address", disk.sectors));

    const auto features = is_valid(page, 84) ? word(page, 84) : 0;
    disk.logs = (features >> 5 & 1) != 0;
    disk.fua = (features >> 6 & 1) != 0;
    if (features >> 8 & 1)
        disk.world_wide_name = std::uint64_t{word(page, 108)} << 48 |
                               std::uint64_t{word(page, 109)} << 32 |
                               std::uint64_t{word(page, 110)} << 16 | word(page, 111);
    if (disk.world_wide_name == std::uint64_t{0}) disk.world_wide_name.reset();
    disk.zoned = static_cast<Zoned>(word(page, 69) & 3);
    disk.log_dma = is_valid(page, 119) && word_bit(page, 119, 3);
    disk.reports_sense = is_valid(page, 120) && word_bit(page, 120, 6);
    return disk;
}

std::optional<AtaInformation> decode_ata_information(ByteView page) noexcept {
    constexpr std::size_t signature = 36;  // a device to host register FIS
    constexpr std::size_t identify_data = 60;
    if (!page.covers(0, AtaInformation::length) || page.u8(1) != ata_information_page)
        return std::nullopt;
    AtaInformation information;
    information.host_managed = page.u8(signature + 5) == 0xCD && page.u8(signature + 6) == 0xAB;
    if (page.u8(56) == static_cast<std::uint8_t>(Opcode::identify_device))
        information.zoned = static_cast<Zoned>(word(page.sub(identify_data, page_length), 69) & 3);
    return information;
}

bool lists_page(ByteView list, std::uint8_t page) noexcept {
    if (!is_page(list, page_list)) return false;
    for (std::size_t i = 0; i < list.u8(8); ++i)
        if (list.covers(9 + i, 1) && list.u8(9 + i) == page) return true;
    return false;
}

std::optional<Zoned> decode_zoned(ByteView page) noexcept {
    if (!is_page(page, page_supported_capabilities)) return std::nullopt;
    const auto value = valid_qword(page, 104);
    if (!value) return std::nullopt;
    return static_cast<Zoned>(*value & 3);
}

std::optional<ZonedInformation> decode_zoned_information(ByteView page) noexcept {
    if (!is_page(page, page_zoned_device_information)) return std::nullopt;
    ZonedInformation information;
    const auto capabilities = valid_qword(page, 8);
    information.unrestricted_reads = capabilities && (*capabilities & 1) != 0;
    information.optimal_open = zone_count(page, 24);
    information.max_open = zone_count(page, 40);
    return information;
}

}  // namespace zonebridge::zbc::zac
