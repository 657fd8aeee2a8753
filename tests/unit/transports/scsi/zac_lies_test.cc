// A simulated ATA disk that returns wrong data. The transport refuses the disk with a reason, or
// goes on without the wrong data.
#include <algorithm>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/simulated_disk.h"

namespace zonebridge::test {
namespace {

using Page = SimulatedAta::Page;

void put_number(Page& page, std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
        page[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}
std::uint64_t get(const Page& page, std::size_t offset, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | page[offset + i];
    return value;
}
/// Changes identify data and removes its checksum, which would no longer be right.
void put_identify(Page& page, std::size_t word, std::uint64_t value, std::size_t width) {
    put_number(page, 2 * word, value, width);
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

struct Fault {
    const char* name;
    std::function<void(SimulatedAta&)> apply;
    const char* says;
};

/// A fault in the report from sector 0 on, where a zone and its gap are two descriptors.
Fault report_fault(const char* name, std::function<void(Page&)> apply, const char* says) {
    return {name,
            [apply](SimulatedAta& ata) {
                ata.on_report = [apply](Page& page) {
                    // A report that is read only for its header stays correct.
                    if (page.size() > 512) apply(page);
                };
            },
            says};
}

std::vector<Fault> faults() {
    return {
        // Report lengths.
        report_fault(
            "empty list", [](Page& p) { put_number(p, 0, 0, 4); }, "lists no zone"),
        report_fault(
            "half a descriptor", [](Page& p) { put_number(p, 0, 63, 4); }, "lists no zone"),
        report_fault(
            "list longer than the reply",
            [](Page& p) {
                put_number(p, 0, 0xFFFFFFFF, 4);
                // The zones in the list are correct. Zeroes follow.
                for (std::size_t i = descriptor(10); i < p.size(); ++i) p[i] = 0;
            },
            "it has no length"),
        report_fault(
            "reply cut off", [](Page& p) { p.resize(40); }, "shorter than its own header"),
        report_fault(
            "no reply", [](Page& p) { p.clear(); }, "shorter than its own header"),
        // Zones.
        report_fault(
            "backwards",
            [](Page& p) {
                std::swap_ranges(p.begin() + descriptor(1), p.begin() + descriptor(2),
                                 p.begin() + descriptor(3));
            },
            "does not begin where the zone before it ends"),
        report_fault(
            "the same zone for ever",
            [](Page& p) {
                for (std::size_t at = descriptor(1); at < p.size(); at += 64)
                    std::copy_n(p.begin() + descriptor(0), 64,
                                p.begin() + static_cast<std::ptrdiff_t>(at));
            },
            "does not begin where the zone before it ends"),
        report_fault(
            "first zone elsewhere",
            [](Page& p) { put_number(p, descriptor(0) + 16, zone_sectors, 8); },
            "does not contain the requested block"),
        report_fault(
            "no length", [](Page& p) { put_number(p, descriptor(1) + 8, 0, 8); },
            "it has no length"),
        report_fault(
            "length that wraps",
            [](Page& p) { put_number(p, descriptor(1) + 8, ~std::uint64_t{0}, 8); },
            "more than a disk can have"),
        report_fault(
            "start that wraps",
            [](Page& p) { put_number(p, descriptor(0) + 16, ~std::uint64_t{0} - 63, 8); },
            "more than a disk can have"),
        report_fault(
            "a zone as large as the disk",
            [](Page& p) { put_number(p, descriptor(0) + 8, zone_sectors * 64, 8); },
            "reaches past the disk's end"),
        report_fault(
            "pointer behind the zone",
            [](Page& p) { put_number(p, descriptor(1) + 24, 4 * zone_sectors, 8); },
            "write pointer"),
        report_fault(
            "type 7", [](Page& p) { p[descriptor(1)] = 7; }, "type"),
        report_fault(
            "condition 9", [](Page& p) { p[descriptor(1) + 1] = 0x90; }, "condition 9"),
        report_fault(
            "inactive", [](Page& p) { p[descriptor(1) + 1] = 0x50; }, "inactive"),
        report_fault(
            "two sequential types", [](Page& p) { p[descriptor(3)] = 3; }, "other zones are"),
        report_fault(
            "begins with a gap", [](Page& p) { p[descriptor(0)] = 5; }, "gap"),
        report_fault(
            "a gap behind a conventional zone", [](Page& p) { p[descriptor(1)] = 5; },
            "gap behind a conventional zone"),
        report_fault(
            "capacities that differ",
            [](Page& p) {
                put_number(p, descriptor(3) + 8, 64, 8);
                put_number(p, descriptor(4) + 8, 64, 8);
                put_number(p, descriptor(4) + 16, get(p, descriptor(3) + 16, 8) + 64, 8);
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
         [](SimulatedAta& a) {
             a.on_report = [](Page& p) { put_number(p, 8, ~std::uint64_t{0}, 8); };
         },
         "by IDENTIFY DEVICE, but"},
        {"a larger disk in both replies",
         [](SimulatedAta& a) {
             a.on_identify = [](Page& p) { put_identify(p, 100, 17 * zone_sectors, 8); };
             a.on_report = [](Page& p) { put_number(p, 8, 17 * zone_sectors - 1, 8); };
         },
         "its zone report can't be used"},
        {"sectors of no size",
         [](SimulatedAta& a) { a.on_identify = [](Page& p) { put_identify(p, 106, 0x5000, 2); }; },
         "its logical sectors have 0 bytes"},
        {"sectors of two sizes", [](SimulatedAta& a) { a.claimed_block_size = 4096; },
         "512 bytes by IDENTIFY DEVICE, but 4096 by READ CAPACITY"},
        {"a damaged page", [](SimulatedAta& a) { a.on_identify = [](Page& p) { p[60] ^= 0xFF; }; },
         "checksum is wrong"},
        {"short identify data",
         [](SimulatedAta& a) { a.on_identify = [](Page& p) { p.resize(100); }; },
         "identify data is 100 bytes"},
    };
}

TEST(ZacWrongData, IsRefusedWithTheReason) {
    for (const auto& fault : faults()) {
        SCOPED_TRACE(fault.name);
        SimulatedAta ata(shape());
        fault.apply(ata);
        const auto disk = discover(ata);
        ASSERT_FALSE(disk);
        EXPECT_TRUE(disk.error().message.starts_with("/dev/simulated: ")) << disk.error().message;
        EXPECT_NE(disk.error().message.find(fault.says), std::string::npos) << disk.error().message;
        EXPECT_EQ(disk.error().message.find('\n'), std::string::npos);
    }
}

TEST(ZacWrongData, InvalidLimitsCountAsNoLimit) {
    for (const auto open : {std::uint64_t{0}, std::uint64_t{0xFFFFFFFF}, std::uint64_t{1} << 31,
                            (std::uint64_t{1} << 63) - 1}) {
        SimulatedAta ata(shape());
        ata.on_log = [&](std::uint8_t page, Page& bytes) {
            if (page == 0x09) put_number(bytes, 40, std::uint64_t{1} << 63 | open, 8);
        };
        const auto disk = discover(ata);
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_EQ(disk->limits.max_open, std::nullopt) << open;
    }
}

TEST(ZacWrongData, UnusableLogsGiveTheStrictestLimits) {
    SimulatedAta ata(shape());
    ata.on_log = [](std::uint8_t, Page& page) { std::fill(page.begin(), page.end(), 0xFF); };
    const auto disk = discover(ata);
    ASSERT_TRUE(disk) << disk.error().message;
    EXPECT_EQ(disk->limits.model, Model::host_managed) << "the signature says so";
    EXPECT_FALSE(disk->limits.reads_past_pointer);
}

TEST(ZacWrongData, AWrongReportOfAnOpenDiskIsAnError) {
    auto ata = std::make_unique<SimulatedAta>(shape());
    auto found = discover(*ata);
    ASSERT_TRUE(found) << found.error().message;
    SimulatedDisk disk(std::move(ata), std::move(*found));
    RequestRunner queue(disk);
    std::vector<Zone> zones(16);
    const auto ask = [&] {
        return queue.ask({.operation = Operation::report, .zones = zones}).status.code;
    };
    ASSERT_EQ(ask(), StatusCode::ok);
    disk.ata().on_report = [](Page& page) { page.resize(10); };
    EXPECT_EQ(ask(), StatusCode::io_error);
    disk.ata().on_report = [](Page& page) { put_number(page, 0, 0, 4); };
    EXPECT_EQ(ask(), StatusCode::io_error);
    disk.ata().on_report = nullptr;
    EXPECT_EQ(ask(), StatusCode::ok);
}

TEST(ZacWrongData, RandomBytesNeverGiveAWrongDisk) {
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
