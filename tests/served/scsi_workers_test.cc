// A virtio-scsi disk whose queues run on several workers: the order of writes, task management
// across workers, and changes of memory, queues and sessions while functions are in flight.

#include <array>
#include <cstring>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

constexpr std::uint16_t five_queues = 5;

constexpr std::uint32_t abort_task_set = 1;
constexpr std::uint32_t nexus_reset = 4;
constexpr std::uint32_t unit_reset = 5;
constexpr std::uint32_t query_task = 6;
constexpr std::uint32_t query_task_set = 7;
constexpr std::uint8_t complete = 0;
constexpr std::uint8_t succeeded = 10;

driver::ScsiOptions options_for(std::uint16_t depth) {
    driver::ScsiOptions options;
    options.request_queues = five_queues;
    options.max_transfer = 1u << 16;
    options.depth = depth;
    return options;
}

class ScsiGuest : public Guest {
  public:
    using Guest::Guest;

    void submit_pieces(std::uint32_t zone_number, std::uint16_t queue, std::uint32_t first,
                       std::uint32_t count) {
        for (std::uint32_t i = first; i < first + count; ++i)
            last_write = queue_write(ServedDisk::lba(zone_number) + i * piece_blocks,
                                     bytes_of(piece, 1000 * queue + i), queue);
        scsi->submit(queue);
    }
    void expect_good(std::uint16_t queue, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto result = must(scsi->wait(queue));
            ASSERT_TRUE(result.good()) << "queue " << queue << ": " << result.text();
        }
    }
    void expect_pieces(std::uint32_t zone_number, std::uint16_t queue, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto got = must(scsi->read(ServedDisk::lba(zone_number) + i * piece_blocks,
                                             piece_blocks, ServedDisk::block));
            ASSERT_TRUE(got.good()) << got.text();
            ASSERT_EQ(got.data, bytes_of(piece, 1000 * queue + i))
                << "zone " << zone_number << " piece " << i;
        }
    }
    /// Submits a function; returns the buffer for its response.
    driver::Block submit_function(std::uint32_t function, std::uint64_t id = 0) {
        const auto out = memory.allocate(24);
        std::memset(out.host, 0, out.size);
        out.host[4] = static_cast<std::byte>(function);
        const std::array<std::uint8_t, 8> address{1, 0, 0x40, 0};
        std::memcpy(out.host + 8, address.data(), address.size());
        std::memcpy(out.host + 16, &id, sizeof id);
        const auto in = memory.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(
            scsi->control().ring.add(std::array{driver::to_device(out), driver::from_device(in)}));
        scsi->control().submit();
        return in;
    }
    void wait_function(const driver::Block& in) {
        (void)must(scsi->control().wait_used());
        EXPECT_EQ(static_cast<std::uint8_t>(in.host[0]), complete);
    }
    std::uint16_t used(std::uint16_t queue) { return scsi->request(queue).ring.used_index(); }
};

/// The ring features to accept, and how many workers run the queues.
class ScsiOnWorkers : public ::testing::TestWithParam<std::tuple<std::uint64_t, const char*>> {
  protected:
    static driver::Wanted wanted() {
        auto all = Guest::everything();
        all.features &= ~(driver::bit::event_index | driver::bit::indirect);
        all.features |= std::get<0>(GetParam());
        return all;
    }

    ServedDisk served{{"--queues", "8", "--workers", std::get<1>(GetParam())}};
    ScsiGuest guest{served, options_for(five_queues * 8), wanted()};
};

TEST_P(ScsiOnWorkers, WritesFromEveryQueueKeepTheirOrderInItsZone) {
    for (std::uint32_t round = 0; round < 24; ++round) {
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            guest.submit_pieces(zone + queue, queue, round * 8, 8);
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) guest.expect_good(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five_queues; ++queue)
        guest.expect_pieces(zone + queue, queue, 24 * 8);
}

TEST_P(ScsiOnWorkers, FunctionsCompleteAfterTheirCommandsAndNoWriteIsLost) {
    std::array<std::uint16_t, five_queues> sent{};
    for (std::uint16_t queue = 0; queue < five_queues; ++queue) sent.at(queue) = guest.used(queue);
    for (std::uint32_t round = 0; round < 24; ++round) {
        std::uint64_t last = 0;
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) {
            guest.submit_pieces(zone + queue, queue, round * 8, 8);
            last = guest.last_write;
            sent.at(queue) = static_cast<std::uint16_t>(sent.at(queue) + 8);
        }
        const auto query = must(guest.scsi->manage(query_task, {}, last));
        EXPECT_TRUE(query == complete || query == succeeded) << int{query};
        if (round % 2 == 0) {
            EXPECT_EQ(must(guest.scsi->manage(abort_task_set, {})), complete);
            for (std::uint16_t queue = 0; queue < five_queues; ++queue)
                EXPECT_EQ(guest.used(queue), sent.at(queue)) << "queue " << queue;
            EXPECT_EQ(must(guest.scsi->manage(query_task_set, {})), complete);
        } else {
            EXPECT_EQ(must(guest.scsi->abort_task(last)), complete);
        }
        EXPECT_EQ(must(guest.scsi->manage(query_task, {}, last)), complete);
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) guest.expect_good(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five_queues; ++queue)
        guest.expect_pieces(zone + queue, queue, 24 * 8);
}

INSTANTIATE_TEST_SUITE_P(
    Rings, ScsiOnWorkers,
    ::testing::Combine(::testing::Values(driver::bit::event_index | driver::bit::indirect,
                                         driver::bit::event_index, 0),
                       ::testing::Values("1", "2", "4")),
    [](const auto& info) {
        const auto features = std::get<0>(info.param);
        return std::string((features & driver::bit::event_index) != 0 ? "event_index_" : "") +
               ((features & driver::bit::indirect) != 0 ? "indirect_" : "") + "workers_" +
               std::get<1>(info.param);
    });

TEST(ServedScsiByWorkers, AResetIsReportedOnceHoweverManyQueuesAsk) {
    ServedDisk served(four_workers());
    ScsiGuest guest(served, options_for(64));
    for (const auto function : {unit_reset, nexus_reset}) {
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            guest.submit_pieces(zone + queue, queue, function * 8, 8);
        // Two resets cause one attention.
        const auto first = guest.submit_function(function);
        const auto second = guest.submit_function(function);
        guest.wait_function(first);
        guest.wait_function(second);
        std::uint32_t failed = 0;
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            for (int i = 0; i < 8; ++i) (void)must(guest.scsi->wait(queue));
        std::uint32_t attentions = 0;
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) {
            const auto result = must(guest.scsi->run({.cdb = std::vector<std::uint8_t>(6)}, queue));
            if (result.sense_code() == 0x062900)
                ++attentions;
            else if (!result.good())
                ++failed;
        }
        EXPECT_EQ(attentions, 1U);
        EXPECT_EQ(failed, 0U);
    }
}

TEST(ServedScsiByWorkers, GuestMemoryMayChangeWithFunctionsInFlight) {
    ServedDisk served(four_workers());
    ScsiGuest guest(served, options_for(64));
    driver::SharedMemory more;
    must(more.add(std::uint64_t{1} << 32, 1 << 20));
    for (std::uint32_t round = 0; round < 24; ++round) {
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            guest.submit_pieces(zone + queue, queue, round * 8, 8);
        const auto function = guest.submit_function(abort_task_set);
        if (round % 2 == 0)
            must(guest.front_end.add_region(more.regions()[0]));
        else
            must(guest.front_end.remove_region(more.regions()[0]));
        guest.wait_function(function);
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) guest.expect_good(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five_queues; ++queue)
        guest.expect_pieces(zone + queue, queue, 24 * 8);
}

TEST(ServedScsiByWorkers, EachQueueMayStopWithFunctionsInFlight) {
    ServedDisk served(four_workers());
    ScsiGuest guest(served, options_for(64));
    for (std::uint32_t round = 0; round < 14; ++round) {
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            guest.submit_pieces(zone + queue, queue, round * 8, 8);
        const auto function = guest.submit_function(abort_task_set);
        // This includes the control queue; functions in its ring run when it starts again.
        const auto index = static_cast<std::uint16_t>(round % (five_queues + 2));
        auto& stopped = index == 0   ? guest.scsi->control()
                        : index == 1 ? guest.scsi->event()
                                     : guest.scsi->request(static_cast<std::uint16_t>(index - 2));
        const auto base = must(guest.front_end.stop(index));
        EXPECT_EQ(stopped.ring.used_index(), base) << "every request that was taken completed";
        must(guest.front_end.set_base(index, base));
        must(guest.front_end.start(stopped));
        stopped.kick();
        guest.wait_function(function);
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) guest.expect_good(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five_queues; ++queue)
        guest.expect_pieces(zone + queue, queue, 14 * 8);
}

TEST(ServedScsiByWorkers, ASessionMayEndWithFunctionsInFlight) {
    ServedDisk served(four_workers());
    for (int round = 0; round < 4; ++round) {
        ScsiGuest guest(served, options_for(64));
        EXPECT_EQ(guest.attention, 0x062900U) << "the end of a session resets the units";
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) {
            for (int i = 0; i < 8; ++i)
                must(guest.scsi->add({.cdb = std::vector<std::uint8_t>(6)}, queue));
            guest.scsi->submit(queue);
        }
        for (const auto function : {unit_reset, abort_task_set, nexus_reset, query_task_set})
            (void)guest.submit_function(function);
    }
    ScsiGuest next(served, options_for(64));
    EXPECT_EQ(must(next.scsi->manage(abort_task_set, {})), complete);
    EXPECT_EQ(served.stop(), 0);
}

TEST(ServedScsiByWorkers, AFullControlQueueOfFunctionsCompletes) {
    ServedDisk served(four_workers());
    ScsiGuest guest(served, options_for(64));
    for (std::uint32_t round = 0; round < 8; ++round) {
        for (std::uint16_t queue = 0; queue < five_queues; ++queue)
            guest.submit_pieces(zone + queue, queue, round * 8, 8);
        std::vector<driver::Block> functions;
        for (int i = 0; i < 64; ++i) functions.push_back(guest.submit_function(abort_task_set));
        for (const auto& function : functions) guest.wait_function(function);
        for (std::uint16_t queue = 0; queue < five_queues; ++queue) guest.expect_good(queue, 8);
    }
    for (std::uint16_t queue = 0; queue < five_queues; ++queue)
        guest.expect_pieces(zone + queue, queue, 8 * 8);
}

}  // namespace
}  // namespace zonebridge::test
