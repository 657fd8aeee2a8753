#include "service/worker.h"

#include <filesystem>
#include <fstream>
#include <future>
#include <set>

#include <gtest/gtest.h>

#include "tests/driver/connection.h"

namespace zonebridge::service {
namespace {

Workers started(unsigned count, std::chrono::microseconds spin) {
    auto workers =
        start_workers(count, Spin(spin), [](const Error& error) { FAIL() << error.message; });
    if (!workers) throw std::runtime_error(workers.error().message);
    return std::move(*workers);
}

TEST(Workers, HaveNamedThreads) {
    const auto workers = started(3, {});
    std::set<std::string> names;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm"), name);
        names.insert(name);
    }
    for (const auto* name : {"zb-worker-0", "zb-worker-1", "zb-worker-2"})
        EXPECT_TRUE(names.contains(name)) << name;
}

/// Counts its turns.
class Turns final : public Member {
  public:
    void take() noexcept override {}
    void complete() noexcept override { ++count; }
    std::uint64_t count = 0;
};

class SleepingAndSpinning : public ::testing::TestWithParam<int> {};

TEST_P(SleepingAndSpinning, MissNoMessage) {
    const auto workers = started(2, std::chrono::microseconds{GetParam()});
    Turns turns;
    workers[0]->call([&](Ring&) { workers[0]->add(turns); });
    // Messages from this thread and from another worker, with pauses around the spin limit.
    for (int i = 0; i < 2000; ++i) {
        std::promise<void> there;
        workers[1]->post([&] { workers[0]->post([&] { there.set_value(); }); });
        ASSERT_EQ(there.get_future().wait_for(driver::patience), std::future_status::ready);
        if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds{i % 128});
    }
    workers[1]->call([](Ring&) {});  // waits until worker 1 no longer uses worker 0
    workers[0]->call([&](Ring&) { workers[0]->remove(turns); });
    EXPECT_GE(turns.count, 2000U);
}

INSTANTIATE_TEST_SUITE_P(Microseconds, SleepingAndSpinning, ::testing::Values(0, 50, 1000));

}  // namespace
}  // namespace zonebridge::service
