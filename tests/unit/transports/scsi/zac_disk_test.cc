// The whole scsi transport, without the kernel, over a simulated ATA disk (simulated_ata.h says why
// the disk is simulated).
#include <algorithm>
#include <numeric>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/size.h"
#include "layers/sequencer/sequencer.h"
#include "tests/unit/transports/scsi/simulated_disk.h"

namespace zonebridge::test {
namespace {

using zbc::SenseFormat;
using zbc::zac::Opcode;
using Bytes = std::vector<std::uint8_t>;
using Code = StatusCode;

constexpr std::uint64_t zone_size = 64 * KiB;

/// What a disk's failures look like on the wire.
struct Wire {
    SenseFormat format;
    bool reports_sense;
    bool registers_in_fixed;
};
constexpr Wire wires[] = {{SenseFormat::fixed, true, true},
                          {SenseFormat::fixed, false, true},
                          {SenseFormat::fixed, false, false},
                          {SenseFormat::descriptor, true, true},
                          {SenseFormat::descriptor, false, true}};

std::string words(const Wire& wire) {
    return fmt::format("{} sense{}{}", wire.format == SenseFormat::fixed ? "fixed" : "descriptor",
                       wire.reports_sense ? " with a reason" : "",
                       wire.registers_in_fixed ? "" : ", without registers");
}

SimulatedAtaShape shape_of(const Wire& wire) {
    SimulatedAtaShape shape;
    shape.disk.max_transfer = 4 << 20;
    shape.disk.max_segments = 1024;
    shape.sense = wire.format;
    shape.reports_sense = wire.reports_sense;
    shape.registers_in_fixed = wire.registers_in_fixed;
    return shape;
}
SimulatedAtaShape usual() {
    return shape_of(wires[0]);
}

std::unique_ptr<SimulatedDisk> open(const SimulatedAtaShape& shape,
                                    std::uint64_t host_max_transfer = 1 << 20) {
    auto ata = std::make_unique<SimulatedAta>(shape);
    auto disk = discover(*ata, host_max_transfer);
    if (!disk) {
        ADD_FAILURE() << disk.error().message;
        return nullptr;
    }
    return std::make_unique<SimulatedDisk>(std::move(ata), std::move(*disk));
}

Bytes pattern(std::size_t length, unsigned seed) {
    std::mt19937 random(seed);
    Bytes bytes(length);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

TEST(ZacDisk, IsDiscoveredByPassThroughAlone) {
    auto shape = usual();
    shape.disk.max_open = 3;
    shape.disk.zone_capacity = 48 * KiB;
    shape.disk.last_zone_size = 32 * KiB;
    const auto disk = open(shape);
    ASSERT_TRUE(disk);
    const auto& limits = disk->limits();
    EXPECT_EQ(limits.model, Model::host_managed);
    EXPECT_EQ(limits.size(), 15 * zone_size + 32 * KiB);
    EXPECT_EQ(limits.layout.zone_size(), zone_size);
    EXPECT_EQ(limits.layout.zone_capacity(), 48 * KiB);
    EXPECT_EQ(limits.layout.conventional_count(), 2U);
    EXPECT_EQ(limits.layout.capacity_of(15), 32 * KiB);
    EXPECT_EQ(limits.logical_block_size, 512U);
    EXPECT_EQ(limits.physical_block_size, 4096U);
    EXPECT_EQ(limits.max_open, 3U);
    EXPECT_EQ(limits.max_transfer, 1U << 20);
    EXPECT_EQ(limits.fua, Support::native);
    EXPECT_EQ(limits.append, Support::absent);
    EXPECT_TRUE(limits.reads_past_pointer);
    EXPECT_EQ(disk->found().words, "ZAC by ATA PASS-THROUGH(16)");
    EXPECT_EQ(disk->identity().vendor, "ATA");
    EXPECT_EQ(disk->identity().product, "SIMULATED ZAC");
    for (const auto opcode : disk->ata().scsi_commands) {
        EXPECT_NE(opcode, 0x95) << "REPORT ZONES";
        EXPECT_NE(opcode, 0x88) << "READ(16)";
    }
}

TEST(ZacDisk, IsFoundWhateverItsSatlReports) {
    struct Row {
        const char* name;
        bool signature;
        std::uint8_t type;
        bool log_dma;
        Model model;
    };
    const Row rows[] = {{"signature", true, 0x00, true, Model::host_managed},
                        {"only the disk's own data", false, 0x00, true, Model::host_managed},
                        {"type 14h", false, 0x14, true, Model::host_managed},
                        {"logs without DMA", true, 0x00, false, Model::host_managed},
                        {"host-aware", false, 0x00, true, Model::host_aware}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        auto shape = usual();
        shape.keeps_signature = row.signature;
        shape.peripheral_type = row.type;
        shape.log_dma = row.log_dma;
        shape.disk.model = row.model;
        shape.disk.max_open = 4;
        const auto disk = open(shape);
        ASSERT_TRUE(disk);
        EXPECT_EQ(disk->limits().model, row.model);
        EXPECT_EQ(disk->limits().max_open, 4U);
        EXPECT_EQ(disk->found().words, "ZAC by ATA PASS-THROUGH(16)");
        const auto& commands = disk->ata().commands;
        EXPECT_EQ(std::count(commands.begin(), commands.end(), Opcode::read_log_dma_ext) != 0,
                  row.log_dma);
    }
}

TEST(ZacDisk, AMissingCapabilityIsNamedInTheError) {
    auto shape = usual();
    shape.forbidden = true;
    SimulatedAta ata(shape);
    const auto disk = discover(ata);
    ASSERT_FALSE(disk);
    EXPECT_TRUE(disk.error().message.starts_with("/dev/simulated: ")) << disk.error().message;
    EXPECT_NE(disk.error().message.find("CAP_SYS_RAWIO"), std::string::npos);
    EXPECT_EQ(disk.error().cause, NativeCause::os_error(EPERM));
}

TEST(ZacDisk, ADiskWithoutZonesIsRecognized) {
    struct Row {
        const char* name;
        std::function<void(SimulatedAtaShape&)> make;
    };
    const Row rows[] = {
        {"no zones", [](auto& s) { s.no_zones = true; }},
        {"no zones, and not allowed to ask", [](auto& s) { s.no_zones = s.forbidden = true; }},
        {"no zones, and no pass-through", [](auto& s) { s.no_zones = s.no_pass_through = true; }},
        {"drive-managed", [](auto& s) { s.no_zones = s.drive_managed = true; }},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        auto shape = usual();
        row.make(shape);
        SimulatedAta ata(shape);
        const auto disk = discover(ata);
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_EQ(disk->limits.model, Model::none);
    }
}

TEST(ZacDisk, AZonedDiskThatPassesNothingThroughIsRefused) {
    for (const auto type : {0x00, 0x14}) {
        auto shape = usual();
        shape.no_pass_through = true;
        shape.peripheral_type = static_cast<std::uint8_t>(type);
        SimulatedAta ata(shape);
        const auto disk = discover(ata);
        ASSERT_FALSE(disk);
        EXPECT_NE(
            disk.error().message.find("neither translates ZBC commands nor passes ATA commands"),
            std::string::npos)
            << disk.error().message;
    }
}

TEST(ZacDisk, ReportsShowTheZonesOfTheDisk) {
    auto shape = usual();
    shape.disk.zones = 300;
    shape.disk.zone_capacity = 60 * KiB;
    // First several small replies, then one reply for all zones.
    for (const std::uint64_t most : {8 * KiB, 1024 * KiB}) {
        const auto disk = open(shape, most);
        ASSERT_TRUE(disk);
        auto& machine = disk->ata().disk().machine();
        ASSERT_EQ(machine.act(Operation::open, 5), Code::ok);
        ASSERT_EQ(machine.act(Operation::finish, 7), Code::ok);
        RequestRunner queue(*disk);
        ASSERT_EQ(queue.write(9 * zone_size, pattern(4096, 1)), Code::ok);
        std::vector<Zone> truth(300);
        ASSERT_EQ(machine.report(0, truth), 300U);

        EXPECT_EQ(queue.report(0, 1000), truth);
        EXPECT_EQ(queue.report(9 * zone_size + 4096, 3),
                  std::vector<Zone>(truth.begin() + 9, truth.begin() + 12))
            << "from inside a zone";
        EXPECT_EQ(queue.report(299 * zone_size, 5), std::vector<Zone>(1, truth[299]));
        EXPECT_EQ(queue.report(5 * zone_size, 1), std::vector<Zone>(1, truth[5]));
    }
}

TEST(ZacDisk, WritesDataAndReadsItBack) {
    for (const std::uint32_t sector : {512U, 4096U}) {
        SCOPED_TRACE(sector);
        auto shape = usual();
        shape.disk.logical_block_size = sector;
        const auto disk = open(shape);
        ASSERT_TRUE(disk);
        EXPECT_EQ(disk->limits().logical_block_size, sector);
        RequestRunner queue(*disk);
        const auto data = pattern(40 * KiB, sector);
        ASSERT_EQ(queue.write(3 * zone_size, Bytes(data.begin(), data.begin() + 8192)), Code::ok);
        ASSERT_EQ(queue.write(3 * zone_size + 8192, Bytes(data.begin() + 8192, data.end())),
                  Code::ok);
        Bytes back(data.size());
        ASSERT_EQ(queue.read(3 * zone_size, back), Code::ok);
        EXPECT_TRUE(back == data);
        EXPECT_EQ(queue.report(3 * zone_size, 1)[0].write_pointer, 3 * zone_size + data.size());

        // Past the pointer there are zeroes.
        Bytes beyond(4096, 0xEE);
        ASSERT_EQ(queue.read(3 * zone_size + data.size(), beyond), Code::ok);
        EXPECT_TRUE(beyond == Bytes(4096, 0));
        // Conventional zones are written anywhere.
        ASSERT_EQ(queue.write(12 * KiB, pattern(4096, 2)), Code::ok);
        Bytes there(4096);
        ASSERT_EQ(queue.read(12 * KiB, there), Code::ok);
        EXPECT_TRUE(there == pattern(4096, 2));
    }
}

TEST(ZacDisk, FuaWritesAndFlushesUseTheirOwnCommands) {
    const auto disk = open(usual());
    ASSERT_TRUE(disk);
    RequestRunner queue(*disk);
    disk->ata().commands.clear();
    EXPECT_EQ(queue.write(2 * zone_size, pattern(4096, 1)), Code::ok);
    EXPECT_EQ(queue.write(2 * zone_size + 4096, pattern(4096, 2), true), Code::ok);
    EXPECT_EQ(queue.flush(), Code::ok);
    const std::vector wanted{Opcode::write_dma_ext, Opcode::write_dma_fua_ext,
                             Opcode::flush_cache_ext};
    EXPECT_EQ(disk->ata().commands, wanted);
    EXPECT_TRUE(disk->ata().disk().taken.at(1).fua);

    auto without = usual();
    without.disk.fua = Support::absent;
    const auto plain = open(without);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->limits().fua, Support::absent);
    EXPECT_EQ(RequestRunner(*plain).write(2 * zone_size, pattern(4096, 1), true),
              Code::unsupported);
}

TEST(ZacDisk, ZoneActionsChangeTheZonesAsInTheStateMachine) {
    for (const auto& wire : wires) {
        SCOPED_TRACE(words(wire));
        auto shape = shape_of(wire);
        shape.disk.max_open = 5;
        const auto disk = open(shape);
        ASSERT_TRUE(disk);
        Machine twin(disk->limits());
        RequestRunner queue(*disk);
        std::mt19937 random(11);
        const Operation actions[] = {Operation::open, Operation::close, Operation::finish,
                                     Operation::reset};
        for (int step = 0; step < 400; ++step) {
            const auto zone = static_cast<std::uint32_t>(2 + random() % 14);
            const auto start = zone * zone_size;
            if (random() % 3 == 0) {
                const auto pointer = twin.describe(zone).write_pointer;
                if (!pointer) continue;
                const auto code = queue.write(*pointer, pattern(4096, 1));
                const auto expected = twin.begin_write(*pointer, 4096);
                if (expected == Code::ok) twin.advance(*pointer, 4096);
                EXPECT_EQ(code == Code::ok, expected == Code::ok);
            } else if (random() % 8 == 0) {
                const auto action = actions[random() % 4];
                const auto code = queue.act_all(action);
                EXPECT_EQ(code == Code::ok, twin.act_all(action) == Code::ok) << to_string(action);
            } else {
                const auto action = actions[random() % 4];
                const auto done = queue.act(action, start, zone_size);
                auto expected = twin.act(action, zone);
                // ZAC reports success for these.
                if (expected == Code::invalid_transition) expected = Code::ok;
                EXPECT_EQ(done.status.code == Code::ok, expected == Code::ok) << to_string(action);
                EXPECT_EQ(done.result, expected == Code::ok ? 1U : 0U);
            }
            const auto zones = queue.report(0, 16);
            ASSERT_EQ(zones.size(), 16U);
            for (std::uint32_t i = 0; i < 16; ++i) ASSERT_EQ(zones[i], twin.describe(i)) << i;
        }
    }
}

TEST(ZacDisk, AnActionOnARangeStopsAtTheFirstFailure) {
    auto shape = usual();
    const auto disk = open(shape);
    ASSERT_TRUE(disk);
    disk->ata().disk().broken[6] = ZoneState::read_only;
    RequestRunner queue(*disk);
    const auto done = queue.act(Operation::open, 4 * zone_size, 5 * zone_size);
    EXPECT_EQ(done.status.code, Code::zone_read_only);
    EXPECT_EQ(done.result, 2U);
    EXPECT_EQ(queue.report(5 * zone_size, 1)[0].state, ZoneState::explicit_open);
    EXPECT_EQ(queue.report(7 * zone_size, 1)[0].state, ZoneState::empty);
}

TEST(ZacDisk, RefusalsAreAsPreciseAsTheDisksAnswer) {
    for (const auto& wire : wires) {
        SCOPED_TRACE(words(wire));
        auto shape = shape_of(wire);
        shape.disk.max_open = 2;
        shape.disk.reads_past_pointer = false;
        const auto disk = open(shape);
        ASSERT_TRUE(disk);
        auto& real = disk->ata().disk();
        RequestRunner queue(*disk);
        // If the disk reports only ABRT, the cause is unknown here. The sequencer finds out.
        const auto precise = [&](Code code) { return wire.reports_sense ? code : Code::io_error; };
        const auto block = pattern(4096, 1);
        Bytes buffer(4096);

        EXPECT_EQ(queue.write(4 * zone_size + 4096, block), precise(Code::unaligned_write));
        EXPECT_EQ(queue.read(4 * zone_size, buffer), precise(Code::read_past_pointer));
        ASSERT_EQ(queue.act(Operation::finish, 4 * zone_size, zone_size).status.code, Code::ok);
        EXPECT_EQ(queue.write(4 * zone_size, block), precise(Code::zone_full));
        ASSERT_EQ(queue.act(Operation::open, 5 * zone_size, 2 * zone_size).status.code, Code::ok);
        EXPECT_EQ(queue.act(Operation::open, 7 * zone_size, zone_size).status.code,
                  precise(Code::too_many_open));
        EXPECT_EQ(queue.write(7 * zone_size, block), precise(Code::too_many_open));

        real.broken[9] = ZoneState::read_only;
        real.broken[10] = ZoneState::offline;
        EXPECT_EQ(queue.write(9 * zone_size, block), precise(Code::zone_read_only));
        EXPECT_EQ(queue.write(10 * zone_size, block), precise(Code::zone_offline));
        EXPECT_EQ(queue.read(10 * zone_size, buffer), precise(Code::zone_offline));
        EXPECT_EQ(queue.act(Operation::reset, 9 * zone_size, zone_size).status.code,
                  precise(Code::zone_read_only));
        EXPECT_EQ(queue.report(9 * zone_size, 2)[0].state, ZoneState::read_only);
        EXPECT_EQ(queue.report(9 * zone_size, 2)[1].state, ZoneState::offline);

        // UNC has its own bit in the ERROR field.
        real.fail_next = Code::media_error;
        EXPECT_EQ(queue.read(0, buffer), Code::media_error);
        real.fail_next = Code::io_error;
        EXPECT_EQ(queue.flush(), Code::io_error);
    }
}

TEST(ZacDisk, TheCauseIsTheSatlsSense) {
    const auto disk = open(usual());
    ASSERT_TRUE(disk);
    RequestRunner queue(*disk);
    auto data = pattern(4096, 1);
    const iovec piece{data.data(), data.size()};
    const auto done = queue.ask({.operation = Operation::write,
                                 .offset = 4 * zone_size + 4096,
                                 .length = 4096,
                                 .data = {&piece, 1}});
    EXPECT_EQ(done.status.cause, (NativeCause{NativeCause::Source::scsi_sense, 0x052104}));
}

TEST(ZacDisk, ManyRequestsInFlightAllComplete) {
    const auto disk = open(usual());
    ASSERT_TRUE(disk);
    HandLoop loop;
    auto queue = *disk->open_queue(loop, {.depth = 32});
    std::vector<Bytes> data(14);
    std::vector<iovec> pieces(14);
    std::vector<Request> requests(14);
    for (std::size_t i = 0; i < requests.size(); ++i) {
        data[i] = pattern(8192, static_cast<unsigned>(i));
        pieces[i] = {data[i].data(), data[i].size()};
        requests[i] = {.tag = i,
                       .operation = Operation::write,
                       .offset = (2 + i) * zone_size,
                       .length = 8192,
                       .data = {&pieces[i], 1}};
    }
    ASSERT_EQ(queue->submit(requests), requests.size());
    std::vector<bool> seen(14);
    for (std::size_t reaped = 0; reaped < requests.size();) {
        Completion done[4];
        const auto count = queue->reap(done);
        for (const auto& one : std::span(done).first(count)) {
            EXPECT_TRUE(one.status.ok());
            EXPECT_FALSE(seen.at(one.tag));
            seen.at(one.tag) = true;
        }
        reaped += count;
        ASSERT_TRUE(loop.turn(Loop::Wait::sleep));
    }
    for (std::size_t i = 0; i < requests.size(); ++i)
        EXPECT_TRUE(std::equal(
            data[i].begin(), data[i].end(),
            disk->ata().disk().bytes().begin() + static_cast<std::ptrdiff_t>((2 + i) * zone_size)));
}

TEST(ZacDisk, UnderTheSequencerRefusalsArePreciseWhateverTheDiskReports) {
    for (const auto& wire : wires) {
        SCOPED_TRACE(words(wire));
        auto shape = shape_of(wire);
        shape.disk.max_open = 2;
        auto bare = open(shape);
        ASSERT_TRUE(bare);
        auto& real = bare->ata().disk();
        auto device = sequence(std::move(bare));
        ASSERT_TRUE(device) << device.error().message;
        ASSERT_EQ((*device)->limits().append, Support::emulated);
        RequestRunner queue(**device);
        auto block = pattern(4096, 1);
        const iovec piece{block.data(), block.size()};

        for (std::uint64_t i = 0; i < 3; ++i) {
            const auto done = queue.ask({.operation = Operation::append,
                                         .offset = 3 * zone_size,
                                         .length = 4096,
                                         .data = {&piece, 1}});
            EXPECT_TRUE(done.status.ok());
            EXPECT_EQ(done.result, 3 * zone_size + i * 4096);
        }
        EXPECT_EQ(queue.write(4 * zone_size + 4096, block), Code::unaligned_write);
        ASSERT_EQ(queue.act(Operation::finish, 4 * zone_size, zone_size).status.code, Code::ok);
        EXPECT_EQ(queue.write(4 * zone_size, block), Code::zone_full);
        EXPECT_EQ(queue.act(Operation::open, 4 * zone_size, zone_size).status.code,
                  Code::invalid_transition);
        ASSERT_EQ(queue.act(Operation::open, 5 * zone_size, 2 * zone_size).status.code, Code::ok);
        // A report of the zone does not show this cause.
        EXPECT_EQ(queue.act(Operation::open, 7 * zone_size, zone_size).status.code,
                  wire.reports_sense ? Code::too_many_open : Code::io_error);
        real.broken[9] = ZoneState::read_only;
        real.broken[10] = ZoneState::offline;
        EXPECT_EQ(queue.write(9 * zone_size, block), Code::zone_read_only);
        EXPECT_EQ(queue.write(10 * zone_size, block), Code::zone_offline);
    }
}

}  // namespace
}  // namespace zonebridge::test
