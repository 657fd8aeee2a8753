// Random requests of several queues over a device that delays and reorders them. The state machine
// gets the same requests in the order of submission. Each completion must be the same, and at the
// end each zone and each byte.
#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

class Model {
  public:
    explicit Model(const Limits& limits) : limits_(limits), machine_(limits_) {}

    Completion carry_out(const Request& request) {
        Completion completion;
        auto& code = completion.status.code;
        if (request.operation == Operation::write) {
            code = machine_.begin_write(request.offset, request.length);
            if (code == StatusCode::ok) store(request.offset, request);
        } else if (request.operation == Operation::append) {
            const auto offset = machine_.begin_append(request.offset, request.length);
            if (offset) {
                completion.result = *offset;
                store(*offset, request);
            } else {
                code = offset.error();
            }
        } else if (request.scope == Scope::all) {
            code = machine_.act_all(request.operation);
        } else {
            const auto last = limits_.layout.zone_of(request.offset + request.length - 1);
            for (auto zone = limits_.layout.zone_of(request.offset); zone <= last; ++zone) {
                code = machine_.act(request.operation, zone);
                if (code != StatusCode::ok) break;
                ++completion.result;
            }
        }
        return completion;
    }

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] std::uint64_t stamp_at(std::uint64_t offset) {
        if (offset >= machine_.written_end(limits_.layout.zone_of(offset))) return 0;
        return stamps_[offset];
    }

  private:
    void store(std::uint64_t offset, const Request& request) {
        machine_.advance(offset, request.length);
        const auto stamp = *static_cast<const std::uint64_t*>(request.data[0].iov_base);
        for (std::uint64_t at = 0; at < request.length; at += block) stamps_[offset + at] = stamp;
    }

    Limits limits_;
    Machine machine_;
    std::map<std::uint64_t, std::uint64_t> stamps_;
};

struct Setup {
    std::size_t users = 1;
    std::size_t depth = 8;
    std::uint32_t most_turns = 0;
    Support append = Support::absent;
};

class Random {
  public:
    Random(std::uint64_t seed, const Setup& setup)
        : setup_(setup),
          random_(seed),
          memory_({.zones = 10, .zone_capacity = 12 * block, .conventional = 2}, setup.append),
          model_(memory_.transport->limits()) {
        memory_.bare->most_turns = setup.most_turns;
        memory_.bare->seed = seed;
        for (auto* machine : {&model_.machine(), &memory_.disk->machine()}) {
            EXPECT_TRUE(machine->restore(8, ZoneState::read_only, block));
            EXPECT_TRUE(machine->restore(9, ZoneState::offline, 0));
        }
        for (std::size_t i = 0; i < setup.users; ++i)
            users_.emplace_back(*memory_.transport, memory_.loop, setup.depth);
    }

    void run(int steps) {
        for (int step = 0; step < steps; ++step) {
            auto& user = users_[below(users_.size())];
            if (below(4) == 0) {
                user.turn();
                continue;
            }
            const auto request = draw(user, static_cast<std::uint64_t>(step) + 1);
            // If the queue is full, submit() turns the loop before the request has its place in the
            // order.
            asked_.push_back({&user, user.submit(request), model_.carry_out(request), step});
        }
        for (const auto& asked : asked_) {
            while (!asked.user->is_done(asked.tag))
                for (auto& user : users_) user.turn();
            const auto completion = asked.user->wait(asked.tag);
            ASSERT_EQ(completion.status.code, asked.expected.status.code) << "step " << asked.step;
            ASSERT_EQ(completion.result, asked.expected.result) << "step " << asked.step;
        }
        EXPECT_EQ(memory_.bare->collisions, 0U);
        auto& user = users_.front();
        const auto& layout = user.layout();
        for (std::uint32_t zone = 2; zone < layout.zone_count(); ++zone) {
            EXPECT_EQ(user.describe(zone), model_.machine().describe(zone)) << zone;
            if (zone == 9) continue;
            for (std::uint64_t at = 0; at < layout.capacity_of(zone); at += block)
                ASSERT_EQ(user.stamp_at(layout.start_of(zone) + at, block),
                          model_.stamp_at(layout.start_of(zone) + at));
        }
    }

  private:
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

    Request draw(User& user, std::uint64_t stamp) {
        const auto zone = static_cast<std::uint32_t>(2 + below(8));
        const auto length = (1 + below(3)) * block;
        const auto operation = std::array{Operation::open, Operation::close, Operation::finish,
                                          Operation::reset}[below(4)];
        switch (below(12)) {
            case 0:
                return user.act(operation, zone);
            case 1:
                return user.act(Operation::reset, zone);
            case 2:
                if (below(3) != 0) return user.act(Operation::reset, zone);
                return user.act(operation, zone, std::min(zone + 1 + std::uint32_t(below(3)), 9U));
            case 3:
                if (below(6) != 0) return user.act(Operation::reset, zone);
                return user.act_all(operation);
            case 4:
            case 5:
            case 6: {
                // Mostly at the write pointer of the model.
                auto offset = model_.machine().written_end(zone);
                if (below(8) == 0) offset = user.layout().start_of(zone) + below(9) * block;
                const auto end = user.layout().start_of(zone) + user.layout().capacity_of(zone);
                offset = std::min(offset, end - length);
                auto request = user.write(offset, length, stamp);
                request.fua = below(4) == 0;
                return request;
            }
            default: {
                auto request = user.append(zone, length, stamp);
                request.fua = below(4) == 0;
                return request;
            }
        }
    }

    struct Asked {
        User* user;
        std::uint64_t tag;
        Completion expected;
        int step;
    };

    Setup setup_;
    std::mt19937_64 random_;
    Memory memory_;
    Model model_;
    std::deque<User> users_;
    std::vector<Asked> asked_;
};

void run(const Setup& setup) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Random(seed, setup).run(400);
        if (testing::Test::HasFailure()) return;
    }
}

TEST(RandomRequests, MatchTheModelWithOneQueue) {
    run({});
}
TEST(RandomRequests, MatchTheModelWithOneQueueOnAReorderingDevice) {
    run({.depth = 32, .most_turns = 5});
}
TEST(RandomRequests, MatchTheModelWithQueuesOfDepthOne) {
    run({.users = 3, .depth = 1, .most_turns = 2});
}
TEST(RandomRequests, MatchTheModelWithFourQueuesOnAReorderingDevice) {
    run({.users = 4, .depth = 16, .most_turns = 4});
}
TEST(RandomRequests, MatchTheModelWithDelaysOfAtMostOneTurn) {
    run({.users = 2, .depth = 16, .most_turns = 1});
}
TEST(RandomRequests, MatchTheModelOnADeviceWithNativeAppend) {
    run({.depth = 16, .append = Support::native});
}

}  // namespace
}  // namespace zonebridge::test
