#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/zone/support.h"
#include "zone/transport.h"

namespace zonebridge {
namespace {

/// Counts the calls of note_ready() and note_queued(). The other functions do nothing.
class CountingLoop final : public Loop {
  public:
    tl::expected<void, Error> watch(int, Watcher&) override { return {}; }
    void unwatch(int) noexcept override {}
    void add_issuer(Issuer&) override {}
    void remove_issuer(Issuer&) noexcept override {}
    void note_ready() noexcept override { ++noted; }
    void note_queued() noexcept override { ++queued; }
    void post(std::function<void()>) override {}
    tl::expected<void, Error> turn(Wait) override { return {}; }
    [[nodiscard]] std::optional<int> fd() const noexcept override { return std::nullopt; }

    int noted = 0;
    int queued = 0;
};

/// Completes requests in order when a test calls complete().
class HandQueue final : public Queue {
  public:
    HandQueue(Loop& loop, const Limits& limits, std::size_t depth) : Queue(loop, limits, depth) {
        runs.reserve(4096);
    }

    void complete(std::size_t count) {
        for (; count != 0; --count) {
            done_.push_back({held_.front(), {}, 7});
            held_.pop_front();
        }
    }
    [[nodiscard]] std::size_t held() const { return held_.size(); }

    std::vector<std::size_t> runs;  // the length of every run handed to accept()
    std::size_t collected = 0;

  protected:
    void accept(std::span<const Request> requests) noexcept override {
        runs.push_back(requests.size());
        for (const auto& request : requests) held_.push_back(request.tag);
    }
    std::size_t collect(std::span<Completion> out) noexcept override {
        ++collected;
        std::size_t count = 0;
        for (; count < out.size() && !done_.empty(); ++count) {
            out[count] = done_.front();
            done_.pop_front();
        }
        return count;
    }

  private:
    std::deque<std::uint64_t> held_;
    std::deque<Completion> done_;
};

Request good(std::uint64_t tag) {
    Request request;
    request.tag = tag;
    request.operation = Operation::flush;
    return request;
}

Request bad(std::uint64_t tag) {
    Request request;
    request.tag = tag;
    request.operation = Operation::report;
    request.offset = std::uint64_t{1} << 60;
    return request;
}

class QueueTest : public testing::Test {
  protected:
    HandQueue make(std::size_t depth) { return {loop, limits, depth}; }
    static std::vector<Completion> reap(Queue& queue, std::size_t most = 64) {
        std::vector<Completion> out(most);
        out.resize(queue.reap(out));
        return out;
    }
    static std::vector<std::uint64_t> tags(const std::vector<Completion>& completions) {
        std::vector<std::uint64_t> out;
        for (const auto& completion : completions) out.push_back(completion.tag);
        return out;
    }
    using Tags = std::vector<std::uint64_t>;

    CountingLoop loop;
    Limits limits = test::limits_of({});
};

TEST_F(QueueTest, PassesAWholeBatchOnAtOnce) {
    auto queue = make(8);
    const std::array batch{good(1), good(2), good(3)};
    EXPECT_EQ(queue.submit(batch), 3U);
    EXPECT_EQ(queue.runs, (std::vector<std::size_t>{3}));
    EXPECT_EQ(loop.noted, 0) << "the transport itself reports completions";
    EXPECT_EQ(loop.queued, 1) << "a foreign loop must run a turn that issues the requests";
    EXPECT_TRUE(reap(queue).empty());
    queue.complete(2);
    EXPECT_EQ(tags(reap(queue)), (Tags{1, 2}));
}

TEST_F(QueueTest, RefusedRequestsCompleteInReapWithTheirReason) {
    auto queue = make(8);
    const std::array batch{bad(41)};
    EXPECT_EQ(queue.submit(batch), 1U);
    EXPECT_TRUE(queue.runs.empty()) << "a refused request must not reach the transport";
    EXPECT_EQ(loop.noted, 1) << "the loop must not sleep before the refusal is reaped";
    const auto done = reap(queue);
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].tag, 41U);
    EXPECT_EQ(done[0].status, (Status{StatusCode::out_of_range, {}}));
    EXPECT_EQ(done[0].result, 0U);
    EXPECT_TRUE(reap(queue).empty()) << "a refusal completes only once";
}

TEST_F(QueueTest, RefusalsSplitABatchAndDoNotStopIt) {
    auto queue = make(16);
    const std::array batch{good(1), bad(2), bad(3), good(4), good(5), bad(6), good(7)};
    EXPECT_EQ(queue.submit(batch), 7U);
    EXPECT_EQ(queue.runs, (std::vector<std::size_t>{1, 2, 1}));
    EXPECT_EQ(queue.held(), 4U);
    EXPECT_EQ(tags(reap(queue)), (Tags{2, 3, 6})) << "oldest first";
    queue.complete(4);
    EXPECT_EQ(tags(reap(queue)), (Tags{1, 4, 5, 7}));
}

TEST_F(QueueTest, TakesNoMoreThanItsDepthUntilReaped) {
    auto queue = make(3);
    const std::array batch{good(1), bad(2), good(3), good(4), bad(5)};
    EXPECT_EQ(queue.submit(batch), 3U);
    EXPECT_EQ(queue.submit(std::span(batch).subspan(3)), 0U);
    queue.complete(2);
    EXPECT_EQ(queue.submit(std::span(batch).subspan(3)), 0U)
        << "completed requests count until they are reaped";
    EXPECT_EQ(tags(reap(queue)), (Tags{2, 1, 3}));
    EXPECT_EQ(queue.submit(std::span(batch).subspan(3)), 2U);
}

TEST_F(QueueTest, RefusedRequestsAloneCanFillTheQueue) {
    auto queue = make(2);
    const std::array batch{bad(1), bad(2), bad(3), good(4)};
    EXPECT_EQ(queue.submit(batch), 2U);
    EXPECT_EQ(queue.submit(std::span(batch).subspan(2)), 0U);
    EXPECT_EQ(tags(reap(queue, 1)), (Tags{1}));
    EXPECT_EQ(queue.submit(std::span(batch).subspan(2)), 1U);
    EXPECT_EQ(tags(reap(queue)), (Tags{2, 3}));
    EXPECT_EQ(queue.submit(std::span(batch).subspan(3)), 1U);
}

TEST_F(QueueTest, TakesCheckedRequestsWithoutASecondCheck) {
    auto queue = make(4);
    const std::array batch{good(1), bad(2), good(3)};
    queue.take_checked(batch);
    EXPECT_EQ(queue.runs, (std::vector<std::size_t>{3}));
    EXPECT_EQ(loop.noted, 0);
    EXPECT_EQ(queue.submit(batch), 1U) << "checked requests count as in flight";
    queue.complete(4);
    EXPECT_EQ(tags(reap(queue)), (Tags{1, 2, 3, 1}));
    EXPECT_EQ(queue.submit(batch), 3U);
}

TEST_F(QueueTest, KeepsTheLoopAwakeWhileRefusalsAreLeft) {
    auto queue = make(8);
    const std::array batch{bad(1), bad(2), bad(3)};
    ASSERT_EQ(queue.submit(batch), 3U);
    loop.noted = 0;
    EXPECT_EQ(tags(reap(queue, 2)), (Tags{1, 2}));
    EXPECT_EQ(loop.noted, 1);
    EXPECT_EQ(queue.collected, 1U) << "the transport must be asked for completions too";
    EXPECT_EQ(tags(reap(queue, 2)), (Tags{3}));
    EXPECT_EQ(loop.noted, 1);
}

TEST_F(QueueTest, EmptyCallsDoNothing) {
    auto queue = make(8);
    EXPECT_EQ(queue.submit({}), 0U);
    EXPECT_EQ(queue.reap({}), 0U);
    EXPECT_EQ(loop.noted, 0);
}

TEST_F(QueueTest, ADepthOfZeroBecomesOne) {
    auto queue = make(0);
    EXPECT_EQ(queue.depth(), 1U);
    const std::array batch{bad(1), bad(2)};
    EXPECT_EQ(queue.submit(batch), 1U);
    EXPECT_EQ(tags(reap(queue)), (Tags{1}));
    EXPECT_EQ(queue.submit(batch), 1U);
}

TEST_F(QueueTest, EveryAcceptedRequestCompletesExactlyOnceWhateverTheOrder) {
    constexpr std::size_t depth = 7;
    auto queue = make(depth);
    std::mt19937 random(2024);
    std::set<std::uint64_t> in_flight, refused;
    std::uint64_t next = 0;
    for (int step = 0; step < 20000; ++step) {
        std::vector<Request> batch;
        for (auto count = random() % 6; count != 0; --count, ++next)
            batch.push_back(random() % 3 == 0 ? bad(next) : good(next));
        const auto taken = queue.submit(batch);
        ASSERT_LE(taken, batch.size());
        for (const auto& request : std::span(batch).first(taken)) {
            in_flight.insert(request.tag);
            if (request.operation == Operation::report) refused.insert(request.tag);
        }
        ASSERT_LE(in_flight.size(), depth);
        if (queue.held() != 0) queue.complete(random() % (queue.held() + 1));
        for (const auto& completion : reap(queue, random() % 4)) {
            ASSERT_EQ(in_flight.erase(completion.tag), 1U);
            ASSERT_EQ(refused.erase(completion.tag) == 1, !completion.status.ok());
        }
    }
    queue.complete(queue.held());
    for (const auto& completion : reap(queue)) in_flight.erase(completion.tag);
    EXPECT_TRUE(in_flight.empty());
}

TEST_F(QueueTest, RefusingAllocatesNothing) {
    auto queue = make(4);
    const std::array batch{bad(1), bad(2), bad(3), bad(4), bad(5)};
    std::array<Completion, 3> out;
    const auto before = test::allocations();
    for (int round = 0; round < 100; ++round) {
        static_cast<void>(queue.submit(batch));
        static_cast<void>(queue.reap(out));
    }
    EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace zonebridge
