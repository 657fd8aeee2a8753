#include "service/answers.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace zonebridge::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(Answers, TheWaitReturnsAllAnswers) {
    const Answers<int> answers(3);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([answers, i] { answers.give(i); });
    auto given = answers.wait();
    for (auto& thread : threads) thread.join();
    std::sort(given.begin(), given.end());
    EXPECT_EQ(given, (std::vector{0, 1, 2}));
}

TEST(Answers, AWaitForNoAnswersReturnsAtOnce) {
    EXPECT_TRUE(Answers<Done>(0).wait().empty());
}

TEST(Answers, AWaitMayEndBeforeTheAnswersArrive) {
    const Answers<int> answers(2);
    answers.give(7);
    EXPECT_FALSE(answers.wait_until(steady_clock::now() + milliseconds{1}));
    answers.give(8);
    EXPECT_EQ(answers.wait_until(steady_clock::now()), (std::vector{7, 8}));
}

TEST(Answers, AnswersThatComeTooLateAreDropped) {
    std::function<void()> late;
    {
        const Answers<std::unique_ptr<int>> answers(1);
        late = [answers] { answers.give(std::make_unique<int>(7)); };
        EXPECT_FALSE(answers.wait_until(steady_clock::now()));
    }
    late();
}

// A test for ThreadSanitizer and AddressSanitizer; without them, it checks that no answer is lost.
TEST(Answers, TheAnsweringThreadMayOutliveTheWait) {
    std::function<void()> call;
    std::atomic<std::function<void()>*> job = nullptr;
    std::atomic<std::function<void()>*> spare = &call;
    std::atomic<bool> over = false;
    std::thread other([&] {
        while (!over)
            if (auto* const given = job.exchange(nullptr)) {
                (*given)();
                *given = nullptr;
                spare = given;
            } else {
                std::this_thread::yield();
            }
    });
    for (int i = 0; i < 2'000; ++i) {
        const Answers<int> answers(1);
        auto* free = spare.exchange(nullptr);
        while (free == nullptr) {
            std::this_thread::yield();
            free = spare.exchange(nullptr);
        }
        *free = [answers, i] { answers.give(i); };
        job = free;
        ASSERT_EQ(answers.wait_for_one(), i);
    }
    over = true;
    other.join();
}

}  // namespace
}  // namespace zonebridge::service
