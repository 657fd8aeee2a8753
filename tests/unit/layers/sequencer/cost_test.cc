// The sequencer must not allocate once a queue is open.
#include <gtest/gtest.h>

#include "layers/sequencer/sequencer.h"
#include "tests/unit/layers/sequencer/nothing.h"
#include "tests/unit/zone/support.h"
#include "transports/ring.h"

namespace zonebridge::test {
namespace {

TEST(Cost, NothingIsAllocatedOnceTheQueueIsOpen) {
    auto transport = std::move(*sequence(std::make_unique<Nothing>()));
    auto ring = Ring::create().value();
    constexpr std::size_t depth = 32;
    auto queue = transport->open_queue(*ring, {.depth = depth}).value();
    std::vector<std::uint8_t> memory(4096);
    const iovec piece{memory.data(), memory.size()};
    std::vector<Request> requests(depth);
    std::vector<Completion> completions(depth);
    std::uint64_t failed = 0;
    std::array<std::uint64_t, 6> pointers{};

    const auto before = allocations();
    for (std::uint64_t round = 0; round < 50; ++round) {
        for (std::size_t i = 0; i < depth; ++i) {
            auto& request = requests[i];
            const auto zone = i % pointers.size();
            const auto start = zone * nothing_zone_size;
            request = {};
            request.offset = start;
            if (i == 7) {
                request.operation = Operation::finish;
                request.scope = Scope::all;
                request.offset = 0;
                pointers = {};
                continue;
            }
            if (i == 8) {
                request.operation = Operation::open;
                request.length = 3 * nothing_zone_size;
                continue;
            }
            request.operation = i % 3 == 0   ? Operation::read
                                : i % 3 == 1 ? Operation::append
                                             : Operation::write;
            request.length = memory.size();
            request.data = {&piece, 1};
            if (request.operation == Operation::read) continue;
            if (request.operation == Operation::write) request.offset += pointers[zone];
            if (i == 20) {  // refused
                request.offset += 1 << 20;
                continue;
            }
            pointers[zone] += memory.size();
        }
        auto left = queue->submit(requests);
        while (left != 0) {
            ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
            const auto count = queue->reap(completions);
            for (std::size_t i = 0; i < count; ++i)
                if (!completions[i].status.ok()) ++failed;
            left -= count;
        }
    }
    EXPECT_EQ(allocations(), before);
    EXPECT_GE(failed, 50U);
}

}  // namespace
}  // namespace zonebridge::test
