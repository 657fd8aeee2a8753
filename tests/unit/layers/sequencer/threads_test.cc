// Several threads, each with its own ring and queue, over one emulated disk in a file, with and
// without native append. Also meant for the thread sanitizer.
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "layers/sequencer/sequencer.h"
#include "tests/unit/layers/sequencer/bare_device.h"
#include "tests/unit/layers/sequencer/memory.h"
#include "tests/unit/layers/sequencer/user.h"
#include "tests/unit/support/temporary.h"
#include "transports/emulated/emulated.h"
#include "transports/ring.h"

namespace zonebridge::test {
namespace {

constexpr std::uint64_t file_zone_size = 1 << 20;
constexpr std::uint32_t first_zone = 2;
constexpr int threads = 8;

class SharedDevice : public ::testing::TestWithParam<Support> {
  protected:
    void SetUp() override {
        emulated::Shape shape;
        shape.size = 16 * file_zone_size;
        shape.zone_size = file_zone_size;
        shape.conventional = first_zone;
        shape.max_open = max_open_;
        const auto path = folder_ / "disk";
        ASSERT_TRUE(emulated::create(path, shape));
        auto disk = emulated::open(path, {.writable = true});
        ASSERT_TRUE(disk) << disk.error().message;
        auto bare = std::make_unique<BareDevice>(std::move(*disk), GetParam());
        bare_ = bare.get();
        transport_ = std::move(*sequence(std::move(bare)));
    }
    void TearDown() override {
        EXPECT_EQ(bare_->collisions, 0U);
        EXPECT_TRUE(transport_->close());
    }

    /// Runs `body(ring, index)` on each thread.
    template <typename Body>
    void run(Body body) {
        std::vector<std::thread> running;
        for (int i = 0; i < threads; ++i)
            running.emplace_back([&, i] {
                auto ring = Ring::create().value();
                body(*ring, i);
            });
        for (auto& thread : running) thread.join();
    }
    /// Records an append and the offset that its completion gave. Any thread may call this.
    void record_append(std::uint64_t offset, std::uint64_t stamp) {
        const std::lock_guard guard(lock_);
        EXPECT_TRUE(stamps_.emplace(offset, stamp).second) << "two appends at " << offset;
    }
    void expect_data() {
        auto ring = Ring::create().value();
        User user(*transport_, *ring);
        for (const auto& [offset, stamp] : stamps_)
            ASSERT_EQ(user.stamp_at(offset, block), stamp) << offset;
    }

    static std::uint64_t stamp(int thread, int i) {
        return (static_cast<std::uint64_t>(thread) << 32) + static_cast<std::uint64_t>(i) + 1;
    }

    std::optional<std::uint32_t> max_open_;
    TemporaryFolder folder_;
    BareDevice* bare_ = nullptr;
    std::unique_ptr<Transport> transport_;
    std::mutex lock_;
    std::map<std::uint64_t, std::uint64_t> stamps_;
};

TEST_P(SharedDevice, AppendsOfEightThreadsFillOneZoneWithoutAHole) {
    run([&](Ring& ring, int thread) {
        User user(*transport_, ring, 16);
        std::vector<std::uint64_t> tags;
        for (int i = 0; i < 32; ++i)
            tags.push_back(user.submit(user.append(first_zone, block, stamp(thread, i))));
        for (int i = 0; i < 32; ++i) {
            const auto completion = user.wait(tags[static_cast<std::size_t>(i)]);
            ASSERT_TRUE(completion.status.ok()) << to_string(completion.status.code);
            record_append(completion.result, stamp(thread, i));
        }
    });
    ASSERT_EQ(stamps_.size(), file_zone_size / block);
    EXPECT_EQ(stamps_.begin()->first, first_zone * file_zone_size);
    EXPECT_EQ(stamps_.rbegin()->first, (first_zone + 1) * file_zone_size - block);
    expect_data();
    if (GetParam() == Support::absent) {
        EXPECT_EQ(bare_->appends, 0U);
    }
}

TEST_P(SharedDevice, AppendsOfEightThreadsFillManyZonesWithoutAHole) {
    run([&](Ring& ring, int thread) {
        User user(*transport_, ring, 32);
        std::vector<std::uint64_t> tags;
        for (int i = 0; i < 140; ++i) {
            const auto zone = first_zone + static_cast<std::uint32_t>(i + thread) % 14;
            tags.push_back(user.submit(user.append(zone, block, stamp(thread, i))));
        }
        for (int i = 0; i < 140; ++i) {
            const auto completion = user.wait(tags[static_cast<std::size_t>(i)]);
            ASSERT_TRUE(completion.status.ok()) << to_string(completion.status.code);
            record_append(completion.result, stamp(thread, i));
        }
    });
    ASSERT_EQ(stamps_.size(), 8U * 140);
    for (std::uint32_t zone = first_zone; zone < 16; ++zone)
        for (std::uint64_t i = 0; i < 80; ++i)
            ASSERT_TRUE(stamps_.contains(zone * file_zone_size + i * block)) << zone << " " << i;
    expect_data();
}

// Each thread has its own zone, so the results of its requests are known in advance. Sweeps that do
// not move write pointers run in between.
TEST_P(SharedDevice, WritesAppendsAndActionsKeepTheirOrder) {
    run([&](Ring& ring, int thread) {
        User user(*transport_, ring, 24);
        const auto zone = first_zone + static_cast<std::uint32_t>(thread);
        const auto start = zone * file_zone_size;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> expected;
        auto expect = [&](const Request& request, std::uint64_t result) {
            expected.emplace_back(user.submit(request), result);
        };
        for (int i = 0; i < 30; ++i) {
            expect(user.append(zone, block, stamp(thread, i)), start);
            expect(user.write(start + block, block, stamp(thread, i)), 0);
            if (i % 4 == 1) expect(user.act_all(Operation::close), 0);
            if (i % 8 == 3) expect(user.act(Operation::open, first_zone, 15), 14);
            expect(user.append(zone, block, stamp(thread, i)), start + 2 * block);
            expect(user.act(Operation::reset, zone), 1);
        }
        for (const auto& [tag, result] : expected) {
            const auto completion = user.wait(tag);
            ASSERT_TRUE(completion.status.ok()) << to_string(completion.status.code);
            ASSERT_EQ(completion.result, result);
        }
    });
}

class LimitedDevice : public SharedDevice {
  protected:
    LimitedDevice() { max_open_ = 3; }
};

// Injected refusals stand for a device that does not make room. The sequencer retries refused
// writes. No write is lost, written twice or stuck.
TEST_P(LimitedDevice, WritesThatWaitForRoomAllComplete) {
    std::atomic<unsigned> count = 0;
    bare_->fault = [&](const Request& request) -> std::optional<BareDevice::Fault> {
        if (request.operation != Operation::write || count++ % 3 != 0) return {};
        return BareDevice::Fault{{StatusCode::too_many_open, {}}, 0};
    };
    run([&](Ring& ring, int thread) {
        User user(*transport_, ring, 32);
        std::vector<std::uint64_t> tags;
        for (int i = 0; i < 280; ++i) {
            const auto zone = first_zone + static_cast<std::uint32_t>(i + thread) % 7;
            if (i % 20 == 19) user.submit(user.act(Operation::close, zone));
            if (i % 90 == 89) user.submit(User::act_all(Operation::close));
            tags.push_back(user.submit(user.append(zone, block, stamp(thread, i))));
        }
        for (int i = 0; i < 280; ++i) {
            const auto completion = user.wait(tags[static_cast<std::size_t>(i)]);
            if (completion.status.ok())
                record_append(completion.result, stamp(thread, i));
            else
                ASSERT_TRUE(completion.status.code == StatusCode::too_many_open ||
                            completion.status.code == StatusCode::zone_full);
        }
    });
    EXPECT_GT(stamps_.size(), 0U);
    expect_data();
}

INSTANTIATE_TEST_SUITE_P(Appends, LimitedDevice, ::testing::Values(Support::absent),
                         [](const auto&) { return "emulated"; });

TEST_P(SharedDevice, ErrorsInTheMiddleOfWritesLoseNothing) {
    std::atomic<int> count = 0;
    bare_->fault = [&](const Request& request) -> std::optional<BareDevice::Fault> {
        const auto writes =
            request.operation == Operation::write || request.operation == Operation::append;
        if (!writes || ++count % 2 != 0) return {};
        const auto native = request.operation == Operation::append;
        return BareDevice::Fault{{StatusCode::media_error, {}},
                                 native ? 0 : request.length / 2 / block * block};
    };
    std::atomic<int> failed = 0;
    run([&](Ring& ring, int thread) {
        User user(*transport_, ring, 16);
        std::vector<std::uint64_t> tags;
        for (int i = 0; i < 32; ++i)
            tags.push_back(user.submit(user.append(first_zone, block, stamp(thread, i))));
        for (int i = 0; i < 32; ++i) {
            const auto completion = user.wait(tags[static_cast<std::size_t>(i)]);
            if (completion.status.ok()) {
                record_append(completion.result, stamp(thread, i));
            } else {
                ASSERT_EQ(completion.status.code, StatusCode::media_error);
                ++failed;
            }
        }
    });
    bare_->fault = nullptr;
    EXPECT_EQ(stamps_.size() + static_cast<std::size_t>(failed), 8U * 32);
    EXPECT_GT(failed, 0);
    // A failed append takes no space, so there is no hole between the successful ones.
    EXPECT_EQ(stamps_.rbegin()->first, first_zone * file_zone_size + (stamps_.size() - 1) * block);
    expect_data();
}

TEST_P(SharedDevice, QueuesThatCloseWithRequestsInFlightDisturbNoOtherQueue) {
    run([&](Ring& ring, int thread) {
        for (int round = 0; round < 12; ++round) {
            User user(*transport_, ring, 16);
            std::vector<std::uint64_t> tags;
            for (int i = 0; i < 14; ++i) {
                const auto zone = first_zone + static_cast<std::uint32_t>(i) % 3;
                if (i == 6 && thread == 0)
                    user.submit(user.act(Operation::close, first_zone + 4, first_zone + 9));
                tags.push_back(
                    user.submit(user.append(zone, block, stamp(thread, round * 100 + i))));
            }
            if (thread % 2 == 0) {
                user.turns(round % 3);
                continue;  // closes with most requests in flight
            }
            for (std::size_t i = 0; i < tags.size(); ++i) {
                const auto completion = user.wait(tags[i]);
                if (completion.status.code == StatusCode::zone_full) continue;
                ASSERT_TRUE(completion.status.ok()) << to_string(completion.status.code);
                record_append(completion.result, stamp(thread, round * 100 + static_cast<int>(i)));
            }
        }
    });
    EXPECT_FALSE(stamps_.empty());
    expect_data();
    auto ring = Ring::create().value();
    User user(*transport_, *ring);
    EXPECT_TRUE(user.run(user.act_all(Operation::reset)).status.ok());
    for (std::uint32_t zone = first_zone; zone < 16; ++zone)
        EXPECT_EQ(user.run(user.append(zone, block, 1)).result, zone * file_zone_size);
}

INSTANTIATE_TEST_SUITE_P(Appends, SharedDevice, ::testing::Values(Support::absent, Support::native),
                         [](const auto& info) {
                             return info.param == Support::absent ? "emulated" : "native";
                         });

}  // namespace
}  // namespace zonebridge::test
