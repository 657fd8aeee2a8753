// Chains of many buffers: as many as vioscsi and drivers with large rings send, whatever the ring's
// size, directly in the ring or by an indirect table.

#include <algorithm>
#include <cstring>
#include <ostream>
#include <stdexcept>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"
#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

constexpr std::uint32_t piece_size = 512;

struct Rings {
    const char* name;
    driver::RingOptions ring;
    friend void PrintTo(const Rings& rings, std::ostream* out) { *out << rings.name; }
};

constexpr std::array all_rings{
    Rings{"IndirectInARingOf128", {.size = 128, .event_index = true, .indirect_entries = 1024}},
    Rings{"DirectInARingOf1024", {.size = 1024, .event_index = true, .indirect_entries = 0}},
};

driver::Wanted wanted(const driver::RingOptions& ring) {
    auto features = Guest::everything();
    if (ring.indirect_entries == 0) features.features &= ~driver::bit::indirect;
    return features;
}

/// A kind of ring, and the number of buffers of a chain, with those for header and response.
class Chains : public testing::TestWithParam<std::tuple<Rings, std::uint32_t>> {
  protected:
    static const driver::RingOptions& ring() { return std::get<0>(GetParam()).ring; }
    static std::uint32_t buffers() { return std::get<1>(GetParam()); }
    static std::uint32_t data_size() { return (buffers() - 2) * piece_size; }
};

TEST_P(Chains, CarryScsiCommands) {
    ServedDisk served;
    driver::ScsiOptions options;
    options.ring = ring();
    options.segment = piece_size;
    options.depth = 8;
    Guest guest(served, options, wanted(ring()));
    const auto data = bytes_of(data_size(), buffers());
    const auto blocks = data_size() / ServedDisk::block;
    for (int i = 0; i < 8; ++i) {
        const auto written =
            must(guest.scsi->write(i * std::uint64_t{1024}, data, ServedDisk::block));
        ASSERT_TRUE(written.good()) << written.text();
    }
    const auto got = must(guest.scsi->read(7 * 1024, blocks, ServedDisk::block));
    ASSERT_TRUE(got.good()) << got.text();
    EXPECT_EQ(got.data, data);
}

TEST_P(Chains, CarryBlkRequests) {
    ServedDisk served({}, "blk");
    auto features = wanted(ring());
    features.features |= zoned_driver;
    driver::BlkOptions options;
    options.ring = ring();
    options.depth = 4;
    BlkGuest guest(served, features, options);
    const auto data = bytes_of(data_size(), buffers());
    const auto block = guest.memory.allocate(data_size());
    const auto run = [&](std::uint32_t type, bool in) {
        const auto header = guest.memory.allocate(16);
        const auto bytes = driver::blk::header(type, 0);
        std::copy(bytes.begin(), bytes.end(), header.host);
        const auto status = guest.memory.allocate(1);
        status.host[0] = std::byte{0xEE};
        std::vector<driver::Buffer> chain{driver::to_device(header)};
        for (std::uint32_t at = 0; at < data_size(); at += piece_size)
            chain.push_back({block.address + at, piece_size, in});
        chain.push_back(driver::from_device(status));
        (void)must(guest.blk->queue(0).run(chain));
        return static_cast<std::uint8_t>(status.host[0]);
    };
    std::copy(data.begin(), data.end(), block.host);
    ASSERT_EQ(run(driver::blk::out, false), driver::blk::ok);
    std::memset(block.host, 0xEE, block.size);
    ASSERT_EQ(run(driver::blk::in, true), driver::blk::ok);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), block.host));
}

INSTANTIATE_TEST_SUITE_P(Sizes, Chains,
                         testing::Combine(testing::ValuesIn(all_rings),
                                          testing::Values(300, 513, 1024)),
                         [](const auto& info) {
                             return std::string(std::get<0>(info.param).name) + "_" +
                                    std::to_string(std::get<1>(info.param));
                         });

/// A chain of more buffers than the server takes fails as one request, and the session goes on.
TEST(TooLongChains, FailAsOneScsiCommand) {
    ServedDisk served;
    driver::ScsiOptions options;
    options.ring = {.size = 128, .event_index = true, .indirect_entries = 1300};
    options.segment = piece_size;
    Guest guest(served, options);
    const auto data = bytes_of(1200 * piece_size, 5);
    for (int i = 0; i < 3; ++i) {
        const auto written = must(guest.scsi->write(0, data, ServedDisk::block));
        EXPECT_EQ(written.response, 0);
        EXPECT_EQ(written.sense_code(), 0x052400U) << written.text();
        const auto got = must(guest.scsi->read(0, 1200, ServedDisk::block));
        EXPECT_EQ(got.sense_code(), 0x052400U) << got.text();
    }
    const auto shorter = bytes_of(1000 * piece_size, 6);
    const auto written = must(guest.scsi->write(0, shorter, ServedDisk::block));
    EXPECT_TRUE(written.good()) << written.text();
    EXPECT_EQ(served.stop(), 0);
}

TEST(TooLongChains, FailAsOneBlkRequest) {
    ServedDisk served({}, "blk");
    driver::BlkOptions options;
    options.ring = {.size = 128, .event_index = true, .indirect_entries = 1300};
    BlkGuest guest(served, zoned_driver, options);
    const auto block = guest.memory.allocate(1200 * piece_size);
    const auto run = [&](std::uint32_t type, std::uint32_t count) {
        const auto header = guest.memory.allocate(16);
        const auto bytes = blk::header(type, 0);
        std::copy(bytes.begin(), bytes.end(), header.host);
        const auto status = guest.memory.allocate(1);
        status.host[0] = std::byte{0xEE};
        std::vector<driver::Buffer> chain{driver::to_device(header)};
        for (std::uint32_t i = 0; i < count; ++i)
            chain.push_back({block.address + i * piece_size, piece_size, type == blk::in});
        chain.push_back(driver::from_device(status));
        (void)must(guest.blk->queue(0).run(chain));
        return static_cast<std::uint8_t>(status.host[0]);
    };
    std::memset(block.host, 0x5A, block.size);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(blk::out, 1200), blk::io_error);
        EXPECT_EQ(run(blk::in, 1200), blk::io_error);
        EXPECT_EQ(run(blk::flush, 1200), blk::io_error);
        EXPECT_EQ(run(17, 1200), blk::unsupported) << "a type that this device does not know";
    }
    EXPECT_EQ(block.host[0], std::byte{0x5A}) << "nothing was read";
    EXPECT_EQ(run(blk::in, 1000), blk::ok);
    EXPECT_EQ(block.host[0], std::byte{0}) << "nothing was written";
    EXPECT_EQ(served.stop(), 0);
}

/// More long chains at once than a queue has pieces for: all complete, none ends the session.
TEST(ManyChains, ThatAreLongAllComplete) {
    ServedDisk served({"--fault", "zone=0,latency=20ms"});
    driver::ScsiOptions options;
    options.ring = {.size = 128, .event_index = true, .indirect_entries = 1024};
    options.segment = piece_size;
    options.max_transfer = 1022 * piece_size;
    options.depth = 120;
    Guest guest(served, options);
    const auto data = bytes_of(options.max_transfer, 7);
    for (int round = 0; round < 2; ++round) {
        for (std::uint16_t i = 0; i < options.depth; ++i)
            (void)guest.queue_write((i % 8) * std::uint64_t{1022}, data);
        guest.scsi->submit();
        for (std::uint16_t i = 0; i < options.depth; ++i) {
            const auto result = must(guest.scsi->wait());
            ASSERT_TRUE(result.good()) << result.text();
        }
    }
    EXPECT_EQ(served.stop(), 0);
}

/// More and longer rings than the server has memory for.
TEST(ManyRings, ThatTakeTooMuchMemoryEndOnlyTheirSession) {
    ServedDisk served({"--queues", "254"}, "blk", {}, ServedDisk::Log::kept);
    driver::BlkOptions options;
    options.ring = {.size = 1024, .event_index = true, .indirect_entries = 0};
    options.max_transfer = 4096;
    options.depth = 1;
    options.queues = 254;
    EXPECT_THROW((BlkGuest(served, zoned_driver, options)), std::runtime_error);
    options.queues = 4;
    BlkGuest guest(served, zoned_driver, options);
    EXPECT_TRUE(must(guest.blk->write(0, bytes_of(4096, 1))).ok());
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("give the device fewer or smaller queues"), std::string::npos)
        << served.log();
}

}  // namespace
}  // namespace zonebridge::test
