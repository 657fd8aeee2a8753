#include "tests/fuzz/scsi_commands.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "tests/unit/support/target_commands.h"
#include "zbc/cdb.h"

namespace zonebridge::fuzz {
namespace {

/// Sets a field, but only the bits that the command evaluates.
void put(zbc::Cdb& cdb, const zbc::CommandInfo& info, std::size_t at, std::uint64_t value,
         std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
        auto& byte = cdb[at + width - 1 - i];
        const auto mask = info.target->usage[at + width - 1 - i];
        byte = static_cast<std::uint8_t>((byte & ~mask) | (value >> 8 * i & mask));
    }
}

bool has_lba(const zbc::CommandInfo& info) {
    if (info.cdb_length == 6) return info.opcode == 0x08 || info.opcode == 0x0A;
    return std::all_of(info.target->usage.begin() + 2, info.target->usage.begin() + 6,
                       [](auto byte) { return byte == 0xFF; }) &&
           info.opcode != 0xA3;
}

std::uint64_t some_lba(Input& input, const DiskOracle& oracle, std::uint8_t style,
                       std::uint8_t where, std::uint8_t near) {
    const std::uint64_t block = oracle.shape().logical_block_size;
    const std::uint64_t step = oracle.shape().physical_block_size / block;
    const auto& zone = oracle.zones()[where % oracle.zones().size()];
    switch (style & 7) {
        case 0:
        case 1:
            return (zone.start + zone.written) / block;
        case 2:
            return zone.start / block;
        case 3:
            return zone.start / block + near;
        case 4:
            return (zone.start + zone.capacity) / block - near % 16;
        case 5:
            return (zone.start + zone.length) / block - (near % 4) * step;
        case 6:
            return oracle.size() / block - near % 16;
        default:
            return near < 128 ? (zone.start + zone.written) / block + near % 16 : input.number(8);
    }
}

std::uint64_t some_blocks(const DiskOracle& oracle, std::uint64_t lba, std::uint8_t style) {
    const std::uint64_t block = oracle.shape().logical_block_size;
    const std::uint64_t step = oracle.shape().physical_block_size / block;
    const std::uint64_t amount = style >> 3;
    switch (style & 7) {
        case 0:
        case 1:
        case 2:
            return (amount % 4 + 1) * step;
        case 3:
            return amount;
        case 4:
        case 5: {  // up to the end of the zone's capacity or length
            if (lba >= oracle.size() / block) return step;
            const auto& zone = oracle.zone_at(lba * block);
            const auto end = zone.start + (amount % 2 == 0 ? zone.capacity : zone.length);
            return lba * block < end ? end / block - lba : step;
        }
        case 6:
            return oracle.size() / block - std::min(lba, oracle.size() / block) + amount % 3;
        default:
            return amount < 16 ? std::uint64_t{0xFFFFFFFF} >> amount : 256;
    }
}

std::uint64_t some_allocation(std::uint8_t style) {
    constexpr std::array<std::uint64_t, 16> lengths{0,  1,  4,  5,   8,   18,   36,   63,
                                                    64, 65, 96, 128, 252, 1024, 4096, 0xFFFF};
    return lengths[style & 15] + (style >> 4 == 15 ? 1 : 0);
}

void mutate(Input& input, std::vector<std::uint8_t>& cdb) {
    const auto at = input.byte();
    const auto with = input.byte();
    if (at >= 0xF0)
        cdb.resize(with % (cdb.size() + 1));
    else
        cdb[at % cdb.size()] ^= with;
}

std::uint64_t big_endian(std::span<const std::uint8_t> cdb, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | cdb[at + i];
    return value;
}

std::size_t length_of(std::uint8_t opcode) {
    constexpr std::array<std::size_t, 8> lengths{6, 10, 10, 6, 16, 12, 6, 6};  // SPC-5 4.2.5.1
    return lengths[opcode >> 5];
}

}  // namespace

ScsiCommand some_command(Input& input, const DiskOracle& oracle) {
    static const auto table = test::target_commands();
    const auto choice = input.byte();
    const auto style = input.byte();
    const auto size = input.byte();
    const auto first = input.byte();
    const auto second = input.byte();
    const auto third = input.byte();
    const auto& info = table[choice % table.size()];
    const std::uint64_t block = oracle.shape().logical_block_size;
    zbc::Cdb cdb{};
    ScsiCommand made;
    if (has_lba(info)) {
        const auto lba = some_lba(input, oracle, style, first, second);
        put(cdb, info, info.cdb_length == 6 ? 1 : 2, lba,
            info.cdb_length == 6    ? 3
            : info.cdb_length == 16 ? 8
                                    : 4);
        const auto report = info.target->handler == zbc::Handler::report_zones;
        const auto action = info.touch == zbc::ZoneTouch::acts;
        const auto count = report   ? some_allocation(size)
                           : action ? std::uint64_t{size} % 4
                                    : some_blocks(oracle, lba, size);
        constexpr std::array<std::array<std::size_t, 2>, 4> fields{
            {{4, 1}, {7, 2}, {6, 4}, {10, 4}}};
        const auto& [at, width] = fields[info.cdb_length == 6    ? 0
                                         : info.cdb_length == 10 ? 1
                                         : info.cdb_length == 12 ? 2
                                                                 : 3];
        put(cdb, info, at, count, width);
        made.moves = report ? count : count * block;
        if (report || (action && (style & 0x80) != 0)) put(cdb, info, 14, third, 1);
    } else {
        // Most other commands have a byte that selects the data, and an allocation length behind
        // it.
        put(cdb, info, 2, first, 1);
        if ((style & 1) != 0) put(cdb, info, 3, second, 1);
        if ((style & 2) != 0) put(cdb, info, 4, input.number(2), 2);
        const auto length = some_allocation(size);
        for (std::size_t at = 3; at < 14; ++at) {
            // The length: the last evaluated field of two or more bytes, or byte 4 of a 6-byte CDB.
            const auto width = info.cdb_length == 6 ? std::size_t{1} : std::size_t{2};
            if (info.cdb_length == 6
                    ? at == 4
                    : info.target->usage[at] == 0xFF && info.target->usage[at + 1] == 0xFF &&
                          info.target->usage[at + 2] == 0)
                put(cdb, info, at, length, width);
        }
        made.moves = length;
        const auto bytes = input.take(third % 64);
        made.parameters.assign(bytes.begin(), bytes.end());
    }
    if ((style & 0x40) != 0) put(cdb, info, 1, input.byte(), 1);
    cdb[0] = info.opcode;
    if (info.action) cdb[1] = static_cast<std::uint8_t>((cdb[1] & 0xE0) | *info.action);
    made.cdb.assign(cdb.begin(), cdb.begin() + info.cdb_length);
    if ((style & 0x38) == 0x38) mutate(input, made.cdb);
    made.moves = std::min(made.moves, most_data);
    return made;
}

Meaning meaning_of(std::span<const std::uint8_t> cdb) {
    Meaning meaning;
    if (cdb.empty() || cdb.size() < length_of(cdb[0])) return meaning;
    const auto opcode = cdb[0];
    const auto length = length_of(opcode);
    switch (opcode) {
        case 0x08:
        case 0x28:
        case 0x88:
        case 0xA8:
            meaning.effect = Effect::read;
            break;
        case 0x0A:
        case 0x2A:
        case 0x8A:
        case 0xAA:
            meaning.effect = Effect::write;
            break;
        case 0x2F:
        case 0x8F:
        case 0xAF:
            meaning.effect = Effect::verify;
            meaning.byte_check = cdb[1] >> 1 & 3;
            break;
        case 0x94:
            meaning.effect = Effect::action;
            switch (cdb[1] & 0x1F) {
                case 1:
                    meaning.operation = Operation::close;
                    break;
                case 2:
                    meaning.operation = Operation::finish;
                    break;
                case 3:
                    meaning.operation = Operation::open;
                    break;
                case 4:
                    meaning.operation = Operation::reset;
                    break;
                default:
                    return {};
            }
            break;
        default:
            return meaning;
    }
    meaning.odd = (cdb[length - 1] & 0x04) != 0;  // NACA
    if (meaning.effect == Effect::action) {
        meaning.lba = big_endian(cdb, 2, 8);
        meaning.count = std::max<std::uint64_t>(big_endian(cdb, 12, 2), 1);
        meaning.all = (cdb[14] & 1) != 0;
        return meaning;
    }
    meaning.odd = meaning.odd || (length != 6 && cdb[1] >> 5 != 0);  // RDPROTECT, WRPROTECT
    switch (length) {
        case 6:
            meaning.lba = big_endian(cdb, 1, 3) & 0x1FFFFF;
            meaning.count = cdb[4] == 0 ? 256 : cdb[4];
            break;
        case 10:
            meaning.lba = big_endian(cdb, 2, 4);
            meaning.count = big_endian(cdb, 7, 2);
            break;
        case 12:
            meaning.lba = big_endian(cdb, 2, 4);
            meaning.count = big_endian(cdb, 6, 4);
            break;
        default:
            meaning.lba = big_endian(cdb, 2, 8);
            meaning.count = big_endian(cdb, 10, 4);
            break;
    }
    return meaning;
}

}  // namespace zonebridge::fuzz
