#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/sigbus.h"
#include "base/unique_fd.h"
#include "transports/loop_thread_pool.h"
#include "transports/ring.h"

namespace zonebridge {
namespace {

// Opens once. Threads that wait before that sleep.
class Gate {
  public:
    void open() {
        const std::lock_guard guard(lock_);
        open_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [&] { return open_; });
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    bool open_ = false;
};

struct RecordingJob final : ThreadPool::Job {
    void run() noexcept override {
        runner = std::this_thread::get_id();
        if (started != nullptr) started->open();
        if (gate != nullptr) gate->wait();
        ++runs;
    }
    void done() noexcept override {
        ender = std::this_thread::get_id();
        ++dones;
        if (again != nullptr && dones < 3) again->submit(*this);
    }

    Gate* started = nullptr;
    Gate* gate = nullptr;
    LoopThreadPool* again = nullptr;
    std::atomic<int> runs{0};
    int dones = 0;
    std::thread::id runner;
    std::thread::id ender;
};

class LoopThreadPools : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = Ring::create(8);
        ASSERT_TRUE(made) << made.error().message;
        ring = std::move(*made);
    }
    std::unique_ptr<LoopThreadPool> start(unsigned threads) {
        auto pool = LoopThreadPool::start(*ring, threads);
        if (!pool) ADD_FAILURE() << pool.error().message;
        return pool ? std::move(*pool) : nullptr;
    }
    void turn_until_idle(const LoopThreadPool& pool) {
        while (pool.in_flight() != 0) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    }

    std::unique_ptr<Ring> ring;
};

TEST_F(LoopThreadPools, RunEachJobOnceOnAPoolThreadAndEndItOnTheLoopsThread) {
    const auto pool = start(2);
    ASSERT_TRUE(pool);
    std::array<RecordingJob, 50> jobs;
    for (auto& job : jobs) pool->submit(job);
    EXPECT_EQ(pool->in_flight(), jobs.size());
    turn_until_idle(*pool);
    for (const auto& job : jobs) {
        EXPECT_EQ(job.runs, 1);
        EXPECT_EQ(job.dones, 1);
        EXPECT_NE(job.runner, std::this_thread::get_id());
        EXPECT_EQ(job.ender, std::this_thread::get_id());
    }
}

TEST_F(LoopThreadPools, RunAsManyJobsTogetherAsThereAreThreads) {
    const auto pool = start(3);
    ASSERT_TRUE(pool);
    Gate gate;
    std::array<Gate, 3> started;
    std::array<RecordingJob, 3> jobs;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].gate = &gate;
        jobs[i].started = &started[i];
        pool->submit(jobs[i]);
    }
    for (auto& one : started) one.wait();  // hangs if a job has to wait for another
    std::set<std::thread::id> runners;
    gate.open();
    turn_until_idle(*pool);
    for (const auto& job : jobs) runners.insert(job.runner);
    EXPECT_EQ(runners.size(), 3u);
}

TEST_F(LoopThreadPools, AJobMayBeSubmittedAgainFromDone) {
    const auto pool = start(1);
    ASSERT_TRUE(pool);
    RecordingJob job;
    job.again = pool.get();
    pool->submit(job);
    turn_until_idle(*pool);
    EXPECT_EQ(job.runs, 3);
    EXPECT_EQ(job.dones, 3);
}

TEST_F(LoopThreadPools, AskingForNoThreadsGivesOne) {
    const auto pool = start(0);
    ASSERT_TRUE(pool);
    RecordingJob job;
    pool->submit(job);
    turn_until_idle(*pool);
    EXPECT_EQ(job.runs, 1);
}

TEST_F(LoopThreadPools, DestructionWaitsForRunningJobsAndDropsTheOthers) {
    auto pool = start(1);
    ASSERT_TRUE(pool);
    Gate started;
    Gate gate;
    RecordingJob running;
    RecordingJob waiting;
    running.started = &started;
    running.gate = &gate;
    pool->submit(running);
    pool->submit(waiting);
    started.wait();
    std::thread opener([&] { gate.open(); });
    pool.reset();
    opener.join();
    EXPECT_EQ(running.runs, 1);
    EXPECT_EQ(running.dones, 0) << "the pool is gone";
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    EXPECT_EQ(running.dones, 0);
    EXPECT_EQ(waiting.dones, 0);
    EXPECT_LE(waiting.runs, 1);
}

struct ReadingJob final : ThreadPool::Job {
    void run() noexcept override { seen = *static_cast<const volatile std::byte*>(page); }
    void done() noexcept override {}

    void* page = nullptr;
    std::byte seen{0xEE};
};

TEST_F(LoopThreadPools, AJobThatTouchesTruncatedGuestMemoryReadsZeroes) {
    constexpr std::size_t size = 4096;
    const UniqueFd file(::memfd_create("guest", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(file.get(), size), 0);
    auto* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    ASSERT_NE(page, MAP_FAILED);
    {
        const auto guarded = SigbusRange::guard(page, size, size);
        ASSERT_TRUE(guarded) << guarded.error();
        const auto pool = start(1);
        ASSERT_TRUE(pool);
        ASSERT_EQ(::ftruncate(file.get(), 0), 0);
        ReadingJob job;
        job.page = page;
        pool->submit(job);
        turn_until_idle(*pool);
        EXPECT_EQ(job.seen, std::byte{0});
        EXPECT_TRUE(guarded->broken());
    }
    ::munmap(page, size);
}

}  // namespace
}  // namespace zonebridge
