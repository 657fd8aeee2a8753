// Runs the seeds of the fuzz targets that drive whole devices, and changed seeds, without a fuzzer:
// no require() fails, and the seeds reach every kind of request.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/fuzz/blk_requests.h"
#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/request_seeds.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/support/target_commands.h"
#include "zbc/commands.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;
using RunTarget = Tally (*)(std::span<const std::uint8_t>);

Tally run_all(const std::vector<Seed>& seeds, RunTarget run) {
    Tally tally;
    for (const auto& seed : seeds) tally.add(run(seed.bytes));
    return tally;
}

/// Changed seeds.
std::vector<Bytes> changed(const std::vector<Seed>& seeds, int count) {
    std::mt19937 random(4711);
    const auto pick = [&](std::size_t below) { return random() % below; };
    std::vector<Bytes> all;
    for (int i = 0; i < count; ++i) {
        auto& bytes = all.emplace_back(seeds[pick(seeds.size())].bytes);
        for (auto changes = 1 + pick(8); changes > 0 && !bytes.empty(); --changes) {
            const auto at = pick(bytes.size());
            if (pick(8) == 0)
                bytes.resize(at);
            else
                bytes[at] = static_cast<std::uint8_t>(random());
        }
    }
    return all;
}
/// Runs changed seeds. A failed require() aborts, as under the fuzzer.
void run_changed(const std::vector<Seed>& seeds, RunTarget run, int count) {
    for (const auto& bytes : changed(seeds, count)) run(bytes);
}

TEST(FuzzSeeds, EveryCommandOfTheTargetSucceedsInASeed) {
    const auto seeds = scsi_target_seeds();
    const auto tally = run_all(seeds, run_scsi_target);
    for (const auto& info : test::target_commands()) {
        if (info.target->handler == zbc::Handler::front_end) continue;
        EXPECT_GT(tally.good[info.opcode], 0U) << info.name;
        EXPECT_GT(tally.good[info.opcode] + tally.refused[info.opcode], 1U) << info.name;
    }
}

TEST(FuzzSeeds, EveryPassedCommandIsPlannedInASeed) {
    const auto tally = run_all(passthrough_plan_seeds(), run_passthrough_plan);
    for (const auto& command : zbc::all_commands()) {
        const auto passes = command.passing == zbc::Passing::by_default;
        EXPECT_GT((passes ? tally.good : tally.refused)[command.opcode], 0U) << command.name;
    }
}

TEST(FuzzSeeds, ChangedPassedCommandsViolateNoCondition) {
    run_changed(passthrough_plan_seeds(), run_passthrough_plan, 10000);
}

TEST(FuzzSeeds, EveryTypeOfBlkRequestSucceedsInASeed) {
    const auto tally = run_all(blk_request_seeds(), run_blk_request);
    for (const unsigned type : {0, 1, 4, 8, 11, 13, 15, 16, 18, 20, 22, 24, 26}) {
        EXPECT_GT(tally.good[type], 0U) << type;
        EXPECT_GT(tally.good[type] + tally.refused[type], 1U) << type;
    }
}

// Modulo 2^64 this sector's first byte is on the disk, and the oracle expected the request to succeed.
TEST(FuzzSeeds, TheOracleFindsASectorPastEveryDiskOnNoDisk) {
    BlkRequest request;
    request.type = driver::blk::discard;
    request.out.resize(16);
    ByteWriter(request.out).le64(0, 0x5B00'0000'0000'0008);
    ByteWriter(request.out).le32(8, 8);
    const auto ranges = ranges_of(request);
    ASSERT_EQ(ranges.size(), 1U);
    EXPECT_GT(ranges[0].offset, std::uint64_t{1} << 63);
    EXPECT_EQ(ranges[0].length, 4096U);
    EXPECT_EQ(byte_of_sector(8), 4096U);
}

TEST(FuzzSeeds, ChangedBlkRequestsViolateNoCondition) {
    run_changed(blk_request_seeds(), run_blk_request, 1500);
}

TEST(FuzzSeeds, ChainsCarryRequestsOfBothDevicesAndBreakRings) {
    const auto tally = run_all(virtio_chain_seeds(), run_virtio_chain);
    for (const unsigned name : {0x12, 0x1A, 0x88, 0x8A, 0x95, 0, 1, 8, 15, 16})
        EXPECT_GT(tally.good[name], 0U) << name;
    EXPECT_GT(tally.faults, 20U);
}

TEST(FuzzSeeds, ChangedChainsViolateNoCondition) {
    run_changed(virtio_chain_seeds(), run_virtio_chain, 1500);
}

// The fuzzers' device, disk and guest memory serve one input after the other.
TEST(FuzzSeeds, AnInputGivesTheSameWhateverRanBefore) {
    const std::vector<std::tuple<const char*, std::vector<Seed>, RunTarget>> targets{
        {"scsi_target", scsi_target_seeds(), run_scsi_target},
        {"blk_request", blk_request_seeds(), run_blk_request},
        {"virtio_chain", virtio_chain_seeds(), run_virtio_chain}};
    for (const auto& [name, seeds, run] : targets) {
        auto inputs = changed(seeds, 400);
        for (const auto& seed : seeds) inputs.push_back(seed.bytes);
        std::vector<Tally> first;
        for (const auto& input : inputs) first.push_back(run(input));
        for (auto i = inputs.size(); i-- > 0;)
            ASSERT_TRUE(run(inputs[i]) == first[i]) << name << ", input " << i;
        EXPECT_TRUE(std::any_of(first.begin(), first.end(), [&](const auto& one) {
            return one.digest != first[0].digest;
        })) << name;
    }
    EXPECT_TRUE(spares_are_as_at_first());
    Guest::get().begin();
    EXPECT_TRUE(Guest::get().is_clear());
}

TEST(FuzzSeeds, ChangedCommandsViolateNoCondition) {
    run_changed(scsi_target_seeds(), run_scsi_target, 1500);
}

}  // namespace
}  // namespace zonebridge::fuzz
