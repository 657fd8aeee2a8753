#include <algorithm>
#include <limits>

#include "zbc/inquiry.h"
#include "zbc/passthrough.h"
#include "zbc/supported_commands.h"
#include "zbc/zac_identify.h"

namespace zonebridge::zbc {
namespace {

using Bytes = std::span<std::uint8_t>;

constexpr auto limits_page = static_cast<std::uint8_t>(VpdPage::block_limits);
constexpr std::size_t page_header = 4;
constexpr std::size_t limits_length = 64;
constexpr std::size_t shortest_limits = 16;  // up to the fields that are always edited
constexpr std::uint8_t write_protect = 0x80;

std::uint32_t path_blocks(const PassthroughFacts& facts) noexcept {
    const auto blocks = facts.block_size == 0 ? 0 : facts.max_transfer / facts.block_size;
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(blocks, 1, std::numeric_limits<std::uint32_t>::max()));
}

std::size_t edit_supported_pages(Bytes bytes, std::size_t arrived, bool adds_limits) noexcept {
    const ByteView page(bytes.first(arrived));
    if (!page.covers(0, page_header) || page.u8(1) != 0x00) return arrived;
    const auto listed = std::min<std::size_t>(page.be16(2), arrived - page_header);
    const auto list = bytes.subspan(page_header, listed);
    auto end = static_cast<std::size_t>(
        std::remove(list.begin(), list.end(), zac::ata_information_page) - list.begin());
    const auto has = std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(end),
                               limits_page) != list.begin() + static_cast<std::ptrdiff_t>(end);
    if (adds_limits && !has && page_header + end < bytes.size()) {
        const auto all = bytes.subspan(page_header, end + 1);
        const auto at = std::find_if(all.begin(), all.end() - 1,
                                     [](std::uint8_t code) { return code > limits_page; });
        std::copy_backward(at, all.end() - 1, all.end());
        *at = limits_page;
        ++end;
    }
    ByteWriter(bytes).be16(2, end);
    return page_header + end;
}

/// A maximum in blocks at `at`; 0 means that there is none, or that the disk does not report it.
void bound(ByteWriter& out, ByteView page, std::size_t at, std::uint32_t most) noexcept {
    if (page.be32(at) > most) out.be32(at, most);
}

std::size_t edit_block_limits(Bytes bytes, std::size_t arrived, std::uint32_t most) noexcept {
    const ByteView page(bytes.first(arrived));
    if (!page.covers(0, page_header) || page.u8(1) != limits_page) return arrived;
    auto end = std::min<std::size_t>(page_header + page.be16(2), arrived);
    ByteWriter out(bytes);
    if (end < shortest_limits) {
        out.clear(end, shortest_limits - end);
        out.be16(2, shortest_limits - page_header);
        end = std::min(shortest_limits, bytes.size());
    }
    const ByteView whole(bytes.first(end));
    ByteWriter limits(bytes.first(end));
    const auto maximum = whole.be32(8);
    limits.be32(8, maximum == 0 ? most : std::min(maximum, most));  // MAXIMUM TRANSFER LENGTH
    bound(limits, whole, 12, most);                                 // OPTIMAL TRANSFER LENGTH
    bound(limits, whole, 44, most);  // MAXIMUM ATOMIC TRANSFER LENGTH
    bound(limits, whole, 56, most);  // MAXIMUM ATOMIC TRANSFER LENGTH WITH ATOMIC BOUNDARY
    return end;
}

std::size_t make_block_limits(Bytes bytes, const PassthroughFacts& facts) noexcept {
    ByteWriter out(bytes);
    out.clear(0, limits_length);
    out.u8(0, facts.peripheral);
    out.u8(1, limits_page);
    out.be16(2, limits_length - page_header);
    out.be32(8, path_blocks(facts));
    return std::min(limits_length, bytes.size());
}

std::size_t edit_mode_header(Bytes bytes, std::size_t arrived, std::size_t at) noexcept {
    if (at < arrived) bytes[at] |= write_protect;
    return arrived;
}

}  // namespace

std::size_t edit_reply(const Plan& plan, const PassthroughFacts& facts, const Allowed& allowed,
                       Bytes bytes, std::size_t arrived) noexcept {
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), plan.length));
    arrived = std::min(arrived, bytes.size());
    auto end = arrived;
    switch (plan.edit) {
        case Edit::none:
            return arrived;
        case Edit::supported_pages:
            end = edit_supported_pages(bytes, arrived, !facts.has_block_limits);
            break;
        case Edit::block_limits:
            end = edit_block_limits(bytes, arrived, path_blocks(facts));
            break;
        case Edit::made_up_block_limits:
            end = make_block_limits(bytes, facts);
            break;
        case Edit::mode_header_6:
            end = edit_mode_header(bytes, arrived, 2);
            break;
        case Edit::mode_header_10:
            end = edit_mode_header(bytes, arrived, 3);
            break;
        case Edit::supported_opcodes_all:
            end = edit_supported_opcodes(bytes, arrived, allowed);
            break;
        case Edit::supported_opcode_none:
            end = encode_unsupported_opcode(bytes);
            break;
    }
    return std::min<std::size_t>(end, plan.reply_limit);
}

}  // namespace zonebridge::zbc
