// Memory that is plugged, used by commands and unplugged, with one worker or several, while other
// queues have commands in flight in other memory.

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

constexpr std::size_t head_size = 51;
constexpr std::size_t response_size = 108;
constexpr std::uint8_t read_16 = 0x88;
constexpr std::uint8_t write_16 = 0x8A;
constexpr std::byte blank{0xEE};

class PluggedMemory : public ::testing::TestWithParam<const char*> {
  protected:
    static driver::ScsiOptions options() {
        driver::ScsiOptions wanted;
        wanted.request_queues = 3;
        wanted.max_transfer = piece;
        wanted.depth = 48;
        return wanted;
    }

    /// Runs a READ(16) or WRITE(16) of one piece on queue 1, with all buffers in `memory`. Expects
    /// GOOD and returns the data buffer.
    driver::Block run(driver::SharedMemory& memory, std::uint8_t opcode, std::uint64_t lba,
                      std::span<const std::byte> data = {}) {
        const auto writes = opcode == write_16;
        const auto head = memory.allocate(head_size);
        const auto response = memory.allocate(response_size);
        const auto block = memory.allocate(piece, 512);
        std::memset(response.host, 0xEE, response.size);
        const std::array<std::uint8_t, 4> address{1, 0, 0x40, 0};
        std::memcpy(head.host, address.data(), address.size());
        const auto cdb = driver::cdb16(opcode, 0, lba, piece_blocks);
        std::memcpy(head.host + 19, cdb.data(), cdb.size());
        if (writes) std::memcpy(block.host, data.data(), data.size());
        auto& queue = guest.scsi->request(1);
        if (writes)
            (void)must(queue.run(std::array{driver::to_device(head), driver::to_device(block),
                                            driver::from_device(response)}));
        else
            (void)must(queue.run(std::array{driver::to_device(head), driver::from_device(response),
                                            driver::from_device(block)}));
        EXPECT_EQ(response.host[10], std::byte{0}) << "status";
        EXPECT_EQ(response.host[11], std::byte{0}) << "response";
        return block;
    }

    void submit_pieces(std::uint16_t queue, std::uint32_t first, std::uint32_t count) {
        for (std::uint32_t i = first; i < first + count; ++i)
            (void)guest.queue_write(ServedDisk::lba(zone + queue) + i * piece_blocks,
                                    bytes_of(piece, 1000 * queue + i), queue);
        guest.scsi->submit(queue);
    }
    void expect_good(std::uint16_t queue, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto result = must(guest.scsi->wait(queue));
            ASSERT_TRUE(result.good()) << result.text();
        }
    }

    ServedDisk served{{"--queues", "3", "--workers", GetParam()}};
    Guest guest{served, options()};
};

TEST_P(PluggedMemory, CanBeUsedAndUnplugged) {
    constexpr std::uint32_t rounds = 16;
    constexpr std::uint32_t each = 8;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        // New memory in every round, sometimes at an address that was used before.
        driver::SharedMemory more;
        must(more.add((std::uint64_t{1} << 32) + (round % 3) * (std::uint64_t{1} << 30), 1 << 20));
        const auto& region = more.regions()[0];
        submit_pieces(0, round * each, each / 2);
        submit_pieces(2, round * each, each / 2);
        must(guest.front_end.add_region(region));

        const auto data = bytes_of(piece, 1000 + round);
        const auto at = ServedDisk::lba(zone + 1) + round * piece_blocks;
        (void)run(more, write_16, at, data);
        const auto back = run(more, read_16, at);
        EXPECT_EQ(std::memcmp(back.host, data.data(), piece), 0);
        // The server must not touch bytes behind the buffers.
        const auto rest = more.allocate(4096);
        std::fill_n(rest.host, rest.size, blank);

        submit_pieces(0, round * each + each / 2, each / 2);
        submit_pieces(2, round * each + each / 2, each / 2);
        must(guest.front_end.remove_region(region));
        EXPECT_TRUE(
            std::all_of(rest.host, rest.host + rest.size, [](auto byte) { return byte == blank; }));
        expect_good(0, each);
        expect_good(2, each);
    }
    for (const std::uint16_t queue : {0, 1, 2}) {
        for (std::uint32_t i = 0; i < rounds * (queue == 1 ? 1 : each); ++i) {
            const auto got = must(guest.scsi->read(ServedDisk::lba(zone + queue) + i * piece_blocks,
                                                   piece_blocks, ServedDisk::block));
            ASSERT_TRUE(got.good()) << got.text();
            ASSERT_EQ(got.data, bytes_of(piece, 1000 * queue + i)) << queue << ": " << i;
        }
    }
}

TEST_P(PluggedMemory, EndsTheSessionIfUsedAfterUnplugging) {
    driver::SharedMemory more;
    must(more.add(std::uint64_t{1} << 32, 1 << 20));
    must(guest.front_end.add_region(more.regions()[0]));
    (void)run(more, write_16, ServedDisk::lba(zone), bytes_of(piece, 0));
    must(guest.front_end.remove_region(more.regions()[0]));
    const auto head = more.allocate(head_size);
    const auto response = more.allocate(response_size);
    auto& queue = guest.scsi->request(1);
    ASSERT_TRUE(queue.ring.add(std::array{driver::to_device(head), driver::from_device(response)}));
    queue.submit();
    EXPECT_TRUE(guest.front_end.connection().closed());
    Guest next(served);
    EXPECT_TRUE(must(next.scsi->read(ServedDisk::lba(zone), piece_blocks, 512)).good());
}

INSTANTIATE_TEST_SUITE_P(Served, PluggedMemory, ::testing::Values("1", "3"),
                         [](const auto& info) { return std::string("Workers") + info.param; });

}  // namespace
}  // namespace zonebridge::test
