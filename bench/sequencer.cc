// Measures the sequencer's cost per request. Runs the same work on a device that does nothing, without
// and with the sequencer in turn (A B A B), and prints the median of each.
//
// Usage: sequencer
#include "layers/sequencer/sequencer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "tests/unit/layers/sequencer/nothing.h"
#include "transports/ring.h"

namespace {

using namespace zonebridge;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t block = 4096;
constexpr auto zone_size = test::nothing_zone_size;
constexpr int rounds = 9;
constexpr std::size_t requests_a_round = 400000;

struct Work {
    const char* name;
    std::size_t depth;
    bool writes;
    std::uint32_t zones;  // written in parallel
};

double nanoseconds_each(Transport& transport, const Work& work) {
    auto ring = Ring::create();
    if (!ring) std::exit(1);
    auto queue = transport.open_queue(**ring, {.depth = work.depth});
    if (!queue) std::exit(1);
    std::vector<std::uint8_t> memory(block);
    const iovec piece{memory.data(), block};
    std::vector<std::uint64_t> pointers(work.zones);
    std::vector<Request> batch(work.depth);
    std::vector<Completion> completions(work.depth);
    std::mt19937_64 random(1);
    std::uint32_t zone = 0;

    const auto prepare = [&](Request& request) {
        request.operation = work.writes ? Operation::write : Operation::read;
        request.length = block;
        request.data = {&piece, 1};
        if (work.writes) {
            request.offset = zone * zone_size + pointers[zone];
            pointers[zone] += block;
            if (++zone == work.zones) zone = 0;
        } else {
            request.offset = random() % (zone_size / block) * block;
        }
    };
    const auto once = [&] {
        for (auto& request : batch) prepare(request);
        std::size_t left = batch.size() - (*queue)->submit(batch);
        if (left != 0) std::exit(1);
        for (left = batch.size(); left != 0;) {
            if (!(*ring)->turn(Loop::Wait::poll)) std::exit(1);
            const auto count = (*queue)->reap(completions);
            for (std::size_t i = 0; i < count; ++i)
                if (!completions[i].status.ok()) std::exit(1);
            left -= count;
        }
    };
    once();
    const auto turns = requests_a_round / work.depth;
    const auto start = Clock::now();
    for (std::size_t i = 0; i < turns; ++i) once();
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
           static_cast<double>(turns * work.depth);
}

}  // namespace

int main() {
    const std::array works{
        Work{"read, depth 1", 1, false, 1},
        Work{"read, depth 32", 32, false, 1},
        Work{"write, depth 1", 1, true, 1},
        Work{"write, depth 32, one zone (joined)", 32, true, 1},
        Work{"write, depth 32, 32 zones", 32, true, 32},
    };
    for (const auto& work : works) {
        std::array<std::vector<double>, 2> times;
        for (int round = 0; round < rounds; ++round) {
            test::Nothing bare;
            times[0].push_back(nanoseconds_each(bare, work));
            auto sequenced = sequence(std::make_unique<test::Nothing>());
            if (!sequenced) return 1;
            times[1].push_back(nanoseconds_each(**sequenced, work));
        }
        for (auto& each : times) std::sort(each.begin(), each.end());
        const auto bare = times[0][rounds / 2];
        const auto sequenced = times[1][rounds / 2];
        std::printf("%-38s bare %6.1f ns, sequenced %6.1f ns a request: %.2f times\n", work.name,
                    bare, sequenced, sequenced / bare);
    }
    return 0;
}
