// A SCSI disk that is passed through, as a guest sees it: replies and sense are the disk's own.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/passed/passed_disk.h"

namespace zonebridge::test {
namespace {

constexpr std::uint32_t power_on = 0x062900;
constexpr std::uint32_t invalid_opcode = 0x052000;
constexpr std::uint32_t invalid_field = 0x052400;
constexpr std::uint32_t unaligned_write = 0x052104;
constexpr std::uint32_t boundary = 0x052105;
constexpr std::uint32_t write_protected = 0x072700;
constexpr std::uint8_t bad_target = 3;
constexpr std::uint8_t overrun = 1;

constexpr std::uint32_t block = 512;
constexpr std::uint64_t zone_blocks = 8192;

constexpr std::uint64_t lba(std::uint32_t zone) {
    return zone * zone_blocks;
}

Bytes inquiry(std::optional<std::uint8_t> page, std::uint16_t allocation = 1024) {
    return {0x12,
            page ? std::uint8_t{1} : std::uint8_t{0},
            page.value_or(0),
            static_cast<std::uint8_t>(allocation >> 8),
            static_cast<std::uint8_t>(allocation),
            0};
}
Bytes report_zones(std::uint32_t length) {
    Bytes cdb(16);
    cdb[0] = 0x95;
    for (int i = 0; i < 4; ++i)
        cdb[static_cast<std::size_t>(10 + i)] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
    return cdb;
}
const Bytes write_buffer{0x3B, 0x02, 0, 0, 0, 0, 0, 0, 16, 0};

class Passed : public testing::Test {
  protected:
    void serve(const std::vector<std::string>& extra = {}, driver::ScsiOptions options = {}) {
        served.emplace(extra);
        guest.emplace(served->socket(), options);
        must(guest->scsi->zone_action(4, 0, true));
    }
    driver::ScsiResult ask(const Bytes& cdb, std::uint32_t length) {
        return must(guest->scsi->run({.cdb = cdb, .data_in_length = length}));
    }
    driver::ScsiResult tell(const Bytes& cdb, const std::vector<std::byte>& data) {
        return must(guest->scsi->run({.cdb = cdb, .data_out = data}));
    }
    /// Expects that the guest and the host get the same data.
    void expect_same(const Bytes& cdb, std::uint32_t length, const std::string& what) {
        const auto host = ask_host(cdb, length);
        const auto got = ask(cdb, length);
        ASSERT_EQ(host.has_value(), got.good()) << what << ": " << got.text();
        if (host) {
            EXPECT_EQ(*host, bytes_in(got)) << what;
        }
    }

    std::optional<PassedThrough> served;
    std::optional<Guest> guest;
};

TEST_F(Passed, TheReadyLineSaysThatTheDiskIsPassedThrough) {
    serve();
    EXPECT_NE(served->output().find("passed through"), std::string::npos) << served->output();
    EXPECT_EQ(guest->attention, power_on);
    EXPECT_TRUE(must(guest->scsi->test_unit_ready()).good()) << "one unit attention, not two";
    EXPECT_EQ(served->stop(), 0);
    EXPECT_EQ(served->log(), "");
    served.emplace(std::vector<std::string>{"--translate"});
    EXPECT_EQ(served->output().find("passed through"), std::string::npos) << served->output();
}

TEST_F(Passed, DescriptiveDataAreTheDisksOwn) {
    serve();
    expect_same(inquiry(std::nullopt), 1024, "INQUIRY");
    expect_same(inquiry(std::nullopt, 36), 36, "INQUIRY, 36 bytes");
    const auto pages = *ask_host(inquiry(0x00), 1024);
    ASSERT_GT(pages.size(), 4U);
    for (std::size_t i = 4; i < pages.size(); ++i) {
        const auto page = pages[i];
        if (page == 0x00 || page == 0x89 || page == 0xB0) continue;
        SCOPED_TRACE(page);
        expect_same(inquiry(page), 1024, "VPD page");
        expect_same(inquiry(page, 4), 4, "VPD page, its head alone");
    }
    expect_same({0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, 32, "READ CAPACITY(16)");
    expect_same({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8, "READ CAPACITY(10)");
    expect_same({0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 252, 0}, 252, "MODE SENSE(10)");
    expect_same({0x1A, 0, 0x3F, 0, 252, 0}, 252, "MODE SENSE(6)");
    expect_same({0x4D, 0, 0x40, 0, 0, 0, 0, 0, 252, 0}, 252, "LOG SENSE");
    expect_same({0x03, 0, 0, 0, 252, 0}, 252, "REQUEST SENSE");
}

TEST_F(Passed, ListOfPagesHidesAtaInformationAndHasBlockLimits) {
    serve();
    auto pages = *ask_host(inquiry(0x00), 1024);
    std::erase(pages, 0x89);
    if (std::find(pages.begin() + 4, pages.end(), 0xB0) == pages.end())
        pages.insert(std::lower_bound(pages.begin() + 4, pages.end(), 0xB0), 0xB0);
    pages[3] = static_cast<std::uint8_t>(pages.size() - 4);
    EXPECT_EQ(bytes_in(ask(inquiry(0x00), 1024)), pages);
    EXPECT_EQ(ask(inquiry(0x89), 1024).sense_code(), invalid_field);
    // Except for the transfer lengths, page B0h is the disk's own.
    auto host = *ask_host(inquiry(0xB0), 1024);
    auto got = bytes_in(ask(inquiry(0xB0), 1024));
    ASSERT_EQ(host.size(), got.size());
    const auto blocks = got[8] << 24 | got[9] << 16 | got[10] << 8 | got[11];
    EXPECT_GT(blocks, 0);
    EXPECT_LE(blocks, (4 << 20) / 512);
    std::fill(host.begin() + 6, host.begin() + 20, std::uint8_t{0});
    std::fill(got.begin() + 6, got.begin() + 20, std::uint8_t{0});
    EXPECT_EQ(host, got);
}

TEST_F(Passed, ReportZonesReturnsTheDisksData) {
    serve();
    ASSERT_TRUE(must(guest->scsi->write(lba(9), bytes_of(8192, 3), block)).good());
    ASSERT_TRUE(must(guest->scsi->zone_action(2, lba(10))).good());
    ASSERT_TRUE(must(guest->scsi->zone_action(3, lba(11))).good());
    for (const auto length : {64U, 65U, 512U, 4096U, 65536U})
        expect_same(report_zones(length), length, "REPORT ZONES");
    EXPECT_TRUE(ask(report_zones(0), 0).good());
}

TEST_F(Passed, DataAreReadBackAndSenseIsTheDisksOwn) {
    serve({}, {.segment = 4096});
    const auto data = bytes_of(256 * 1024, 5);
    EXPECT_TRUE(must(guest->scsi->write(lba(8), data, block, true)).good());
    EXPECT_EQ(must(guest->scsi->read(lba(8), 512, block)).data, data);
    const auto host = ask_host({0x88, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 0}, 8192);
    ASSERT_TRUE(host);
    EXPECT_TRUE(std::equal(host->begin(), host->end(), data.begin(),
                           [](auto a, auto b) { return a == static_cast<std::uint8_t>(b); }));

    const auto elsewhere = must(guest->scsi->write(lba(8) + 1024, bytes_of(4096, 1), block));
    EXPECT_EQ(elsewhere.sense_code(), unaligned_write) << elsewhere.text();
    EXPECT_EQ(must(guest->scsi->write(lba(9) - 8, bytes_of(8192, 1), block)).sense_code(),
              boundary);
    EXPECT_EQ(must(guest->scsi->zone_action(3, lba(8) + 8)).sense_code() >> 16, 5U);
    EXPECT_EQ(must(guest->scsi->read(lba(1000), 8, block)).sense_code(), 0x052100U);
    EXPECT_TRUE(must(guest->scsi->synchronize_cache()).good());
}

TEST_F(Passed, DataThatAreNotTransferredAreResidual) {
    serve();
    const auto own = ask_host(inquiry(0xB6), 1024)->size();
    EXPECT_EQ(ask(inquiry(0xB6), 1024).residual, 1024 - own);
    // Larger and smaller buffers than the CDB asks for.
    EXPECT_EQ(ask(inquiry(0xB6, 8), 512).residual, 504U);
    EXPECT_EQ(ask(inquiry(0xB6, 512), 8).response, overrun);
    const Bytes read_8{0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0};
    const auto longer = ask(read_8, 8192);
    EXPECT_TRUE(longer.good());
    EXPECT_EQ(longer.residual, 4096U);
    EXPECT_EQ(ask(read_8, 2048).response, overrun);
    Bytes write_8 = read_8;
    write_8[0] = 0x8A;
    EXPECT_EQ(tell(write_8, bytes_of(2048, 1)).response, overrun);
    const auto too_much = tell(write_8, bytes_of(8192, 1));
    EXPECT_TRUE(too_much.good()) << too_much.text();
    EXPECT_EQ(too_much.residual, 4096U);
    // Buffers of the other direction: no data are transferred.
    const auto other_way = tell({0, 0, 0, 0, 0, 0}, bytes_of(512, 1));
    EXPECT_TRUE(other_way.good()) << other_way.text();
    EXPECT_EQ(other_way.residual, 512U);
}

TEST_F(Passed, ShortTransfersAndFailuresOfTheDiskReachTheGuest) {
    serve();
    const auto set = [](const std::string& name, const std::string& value) {
        std::ofstream("/sys/bus/pseudo/drivers/scsi_debug/" + name) << value;
    };
    const auto read_16 = [&](const char* options, std::uint64_t at = 0) {
        set("opts", options);
        set("every_nth", "1");
        auto result = must(guest->scsi->read(at, 16, block));
        set("every_nth", "0");
        set("opts", "0");
        return result;
    };
    const auto shorter = read_16("0x100");
    EXPECT_TRUE(shorter.good()) << shorter.text();
    EXPECT_EQ(shorter.residual, 4096U);
    const auto recovered = read_16("0x8");
    EXPECT_EQ(recovered.status, 2) << recovered.text();
    EXPECT_EQ(recovered.sense_code() >> 16, 1U);
    EXPECT_EQ(recovered.residual, 0U) << "the data were transferred";
    // The bad sector, which is in INFORMATION.
    const auto bad = read_16("0x2", 0x1234);
    EXPECT_EQ(bad.sense_code(), 0x031100U) << bad.text();
    ASSERT_GE(bad.sense.size(), 7U);
    EXPECT_EQ(bad.sense[0] & 0x80, 0x80);
    EXPECT_EQ(bad.sense[5] << 8 | bad.sense[6], 0x1234);
    EXPECT_TRUE(must(guest->scsi->read(0, 16, block)).good());
}

TEST_F(Passed, DisallowedCommandsAreRefusedAndLoggedOnce) {
    serve();
    const auto data = bytes_of(16, 1);
    const Bytes mode_select{0x55, 0x10, 0, 0, 0, 0, 0, 0, 8, 0};
    EXPECT_EQ(tell(write_buffer, data).sense_code(), invalid_opcode);
    EXPECT_EQ(tell(write_buffer, data).sense_code(), invalid_opcode);
    EXPECT_EQ(tell(mode_select, bytes_of(8, 1)).sense_code(), invalid_opcode);
    EXPECT_EQ(ask({0x5F, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0).sense_code(), invalid_opcode);
    EXPECT_EQ(ask({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0).sense_code(), invalid_opcode);
    const auto log = served->log();
    const std::string allow =
        "from the guest; to allow it, serve the disk with --allow write-buffer\n";
    const auto first = log.find(allow);
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_NE(log.find("refused WRITE BUFFER"), std::string::npos) << log;
    EXPECT_NE(log.find("3Bh/02h"), std::string::npos) << log;
    EXPECT_EQ(log.find(allow, first + 1), std::string::npos) << log;
    EXPECT_NE(log.find("--allow mode-select\n"), std::string::npos) << log;
    EXPECT_NE(log.find("--allow 0xC1\n"), std::string::npos) << log;
}

TEST_F(Passed, WithAllowCommandsReachTheDisk) {
    serve({"--allow", "write-buffer,0xC1", "--allow", "mode-select"});
    EXPECT_TRUE(tell(write_buffer, bytes_of(16, 1)).good());
    // The disk itself refuses the unknown opcode.
    EXPECT_EQ(ask({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0).sense_code(), invalid_opcode);
    EXPECT_NE(tell({0x55, 0x10, 0, 0, 0, 0, 0, 0, 4, 0}, bytes_of(4, 1)).sense_code(),
              invalid_opcode);
    EXPECT_EQ(served->log(), "");
}

TEST_F(Passed, ReadOnlyRefusesChangesAndReportsWriteProtection) {
    serve();
    ASSERT_TRUE(must(guest->scsi->write(lba(8), bytes_of(4096, 2), block)).good());
    guest.reset();
    served.reset();
    served.emplace(std::vector<std::string>{"--read-only"});
    guest.emplace(served->socket());
    EXPECT_EQ(must(guest->scsi->read(lba(8), 8, block)).data, bytes_of(4096, 2));
    EXPECT_EQ(must(guest->scsi->write(lba(8) + 8, bytes_of(4096, 2), block)).sense_code(),
              write_protected);
    for (std::uint8_t action = 1; action <= 4; ++action)
        EXPECT_EQ(must(guest->scsi->zone_action(action, lba(8))).sense_code(), write_protected);
    const auto own_6 = *ask_host({0x1A, 0, 0x3F, 0, 252, 0}, 252);
    auto got_6 = bytes_in(ask({0x1A, 0, 0x3F, 0, 252, 0}, 252));
    EXPECT_EQ(got_6.at(2) & 0x80, 0x80);
    EXPECT_EQ(bytes_in(ask({0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 252, 0}, 252)).at(3) & 0x80, 0x80);
    got_6[2] = own_6.at(2);
    EXPECT_EQ(got_6, own_6);
    expect_same(report_zones(65536), 65536, "REPORT ZONES");
    EXPECT_EQ(served->stop(), 0);
}

TEST_F(Passed, WritesInFlightKeepTheirOrder) {
    serve({"--queues", "2"}, {.request_queues = 2, .segment = 4096, .depth = 64});
    constexpr std::size_t piece = 16384;
    constexpr std::uint32_t piece_blocks = piece / block;
    const auto write = [&](std::uint64_t at, const std::vector<std::byte>& data,
                           std::uint16_t queue) { guest->queue_write(at, data, queue); };
    for (std::uint32_t round = 0; round < 8; ++round) {
        std::vector<std::vector<std::byte>> kept;
        for (std::uint16_t queue = 0; queue < 2; ++queue) {
            // Two zones per queue, with alternating writes.
            for (std::uint32_t i = 0; i < 32; ++i) {
                const auto zone = 8U + 2 * queue + i % 2;
                const auto at = round * 16 + i / 2;
                kept.push_back(bytes_of(piece, 1000 * zone + at));
                write(lba(zone) + at * piece_blocks, kept.back(), queue);
            }
            guest->scsi->submit(queue);
        }
        for (std::uint16_t queue = 0; queue < 2; ++queue)
            for (int i = 0; i < 32; ++i) {
                const auto result = must(guest->scsi->wait(queue));
                ASSERT_TRUE(result.good()) << result.text();
            }
    }
    for (std::uint32_t zone = 8; zone < 12; ++zone)
        for (std::uint32_t at = 0; at < 128; ++at)
            ASSERT_EQ(
                must(guest->scsi->read(lba(zone) + at * piece_blocks, piece_blocks, block)).data,
                bytes_of(piece, 1000 * zone + at))
                << zone << " " << at;
}

TEST_F(Passed, ExplainLogsRefusalsOfTheDisk) {
    serve({"--explain"});
    ASSERT_TRUE(must(guest->scsi->write(lba(8), bytes_of(4096, 2), block)).good());
    EXPECT_EQ(must(guest->scsi->write(lba(8) + 64, bytes_of(4096, 2), block)).sense_code(),
              unaligned_write);
    const auto log = served->log_with("zone 8");
    EXPECT_NE(log.find("zone 8"), std::string::npos) << log;
    EXPECT_NE(log.find("implicit-open"), std::string::npos) << log;
}

TEST_F(Passed, ResetsAreReportedOnce) {
    serve();
    EXPECT_EQ(must(guest->scsi->reset_logical_unit()), 0);
    EXPECT_TRUE(must(guest->scsi->inquiry()).good()) << "INQUIRY ignores unit attentions";
    EXPECT_EQ(must(guest->scsi->test_unit_ready()).sense_code(), power_on);
    EXPECT_TRUE(must(guest->scsi->test_unit_ready()).good());
    EXPECT_EQ(must(guest->scsi->reset_logical_unit()), 0);
    // REQUEST SENSE returns the attention as data, and clears it.
    const auto sense = bytes_in(ask({0x03, 0, 0, 0, 252, 0}, 252));
    ASSERT_GE(sense.size(), 18U);
    EXPECT_EQ(sense[2] & 0xF, 6);
    EXPECT_EQ(sense[12], 0x29);
    EXPECT_TRUE(must(guest->scsi->test_unit_ready()).good());
}

/// Faults that the kernel's scsi_debug injects into READ(16) by debugfs: "HOST-BYTE DRIVER-BYTE
/// STATUS KEY ASC ASCQ".
class PassedWithFaults : public Passed {
  protected:
    void SetUp() override {
        const auto* const name = std::getenv("ZB_FAULTS");
        if (name == nullptr) GTEST_SKIP() << "this kernel injects none";
        faults_ = name;
    }
    driver::ScsiResult read_with(const std::string& fault) {
        std::ofstream(faults_) << "2 -1 0x88 " << fault;
        auto result = must(guest->scsi->read(0, 8, block));
        std::ofstream(faults_) << "- 2 0x88";
        return result;
    }

  private:
    std::string faults_;
};

TEST_F(PassedWithFaults, FailuresOfTheKernelReachTheGuestAsFailures) {
    serve();
    EXPECT_EQ(read_with("0x7 0 0 0 0 0").response, 9) << "failure";
    EXPECT_EQ(read_with("0x1 0 0 0 0 0").response, bad_target) << "no connect";
    EXPECT_EQ(read_with("0x10 0 0 0 0 0").response, 7) << "target failure";
    EXPECT_EQ(read_with("0 0 0x2 0x3 0x11 0x0").sense_code(), 0x031100U);
    EXPECT_TRUE(must(guest->scsi->read(0, 8, block)).good());
    EXPECT_NE(served->log().find("failed: the kernel says: the target failed"), std::string::npos)
        << served->log();
}

/// Runs alone, as a user who may open the disk and has no other rights.
TEST_F(Passed, DISABLED_ACommandThatTheKernelForbidsAUserIsLogged) {
    serve();
    EXPECT_NE(served->log().find("does not have the capability CAP_SYS_RAWIO"), std::string::npos)
        << served->log();
    EXPECT_TRUE(must(guest->scsi->write(lba(8), bytes_of(4096, 1), block)).good());
    // Linux's own list of allowed commands lacks SYNCHRONIZE CACHE(16).
    EXPECT_EQ(must(guest->scsi->synchronize_cache()).response, 9) << "failure";
    EXPECT_NE(served->log().find("does not let this program send SYNCHRONIZE CACHE(16)"),
              std::string::npos)
        << served->log();
}

/// Runs last and alone: afterwards there is no disk.
TEST_F(Passed, DISABLED_AnUnpluggedDiskIsABadTarget) {
    serve();
    const auto* const how = std::getenv("ZB_UNPLUG");
    ASSERT_NE(how, nullptr);
    for (std::uint32_t i = 0; i < 16; ++i) guest->queue_write(lba(8) + i * 8, bytes_of(4096, i));
    guest->scsi->submit();
    for (int i = 0; i < 16; ++i) static_cast<void>(must(guest->scsi->wait()));
    ASSERT_EQ(std::system(how), 0);
    const auto read = must(guest->scsi->read(0, 8, block));
    EXPECT_EQ(read.response, bad_target) << read.text();
    EXPECT_EQ(must(guest->scsi->test_unit_ready()).response, bad_target);
}

}  // namespace
}  // namespace zonebridge::test
