// ScsiInitiator's functions for single commands.
#include <algorithm>

#include <fmt/format.h>

#include "tests/driver/scsi.h"

namespace zonebridge::driver {
namespace {

template <typename Integer>
void put_be(std::vector<std::uint8_t>& bytes, Integer value) {
    for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8)
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::uint64_t get_be(std::span<const std::byte> bytes, std::size_t offset, std::size_t length) {
    std::uint64_t value = 0;
    for (const std::byte byte : bytes.subspan(offset, length))
        value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
}

constexpr std::uint8_t op_inquiry = 0x12;
constexpr std::uint8_t op_read_16 = 0x88;
constexpr std::uint8_t op_write_16 = 0x8a;
constexpr std::uint8_t op_synchronize_cache_16 = 0x91;
constexpr std::uint8_t op_zbc_out = 0x94;
constexpr std::uint8_t op_zbc_in = 0x95;
constexpr std::uint8_t op_service_action_in_16 = 0x9e;
constexpr std::uint8_t sa_read_capacity_16 = 0x10;
constexpr std::size_t report_header = 64;
constexpr std::size_t report_descriptor = 64;

}  // namespace

std::vector<std::uint8_t> cdb16(std::uint8_t opcode, std::uint8_t byte1, std::uint64_t lba,
                                std::uint32_t length, std::uint8_t byte14) {
    std::vector<std::uint8_t> cdb{opcode, byte1};
    put_be(cdb, lba);
    put_be(cdb, length);
    cdb.push_back(byte14);
    cdb.push_back(0);
    return cdb;
}

Result<ScsiResult> ScsiInitiator::test_unit_ready() {
    return run({.cdb = std::vector<std::uint8_t>(6)});
}

Result<ScsiResult> ScsiInitiator::inquiry(std::optional<std::uint8_t> page,
                                          std::uint16_t allocation) {
    std::vector<std::uint8_t> cdb{op_inquiry, static_cast<std::uint8_t>(page ? 1 : 0),
                                  page.value_or(0)};
    put_be(cdb, allocation);
    cdb.push_back(0);
    return run({.cdb = cdb, .data_in_length = allocation});
}

Result<ScsiResult> ScsiInitiator::read(std::uint64_t lba, std::uint32_t blocks,
                                       std::uint32_t block_size) {
    return run({.cdb = cdb16(op_read_16, 0, lba, blocks), .data_in_length = blocks * block_size});
}

Result<ScsiResult> ScsiInitiator::write(std::uint64_t lba, std::span<const std::byte> data,
                                        std::uint32_t block_size, bool fua) {
    const auto blocks = static_cast<std::uint32_t>(data.size() / block_size);
    return run({.cdb = cdb16(op_write_16, fua ? 8 : 0, lba, blocks), .data_out = data});
}

Result<ScsiResult> ScsiInitiator::synchronize_cache() {
    return run({.cdb = cdb16(op_synchronize_cache_16, 0, 0, 0)});
}

Result<ScsiResult> ScsiInitiator::zone_action(std::uint8_t service_action, std::uint64_t lba,
                                              bool all) {
    return run({.cdb = cdb16(op_zbc_out, service_action, lba, 0, all ? 1 : 0)});
}

Result<ZoneReport> ScsiInitiator::report_zones(std::uint64_t lba, std::uint8_t reporting_options,
                                               bool partial, std::uint32_t allocation) {
    const auto flags = static_cast<std::uint8_t>((partial ? 0x80 : 0) | (reporting_options & 0x3f));
    const auto result =
        run({.cdb = cdb16(op_zbc_in, 0, lba, allocation, flags), .data_in_length = allocation});
    if (!result) return tl::unexpected(result.error());
    if (!result->good() || result->data.size() < report_header)
        return tl::unexpected("REPORT ZONES: " + result->text());
    const std::span<const std::byte> data = result->data;
    ZoneReport report;
    report.list_length = static_cast<std::uint32_t>(get_be(data, 0, 4));
    report.same = static_cast<std::uint8_t>(data[4]) & 0xf;
    report.maximum_lba = get_be(data, 8, 8);
    const std::size_t zones = std::min<std::size_t>(
        report.list_length / report_descriptor, (data.size() - report_header) / report_descriptor);
    for (std::size_t i = 0; i < zones; ++i) {
        const auto zone = data.subspan(report_header + i * report_descriptor, report_descriptor);
        report.zones.push_back({.type = static_cast<std::uint8_t>(get_be(zone, 0, 1) & 0xf),
                                .condition = static_cast<std::uint8_t>(get_be(zone, 1, 1) >> 4),
                                .reset_recommended = (get_be(zone, 1, 1) & 1) != 0,
                                .length = get_be(zone, 8, 8),
                                .start = get_be(zone, 16, 8),
                                .write_pointer = get_be(zone, 24, 8)});
    }
    return report;
}

Result<ScsiInitiator::Capacity> ScsiInitiator::read_capacity() {
    const auto result = run(
        {.cdb = cdb16(op_service_action_in_16, sa_read_capacity_16, 0, 32), .data_in_length = 32});
    if (!result) return tl::unexpected(result.error());
    if (!result->good() || result->data.size() < 12)
        return tl::unexpected("READ CAPACITY(16): " + result->text());
    return Capacity{get_be(result->data, 0, 8),
                    static_cast<std::uint32_t>(get_be(result->data, 8, 4))};
}

}  // namespace zonebridge::driver
