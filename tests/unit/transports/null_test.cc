#include "transports/null/null.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/unit/support/hand_loop.h"
#include "transports/ring.h"

namespace zonebridge {
namespace {

TEST(Null, CompletesEverythingAndMovesNothing) {
    const auto ring = Ring::create();
    ASSERT_TRUE(ring) << ring.error().message;
    const auto disk = null::open(1 << 20);
    ASSERT_TRUE(disk) << disk.error().message;
    const auto queue = (*disk)->open_queue(**ring, {.depth = 4});
    ASSERT_TRUE(queue);
    std::array<char, 512> buffer;
    buffer.fill('x');
    const iovec segment{buffer.data(), buffer.size()};
    std::array<Request, 6> requests;
    for (std::size_t i = 0; i < requests.size(); ++i)
        requests[i] = {.tag = i,
                       .operation = Operation::read,
                       .offset = 512 * i,
                       .length = 512,
                       .data = {&segment, 1}};
    requests[1].offset = std::uint64_t{1} << 20;  // past the end
    EXPECT_EQ((*queue)->submit(requests), 4U) << "a full queue takes a prefix";
    ASSERT_TRUE((*ring)->turn(Loop::Wait::sleep));
    std::array<Completion, 8> done;
    ASSERT_EQ((*queue)->reap(done), 4U);
    unsigned seen = 0;
    for (const auto& completion : std::span(done).first(4)) {
        seen |= 1U << completion.tag;
        EXPECT_EQ(completion.status.code,
                  completion.tag == 1 ? StatusCode::out_of_range : StatusCode::ok);
    }
    EXPECT_EQ(seen, 0b1111U);
    EXPECT_EQ(buffer[0], 'x');
    EXPECT_EQ((*queue)->submit(std::span(requests).subspan(4)), 2U);
}

TEST(Null, KeepsTheLoopAwakeUntilAllCompletionsAreReaped) {
    test::HandLoop loop;
    const auto disk = null::open(1 << 20);
    ASSERT_TRUE(disk) << disk.error().message;
    const auto queue = (*disk)->open_queue(loop, {.depth = 3});
    ASSERT_TRUE(queue);
    const std::array requests{Request{.operation = Operation::flush},
                              Request{.operation = Operation::flush},
                              Request{.operation = Operation::flush}};
    ASSERT_EQ((*queue)->submit(requests), 3U);
    std::array<Completion, 2> done;
    for (const std::size_t expected : {0U, 2U, 1U}) {
        EXPECT_TRUE(loop.ready()) << "before " << expected << " are reaped";
        ASSERT_TRUE(loop.turn(Loop::Wait::sleep));
        EXPECT_EQ((*queue)->reap(std::span(done).first(expected)), expected);
    }
    EXPECT_FALSE(loop.ready()) << "no completion is left";
}

TEST(Null, RefusesASizeThatIsNotWholeBlocks) {
    EXPECT_FALSE(null::open(0));
    EXPECT_FALSE(null::open(1000));
}

}  // namespace
}  // namespace zonebridge
