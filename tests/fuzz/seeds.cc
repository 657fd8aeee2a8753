// Writes the fuzzers' seeds: captured answers of real devices (capture_seeds.h), valid answers of disks
// in memory and of a simulated ATA disk, and requests (request_seeds.h), which seeds_test runs. The
// answers are decoded here first, because a fuzzer would not notice an invalid seed.
//
// usage: fuzz_seeds FOLDER        (FOLDER/TARGET/NAME)
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/fuzz/capture_seeds.h"
#include "tests/fuzz/replies.h"
#include "tests/fuzz/request_seeds.h"
#include "tests/unit/support/satl.h"
#include "tests/unit/transports/scsi/simulated_disk.h"
#include "tests/unit/transports/scsi/target_port.h"
#include "zbc/cdb.h"
#include "zbc/zac_sense.h"
#include "zns/identify.h"
#include "zns/report.h"

namespace {

using namespace zonebridge;
using Bytes = std::vector<std::uint8_t>;

class Seeds {
  public:
    explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}

    void add(const std::string& target, const std::string& name, const Bytes& bytes) {
        const auto path = folder_ / target / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
        if (!file.flush()) fail("can't write " + path.string());
    }
    void require(bool holds, const std::string& what) {
        if (!holds) fail("a seed is not what it should be: " + what);
    }
    [[nodiscard]] bool ok() const noexcept { return ok_; }

  private:
    void fail(const std::string& what) {
        std::fprintf(stderr, "fuzz_seeds: %s\n", what.c_str());
        ok_ = false;
    }

    std::filesystem::path folder_;
    bool ok_ = true;
};

void put(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
        bytes[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

/// Runs a command, which must succeed, and returns its data.
Bytes ask(Seeds& seeds, scsi::Port& port, std::span<const std::uint8_t> cdb, std::uint32_t length) {
    Bytes bytes(length);
    const iovec data{bytes.data(), bytes.size()};
    const auto answer = port.run(
        {.cdb = cdb, .direction = scsi::Direction::in, .data = {&data, 1}, .length = length});
    seeds.require(answer.os_error == 0 && answer.status == 0 && answer.host == 0,
                  "a command's answer");
    bytes.resize(length - std::min(answer.residual, length));
    return bytes;
}

Bytes with_front(Bytes front, const Bytes& rest) {
    front.insert(front.end(), rest.begin(), rest.end());
    return front;
}

/// Zones in several states.
void use(test::MachineDisk& disk) {
    auto& machine = disk.machine();
    const auto size = disk.limits().layout.zone_size();
    static_cast<void>(machine.act(Operation::open, 4));
    static_cast<void>(machine.act(Operation::finish, 5));
    if (machine.begin_write(6 * size, 4096) == StatusCode::ok) machine.advance(6 * size, 4096);
}

std::vector<std::pair<std::string, test::MachineDiskShape>> shapes() {
    test::MachineDiskShape plain;
    plain.max_transfer = 4 << 20;
    plain.max_segments = 64;
    auto gaps = plain;
    gaps.zone_capacity = 48 << 10;
    gaps.last_zone_size = 32 << 10;
    gaps.max_open = 4;
    auto large = plain;
    large.logical_block_size = 4096;
    auto aware = plain;
    aware.model = Model::host_aware;
    return {{"plain", plain}, {"gaps", gaps}, {"large-blocks", large}, {"host-aware", aware}};
}

Bytes report_prefix(const Limits& limits, bool by_zac) {
    Bytes front(9);
    const auto shift = limits.logical_block_size == 4096 ? 3U : 0U;
    front[0] = static_cast<std::uint8_t>(shift << 1 | (by_zac ? 1 : 0));
    put(front, 1, limits.size() / limits.logical_block_size, 8);
    return front;
}

/// Discovers the disk behind `port` and returns the recorded answers.
Bytes discovered(Seeds& seeds, scsi::Port& port, Model model) {
    fuzz::RecordingPort recorder(port);
    const auto disk = scsi::discover(
        recorder, "/dev/seed",
        {.host_max_transfer = 1 << 20, .max_segments = 16, .find_zac = scsi::find_zac});
    seeds.require(disk.has_value() && disk->limits.model == model, "a disk's answers");
    // Discovers the disk again from the record, which the fuzzer's port must replay.
    fuzz::Input input(recorder.recorded.data(), recorder.recorded.size());
    fuzz::ReplyingPort player(input);
    const auto again = scsi::discover(
        player, "/dev/seed",
        {.host_max_transfer = 1 << 20, .max_segments = 16, .find_zac = scsi::find_zac});
    seeds.require(again.has_value() && again->limits.model == model, "a disk's recorded answers");
    return recorder.recorded;
}

void add_zbc(Seeds& seeds) {
    for (const auto& [name, shape] : shapes()) {
        if (shape.model == Model::host_aware) continue;
        test::MachineDisk disk(shape);
        use(disk);
        scsi::test::TargetPort port(disk);
        seeds.add("scsi_disk", "zbc-" + name, discovered(seeds, port, shape.model));
        seeds.add(
            "scsi_report", "zbc-" + name,
            with_front(report_prefix(disk.limits(), false),
                       ask(seeds, port, zbc::encode_report_zones({0, 4096, false, 0}), 4096)));
        for (const std::uint8_t page : {0x00, 0x80, 0x83, 0x86, 0x87, 0xB0, 0xB1, 0xB2, 0xB6})
            seeds.add("scsi_identify", "zbc-" + name + "-" + std::to_string(page),
                      with_front({page}, ask(seeds, port, zbc::encode_inquiry(page, 252), 252)));
        seeds.add("scsi_identify", "zbc-" + name + "-inquiry",
                  with_front({0xFF}, ask(seeds, port, zbc::encode_inquiry(std::nullopt, 96), 96)));
        seeds.add("scsi_identify", "zbc-" + name + "-capacity",
                  with_front({0xFF}, ask(seeds, port, zbc::encode_read_capacity_16(32), 32)));
    }
}

void add_zac(Seeds& seeds) {
    namespace zac = zbc::zac;
    for (const auto& [name, shape] : shapes()) {
        test::SimulatedAtaShape ata_shape;
        ata_shape.disk = shape;
        test::SimulatedAta ata(ata_shape);
        use(ata.disk());
        seeds.add("scsi_disk", "zac-" + name, discovered(seeds, ata, shape.model));
        seeds.add("scsi_report", "zac-" + name,
                  with_front(report_prefix(ata.disk().limits(), true),
                             ask(seeds, ata, zac::encode_report_zones(0, 8, false), 4096)));
        seeds.add("scsi_identify", "zac-" + name,
                  with_front({0xFF}, ask(seeds, ata, zac::encode_identify_device(), 512)));
        for (const std::uint8_t page : {0x00, 0x03, 0x09})
            seeds.add("scsi_identify", "zac-" + name + "-" + std::to_string(page),
                      with_front({0xFF},
                                 ask(seeds, ata, zac::encode_read_identify_log(page, true), 512)));
        seeds.add("scsi_identify", "zac-" + name + "-satl",
                  with_front({0x89}, ask(seeds, ata, zbc::encode_inquiry(0x89, 572), 572)));
    }
}

void add_sense(Seeds& seeds) {
    const zbc::Sense senses[] = {zbc::illegal_request(0x21, 0x04),
                                 zbc::lba_out_of_range(1000),
                                 zbc::invalid_field_in_cdb(14, 5),
                                 zbc::unit_attention(zbc::Attention::power_on),
                                 {zbc::SenseKey::recovered_error, 0x00, 0x1D, {}, {}}};
    int number = 0;
    for (const auto& sense : senses) {
        for (const auto format : {zbc::SenseFormat::fixed, zbc::SenseFormat::descriptor}) {
            Bytes bytes(96);
            auto length = zbc::encode_sense(sense, format, bytes);
            seeds.add("scsi_sense", std::to_string(++number),
                      Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
            length = test::encode_registers({0x51, 0x04, 0x40, 8, 0x123456, true, false}, sense,
                                            format, bytes);
            seeds.require(zbc::zac::decode_registers(std::span(bytes).first(length)).has_value(),
                          "ATA registers");
            seeds.add("scsi_sense", std::to_string(++number),
                      Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
        }
    }
}

void add_zns(Seeds& seeds) {
    // 8 zones of 1000h blocks of 4 KiB, C00h of them writable; made by hand, in every state.
    constexpr std::uint64_t zone_blocks = 0x1000;
    constexpr std::uint64_t count = 8;
    Bytes report(64 + count * 64);
    put(report, 0, count, 8);
    constexpr std::uint8_t states[] = {1, 2, 3, 4, 0xE, 0xD, 0xF, 1};
    for (std::size_t i = 0; i < count; ++i) {
        const auto at = 64 + i * 64;
        report[at] = 2;
        report[at + 1] = static_cast<std::uint8_t>(states[i] << 4);
        put(report, at + 8, 0xC00, 8);
        put(report, at + 16, i * zone_blocks, 8);
        put(report, at + 24, i * zone_blocks + (states[i] == 1 ? 0 : 8), 8);
    }
    const zns::ReportUnits units{4096, zone_blocks * 4096, count * zone_blocks * 4096};
    const zns::Report read(report);
    seeds.require(read.count() == count, "a ZNS report");
    for (std::size_t i = 0; i < read.count(); ++i)
        seeds.require(read.zone(i, units).has_value(), "a ZNS zone");
    Bytes front(11);
    front[0] = 3;
    put(front, 1, zone_blocks - 1, 4);
    put(front, 5, count * zone_blocks - 1, 6);
    seeds.add("zns_report", "zones", with_front(front, report));

    Bytes identify(1 + 3 * zns::identify_size);
    identify[0] = 5;
    const auto controller = std::size_t{1};
    const auto space = controller + zns::identify_size;
    const auto zoned = space + zns::identify_size;
    std::fill_n(identify.begin() + controller + 4, 60, 'A');
    identify[controller + 77] = 6;
    put(identify, space, count * zone_blocks, 8);
    identify[space + 128 + 2] = 12;
    put(identify, zoned + 4, 13, 4);
    put(identify, zoned + 8, 11, 4);
    put(identify, zoned + 2816, zone_blocks, 8);
    const auto part = [&](std::size_t at) {
        return std::span(identify).subspan(at, zns::identify_size);
    };
    seeds.require(zns::decode_namespace(part(space)).has_value(), "an NVMe namespace");
    seeds.require(zns::decode_zoned_namespace(part(zoned), 0).has_value(), "a zoned namespace");
    seeds.add("zns_identify", "zoned", identify);
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) {
        std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    Seeds seeds(words[1]);
    add_zbc(seeds);
    add_zac(seeds);
    add_sense(seeds);
    add_zns(seeds);
    for (const auto& seed : fuzz::scsi_target_seeds())
        seeds.add("scsi_target", seed.name, seed.bytes);
    for (const auto& seed : fuzz::blk_request_seeds())
        seeds.add("blk_request", seed.name, seed.bytes);
    for (const auto& seed : fuzz::virtio_chain_seeds())
        seeds.add("virtio_chain", seed.name, seed.bytes);
    for (const auto& seed : fuzz::passthrough_plan_seeds())
        seeds.add("passthrough_plan", seed.name, seed.bytes);
    try {
        for (const auto& [target, seed] : fuzz::capture_seeds(fuzz::read_captures()))
            seeds.add(target, seed.name, seed.bytes);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
        return 1;
    }
    return seeds.ok() ? 0 : 1;
}
