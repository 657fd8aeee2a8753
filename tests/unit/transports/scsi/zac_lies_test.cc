// A simulated ATA disk that lies: refused in words, or survived, but never believed.
#include <algorithm>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/simulated_disk.h"

namespace zonebridge::test {
namespace {

using Page = SimulatedAta::Page;

void put(Page& page, std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
        page[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}
std::uint64_t get(const Page& page, std::size_t offset, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | page[offset + i];
    return value;
}
/// Whoever changes identify data takes its checksum out.
void put_identify(Page& page, std::size_t word, std::uint64_t value, std::size_t width) {
    put(page, 2 * word, value, width);
    page[510] = 0;
}
constexpr std::size_t descriptor(std::size_t zone) {
    return 64 + 64 * zone;
}
constexpr std::uint64_t zone_sectors = 128;

SimulatedAtaShape shape() {
    SimulatedAtaShape shape;
    shape.disk.zone_capacity = 48 << 10;
    shape.disk.conventional = 1;
    shape.disk.max_transfer = 4 << 20;
    shape.disk.max_segments = 1024;
    return shape;
}

struct Lie {
    const char* name;
    std::function<void(SimulatedAta&)> tell;
    const char* says;
};

/// Of the report from sector 0 on; in it a zone and the gap behind it are two descriptors.
Lie report_lie(const char* name, std::function<void(Page&)> tell, const char* says) {
    return {name,
            [tell](SimulatedAta& ata) {
                ata.on_report = [tell](Page& page) {
                    // Not of the one that is asked for its header alone.
                    if (page.size() > 512) tell(page);
                };
            },
            says};
}

std::vector<Lie> lies() {
    return {
        // Report lengths.
        report_lie(
            "list of nothing", [](Page& p) { put(p, 0, 0, 4); }, "lists no zone"),
        report_lie(
            "half a descriptor", [](Page& p) { put(p, 0, 63, 4); }, "lists no zone"),
        report_lie(
            "list longer than the reply",
            [](Page& p) {
                put(p, 0, 0xFFFFFFFF, 4);
                // As far as its zones go it is true; behind them there are zeroes.
                for (std::size_t i = descriptor(10); i < p.size(); ++i) p[i] = 0;
            },
            "it has no length"),
        report_lie(
            "reply cut off", [](Page& p) { p.resize(40); }, "shorter than its own header"),
        report_lie(
            "no reply", [](Page& p) { p.clear(); }, "shorter than its own header"),
        // Zones.
        report_lie(
            "backwards",
            [](Page& p) {
                std::swap_ranges(p.begin() + descriptor(1), p.begin() + descriptor(2),
                                 p.begin() + descriptor(3));
            },
            "does not begin where the zone before it ends"),
        report_lie(
            "the same zone for ever",
            [](Page& p) {
                for (std::size_t at = descriptor(1); at < p.size(); at += 64)
                    std::copy_n(p.begin() + descriptor(0), 64,
                                p.begin() + static_cast<std::ptrdiff_t>(at));
            },
            "does not begin where the zone before it ends"),
        report_lie(
            "first zone elsewhere", [](Page& p) { put(p, descriptor(0) + 16, zone_sectors, 8); },
            "does not contain the requested block"),
        report_lie(
            "no length", [](Page& p) { put(p, descriptor(1) + 8, 0, 8); }, "it has no length"),
        report_lie(
            "length that wraps", [](Page& p) { put(p, descriptor(1) + 8, ~std::uint64_t{0}, 8); },
            "more than a disk can have"),
        report_lie(
            "start that wraps",
            [](Page& p) { put(p, descriptor(0) + 16, ~std::uint64_t{0} - 63, 8); },
            "more than a disk can have"),
        report_lie(
            "a zone as large as the disk",
            [](Page& p) { put(p, descriptor(0) + 8, zone_sectors * 64, 8); },
            "reaches past the disk's end"),
        report_lie(
            "pointer behind the zone",
            [](Page& p) { put(p, descriptor(1) + 24, 4 * zone_sectors, 8); }, "write pointer"),
        report_lie(
            "type 7", [](Page& p) { p[descriptor(1)] = 7; }, "type"),
        report_lie(
            "condition 9", [](Page& p) { p[descriptor(1) + 1] = 0x90; }, "condition 9"),
        report_lie(
            "inactive", [](Page& p) { p[descriptor(1) + 1] = 0x50; }, "inactive"),
        report_lie(
            "two sequential types", [](Page& p) { p[descriptor(3)] = 3; }, "other zones are"),
        report_lie(
            "begins with a gap", [](Page& p) { p[descriptor(0)] = 5; }, "gap"),
        report_lie(
            "a gap behind a conventional zone", [](Page& p) { p[descriptor(1)] = 5; },
            "gap behind a conventional zone"),
        report_lie(
            "capacities that differ",
            [](Page& p) {
                put(p, descriptor(3) + 8, 64, 8);
                put(p, descriptor(4) + 8, 64, 8);
                put(p, descriptor(4) + 16, get(p, descriptor(3) + 16, 8) + 64, 8);
            },
            "differs from the other zones' capacity"),
        // Sizes.
        {"no sectors",
         [](SimulatedAta& a) { a.on_identify = [](Page& p) { put_identify(p, 100, 0, 8); }; },
         "it says it has no sectors"},
        {"size that wraps",
         [](SimulatedAta& a) {
             a.on_identify = [](Page& p) { put_identify(p, 100, ~std::uint64_t{0}, 8); };
         },
         "more than 48 bits can address"},
        {"another size than its zones",
         [](SimulatedAta& a) {
             a.on_identify = [](Page& p) { put_identify(p, 100, 16 * zone_sectors + 8, 8); };
         },
         "by IDENTIFY DEVICE, but"},
        {"last sector of all ones",
         [](SimulatedAta& a) { a.on_report = [](Page& p) { put(p, 8, ~std::uint64_t{0}, 8); }; },
         "by IDENTIFY DEVICE, but"},
        {"a larger disk, told twice",
         [](SimulatedAta& a) {
             a.on_identify = [](Page& p) { put_identify(p, 100, 17 * zone_sectors, 8); };
             a.on_report = [](Page& p) { put(p, 8, 17 * zone_sectors - 1, 8); };
         },
         "its zone report can't be used"},
        {"sectors of no size",
         [](SimulatedAta& a) { a.on_identify = [](Page& p) { put_identify(p, 106, 0x5000, 2); }; },
         "its logical sectors have 0 bytes"},
        {"sectors of two sizes", [](SimulatedAta& a) { a.told_block_size = 4096; },
         "512 bytes by IDENTIFY DEVICE, but 4096 by READ CAPACITY"},
        {"a damaged page", [](SimulatedAta& a) { a.on_identify = [](Page& p) { p[60] ^= 0xFF; }; },
         "checksum is wrong"},
        {"short identify data",
         [](SimulatedAta& a) { a.on_identify = [](Page& p) { p.resize(100); }; },
         "identify data is 100 bytes"},
    };
}

TEST(ZacLies, AreRefusedInWords) {
    for (const auto& lie : lies()) {
        SCOPED_TRACE(lie.name);
        SimulatedAta ata(shape());
        lie.tell(ata);
        const auto disk = discover(ata);
        ASSERT_FALSE(disk);
        EXPECT_TRUE(disk.error().message.starts_with("/dev/simulated: ")) << disk.error().message;
        EXPECT_NE(disk.error().message.find(lie.says), std::string::npos) << disk.error().message;
        EXPECT_EQ(disk.error().message.find('\n'), std::string::npos);
    }
}

TEST(ZacLies, LimitsThatCannotBeAreNone) {
    for (const auto open : {std::uint64_t{0}, std::uint64_t{0xFFFFFFFF}, std::uint64_t{1} << 31,
                            (std::uint64_t{1} << 63) - 1}) {
        SimulatedAta ata(shape());
        ata.on_log = [&](std::uint8_t page, Page& bytes) {
            if (page == 0x09) put(bytes, 40, std::uint64_t{1} << 63 | open, 8);
        };
        const auto disk = discover(ata);
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_EQ(disk->limits.max_open, std::nullopt) << open;
    }
}

TEST(ZacLies, LogsThatSayNothingLeaveTheStrictestOfWhatMayBe) {
    SimulatedAta ata(shape());
    ata.on_log = [](std::uint8_t, Page& page) { std::fill(page.begin(), page.end(), 0xFF); };
    const auto disk = discover(ata);
    ASSERT_TRUE(disk) << disk.error().message;
    EXPECT_EQ(disk->limits.model, Model::host_managed) << "the signature says so";
    EXPECT_FALSE(disk->limits.reads_past_pointer);
}

TEST(ZacLies, AReportThatTurnsBadWhileOpenIsAnError) {
    auto ata = std::make_unique<SimulatedAta>(shape());
    auto found = discover(*ata);
    ASSERT_TRUE(found) << found.error().message;
    SimulatedDisk disk(std::move(ata), std::move(*found));
    Asking queue(disk);
    std::vector<Zone> zones(16);
    const auto ask = [&] {
        return queue.ask({.operation = Operation::report, .zones = zones}).status.code;
    };
    ASSERT_EQ(ask(), StatusCode::ok);
    disk.ata().on_report = [](Page& page) { page.resize(10); };
    EXPECT_EQ(ask(), StatusCode::io_error);
    disk.ata().on_report = [](Page& page) { put(page, 0, 0, 4); };
    EXPECT_EQ(ask(), StatusCode::io_error);
    disk.ata().on_report = nullptr;
    EXPECT_EQ(ask(), StatusCode::ok);
}

TEST(ZacLies, RandomBytesNeverMakeADiskThatIsNotThere) {
    unsigned opened = 0;
    for (unsigned seed = 0; seed < 600; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        SimulatedAta ata(shape());
        const auto spoil = [&](Page& page) {
            for (auto count = random() % 4; count > 0 && !page.empty(); --count)
                page[random() % std::min<std::size_t>(page.size(), 1024)] =
                    static_cast<std::uint8_t>(random());
        };
        ata.on_report = spoil;
        ata.on_log = [&](std::uint8_t, Page& page) { spoil(page); };
        ata.on_identify = [&](Page& page) {
            page[510] = 0;
            spoil(page);
        };
        const auto disk = discover(ata);
        if (!disk) {
            EXPECT_TRUE(disk.error().message.starts_with("/dev/simulated: "));
            continue;
        }
        ++opened;
        EXPECT_EQ(disk->limits.size(), ata.disk().limits().size());
        if (disk->limits.model == Model::none) continue;
        EXPECT_EQ(disk->limits.layout.zone_count(), 16U);
    }
    EXPECT_GT(opened, 10U);
    EXPECT_LT(opened, 590U);
}

}  // namespace
}  // namespace zonebridge::test
