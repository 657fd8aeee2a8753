// Fuzzes the decoders of a SCSI or ATA disk's descriptive data, page by page.
#include <algorithm>
#include <bit>
#include <string_view>

#include "tests/fuzz/input.h"
#include "zbc/inquiry_decode.h"
#include "zbc/zac.h"
#include "zbc/zac_identify.h"

namespace {

using namespace zonebridge;
using fuzz::require;

void require_text(std::string_view text) {
    require(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }));
}

void read_ata(std::span<const std::uint8_t> bytes) {
    const ByteView page(bytes);
    if (const auto disk = zbc::zac::decode_identify(page)) {
        require_text(disk->model);
        require_text(disk->firmware);
        require_text(disk->serial);
        require(disk->sectors != 0 && disk->sectors <= zbc::zac::max_sectors);
        require(std::has_single_bit(disk->logical_sector_size));
        require(disk->physical_sector_size >= disk->logical_sector_size);
    }
    if (const auto zones = zbc::zac::decode_zoned_information(page))
        require(!zones->max_open || *zones->max_open != 0);
    static_cast<void>(zbc::zac::decode_ata_information(page));
    static_cast<void>(zbc::zac::decode_zoned(page));
    static_cast<void>(zbc::zac::lists_page(page, 0x09));
}

void read_vpd(std::span<const std::uint8_t> bytes, std::uint8_t page) {
    const auto body = zbc::vpd_body(bytes, page);
    if (!body) return;
    require(body->size() <= bytes.size());
    require_text(zbc::decode_serial_number(*body));
    if (const auto name = zbc::best_designator(*body)) require(name->bytes.size() <= body->size());
    static_cast<void>(zbc::decode_supported_pages(*body));
    static_cast<void>(zbc::decode_block_limits(*body));
    static_cast<void>(zbc::decode_zoned_field(*body));
    static_cast<void>(zbc::decode_zoned_characteristics(*body));
}

}  // namespace

/// Input: a byte with the page's number, then the page.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto page = input.byte();
    const auto bytes = input.rest();
    if (const auto inquiry = zbc::decode_standard_inquiry(bytes)) {
        require_text(inquiry->vendor);
        require_text(inquiry->product);
        require_text(inquiry->revision);
    }
    static_cast<void>(zbc::decode_read_capacity_16(bytes));
    static_cast<void>(zbc::decode_mode_header_10(bytes));
    static_cast<void>(zbc::decode_mode_header_6(bytes));
    read_vpd(bytes, page);
    read_ata(bytes);
    return 0;
}
