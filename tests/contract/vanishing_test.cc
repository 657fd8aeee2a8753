// The device is removed while requests are in flight: every request completes, later ones are
// refused, and nothing hangs. These tests come last, because afterwards there is no device.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Vanishing : public Contract, public ::testing::WithParamInterface<int> {
  protected:
    void TearDown() override {
        // Closing may fail; it only has to return.
        forsake();
    }
};

TEST_P(Vanishing, EveryRequestIsAnsweredAndLaterOnesAreRefused) {
    std::atomic<bool> gone = false;
    std::atomic<int> served = 0;
    std::atomic<int> refused = 0;
    std::atomic<int> begun = 0;
    std::thread remover([&] {
        // Waits until every thread has begun, with a limit in case one can't.
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while ((served < 50 || begun < GetParam()) && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        EXPECT_EQ(std::system(settings().vanish.c_str()), 0) << settings().vanish;
        gone = true;
    });
    const auto targets = std::min<std::size_t>(zoned() ? most_active() : 1, 4);
    run(GetParam(), [&](Driver& driver, int thread) {
        ++begun;
        const auto mine = static_cast<std::size_t>(thread) % targets;
        const auto base = zoned() ? start(zones()[mine]) : 0;
        const auto data = pattern(static_cast<std::uint64_t>(thread), unit());
        Bytes room(unit());
        const iovec from{const_cast<std::uint8_t*>(data.data()), data.size()};
        const iovec to{room.data(), room.size()};
        int rounds_after = 0;
        while (rounds_after < 3) {
            const auto was_gone = gone.load();
            std::vector<Request> requests;
            for (int i = 0; i < 16; ++i) {
                requests.push_back(request_of(Operation::read, base, unit(), {&to, 1}));
                if (zoned())
                    requests.push_back(request_of(Operation::append, base, unit(), {&from, 1}));
                else
                    requests.push_back(request_of(Operation::write, base, unit(), {&from, 1}));
            }
            if (zoned())
                requests.push_back(
                    request_of(Operation::reset, base, layout().length_of(zones()[mine])));
            requests.push_back(request_of(Operation::flush, 0, 0));
            for (const auto& each : driver.run(requests)) {
                if (each.status.ok())
                    ++served;
                else
                    ++refused;
                // Once the device is gone, no write can succeed.
                if (was_gone && requests[each.tag].operation != Operation::read &&
                    requests[each.tag].operation != Operation::flush) {
                    EXPECT_FALSE(each.status.ok()) << to_string(requests[each.tag].operation);
                }
            }
            if (was_gone) ++rounds_after;
        }
        if (zoned()) {
            std::array<Zone, 1> zone;
            const auto report = driver.run(
                Request{.operation = Operation::report, .offset = base, .data = {}, .zones = zone});
            EXPECT_FALSE(report.status.ok());
        }
    });
    remover.join();
    EXPECT_GT(refused, 0);
}

// GoogleTest runs parameterized tests last, in link order.
INSTANTIATE_TEST_SUITE_P(Threads, Vanishing, ::testing::Values(4));

}  // namespace
}  // namespace zonebridge::contract
