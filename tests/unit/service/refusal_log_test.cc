#include "service/refusal_log.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace zonebridge::service {
namespace {

using namespace std::chrono_literals;

/// A log that can wait for lines.
class Log {
  public:
    RefusalLog::Write writer() {
        return [this](const std::string& line) {
            const std::lock_guard lock(lock_);
            lines_.push_back(line);
            grown_.notify_all();
        };
    }
    std::vector<std::string> wait_for(std::size_t count) {
        std::unique_lock lock(lock_);
        grown_.wait_for(lock, 30s, [&] { return lines_.size() >= count; });
        return lines_;
    }

  private:
    std::mutex lock_;
    std::condition_variable grown_;
    std::vector<std::string> lines_;
};

Refusal refusal(StatusCode code = StatusCode::zone_full) {
    return {.operation = Operation::write, .offset = 4096, .length = 512, .status = {code, {}}};
}

TEST(RefusalLog, WritesASentenceThatNamesTheDisk) {
    Log log;
    RefusalLog refusals(log.writer());
    refusals.source("").refused(refusal());
    refusals.source("LUN 3").refused(refusal(StatusCode::zone_offline));
    const auto lines = log.wait_for(2);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_TRUE(lines[0].starts_with("refused: write of 512 bytes at 4 KiB: ")) << lines[0];
    EXPECT_TRUE(lines[1].starts_with("LUN 3: refused: write of 512 bytes at 4 KiB: ")) << lines[1];
    EXPECT_EQ(&refusals.source("LUN 3"), &refusals.source("LUN 3"));
}

TEST(RefusalLog, UsesTheDisksLimits) {
    Log log;
    RefusalLog refusals(log.writer());
    Limits limits;
    limits.layout = Layout(1 << 20, 0, 0, 0U, ZoneType::sequential_write_required);
    refusals.source("").knows(limits);
    refusals.source("").refused(refusal(StatusCode::out_of_range));
    EXPECT_NE(log.wait_for(1).at(0).find("the disk ends at 1 MiB"), std::string::npos);
}

TEST(RefusalLog, RefusalsBeyondTheLimitAreCounted) {
    Log log;
    {
        RefusalLog refusals(log.writer(), {.at_once = 3, .every = 1h});
        auto& source = refusals.source("");
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(source.wants(), i < 3);
            source.refused(refusal());
        }
    }
    const auto lines = log.wait_for(4);
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_NE(lines[3].find(": 7 more requests"), std::string::npos) << lines[3];
}

TEST(RefusalLog, WantsRefusalsAgainAfterAWhile) {
    Log log;
    RefusalLog refusals(log.writer(), {.at_once = 1, .every = 1ms});
    auto& source = refusals.source("");
    for (int i = 0; i < 3; ++i) {
        while (!source.wants()) std::this_thread::yield();
        source.refused(refusal());
    }
    EXPECT_EQ(log.wait_for(3).size(), 3U);
}

TEST(RefusalLog, ASlowLogBlocksNoCaller) {
    std::mutex slow;
    std::unique_lock stuck(slow);
    Log log;
    RefusalLog refusals(
        [&, write = log.writer()](const std::string& line) {
            const std::lock_guard lock(slow);
            write(line);
        },
        {.at_once = 4, .every = 1ms});
    auto& source = refusals.source("");
    for (int i = 0; i < 1000; ++i) source.refused(refusal());
    EXPECT_FALSE(source.wants()) << "no refusal is wanted while the log is stuck";
    stuck.unlock();
    const auto lines = log.wait_for(5);
    ASSERT_GE(lines.size(), 5U);
    EXPECT_NE(lines[4].find(": 996 more requests"), std::string::npos) << lines[4];
}

TEST(RefusalLog, EveryRefusalIsLoggedOrCountedOnAnyThread) {
    Log log;
    constexpr int threads = 4;
    constexpr int each = 5000;
    {
        RefusalLog refusals(log.writer(), {.at_once = 5, .every = 1ms});
        std::vector<std::thread> all;
        for (int i = 0; i < threads; ++i)
            all.emplace_back([&refusals, i] {
                auto& source = refusals.source("LUN " + std::to_string(i % 2));
                for (int k = 0; k < each; ++k) {
                    (void)source.wants();
                    source.refused(refusal());
                }
            });
        for (auto& thread : all) thread.join();
    }
    std::uint64_t sum = 0;
    for (const auto& line : log.wait_for(1)) {
        const auto at = line.find("failed: ");
        if (line.find(" more requests, which were not logged") != std::string::npos)
            sum += std::stoull(line.substr(at + 8));
        else
            ++sum;
    }
    EXPECT_EQ(sum, std::uint64_t{threads} * each);
}

TEST(RefusalLog, LogsInjectedFaults) {
    Log log;
    RefusalLog refusals(log.writer());
    refusals.rule_acts(*fault::parse_rule("zone=7,state=offline"));
    EXPECT_EQ(log.wait_for(1).at(0), "fault on purpose: zone=7,state=offline begins to act");
}

}  // namespace
}  // namespace zonebridge::service
