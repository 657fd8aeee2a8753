// Actions on all zones for disks that lack them, compared with a disk that has them.
#include "layers/all_zones/all_zones.h"

#include <memory>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "layers/all_zones/action_on_all.h"
#include "layers/sequencer/sequencer.h"
#include "tests/unit/support/driver.h"
#include "tests/unit/support/machine_disk.h"
#include "transports/make_loop.h"

namespace zonebridge::test {
namespace {

constexpr Operation actions[] = {Operation::open, Operation::close, Operation::finish,
                                 Operation::reset};

/// A disk of this shape with a loop, a queue and the layers that its limits ask for.
struct Bench {
    explicit Bench(const MachineDiskShape& shape) {
        auto machine = std::make_unique<MachineDisk>(shape);
        disk = machine.get();
        top = complete_all(std::move(*sequence(std::move(machine))));
        loop = std::move(*make_loop());
        driver = std::make_unique<Driver>(std::move(*top->open_queue(*loop, {.depth = 8})), *loop);
    }
    std::uint64_t at(std::uint32_t zone) const { return disk->limits().layout.start_of(zone); }
    /// Zone actions with Scope::zones that reached the disk.
    std::size_t single_actions() const {
        std::size_t count = 0;
        for (const auto& taken : disk->taken)
            count += is_zone_action(taken.operation) && taken.scope == Scope::zones;
        return count;
    }

    MachineDisk* disk = nullptr;
    std::unique_ptr<Transport> top;
    std::unique_ptr<Loop> loop;
    std::unique_ptr<Driver> driver;
};

class AllZones : public testing::TestWithParam<Model> {};

TEST_P(AllZones, LeavesTheZonesInTheSameStatesAsADiskThatHasTheAction) {
    const auto managed = GetParam() == Model::host_managed;
    MachineDiskShape shape{.zones = 150, .zone_size = 16 << 10, .model = GetParam()};
    if (managed) shape.max_open = 5, shape.max_active = 9;
    auto lacking = shape;
    lacking.native_all = {};
    std::mt19937 random(7);
    const auto data = pattern(3, 4096);
    for (int round = 0; round < 60; ++round) {
        Bench with(shape);
        Bench without(lacking);
        for (int step = 0; step < 12; ++step) {
            const auto zone = static_cast<std::uint32_t>(2 + random() % 148);
            const auto kind = random() % 5;
            for (auto* bench : {&with, &without}) {
                const auto offset = bench->at(zone);
                if (kind == 4)
                    static_cast<void>(bench->driver->write(offset, data));
                else
                    static_cast<void>(bench->driver->act(actions[kind], offset, 16 << 10));
            }
        }
        const auto action = actions[random() % 4];
        const auto expected = with.driver->act_all(action);
        EXPECT_EQ(without.driver->act_all(action), expected) << to_string(action);
        EXPECT_EQ(without.driver->report(150), with.driver->report(150)) << to_string(action);
    }
}

INSTANTIATE_TEST_SUITE_P(Models, AllZones, testing::Values(Model::host_managed, Model::host_aware),
                         [](const auto& info) {
                             return info.param == Model::host_aware ? "host_aware" : "host_managed";
                         });

TEST(AllZonesLayer, IsLeftOutIfTheDiskHasAllActions) {
    auto disk = std::make_unique<MachineDisk>();
    const auto* before = disk.get();
    EXPECT_EQ(complete_all(std::move(disk)).get(), before);
    auto plain = std::make_unique<MachineDisk>(MachineDiskShape{.model = Model::none});
    before = plain.get();
    EXPECT_EQ(complete_all(std::move(plain)).get(), before);
}

TEST(AllZonesLayer, PassesOnTheActionsThatTheDiskHas) {
    MachineDiskShape shape{.model = Model::host_aware};
    shape.native_all = ZoneActions().with(ZoneAction::reset);
    Bench bench(shape);
    EXPECT_EQ(bench.top->limits().native_all, ZoneActions::all());
    const auto data = pattern(3, 4096);
    ASSERT_TRUE(bench.driver->write(bench.at(4), data).ok());
    EXPECT_TRUE(bench.driver->act_all(Operation::close).ok());
    EXPECT_EQ(bench.single_actions(), 1U);
    EXPECT_TRUE(bench.driver->act_all(Operation::reset).ok());
    EXPECT_EQ(bench.single_actions(), 1U);
    EXPECT_EQ(bench.driver->report(1, bench.at(4))[0].state, ZoneState::empty);
}

TEST(AllZonesLayer, SeveralAtOnceAllComplete) {
    MachineDiskShape shape{.model = Model::host_aware};
    shape.native_all = {};
    Bench bench(shape);
    bench.disk->take_at_most = 1;
    std::vector<Request> requests;
    for (int i = 0; i < 20; ++i)
        requests.push_back(
            {.operation = actions[i % 4], .scope = Scope::all, .data = {}, .zones = {}});
    for (const auto& done : bench.driver->run(requests)) EXPECT_TRUE(done.status.ok());
}

TEST(ActionOnAll, AnOpenThatFailsClosesWhatItOpened) {
    MachineDiskShape shape{.max_open = 4};
    const auto limits = limits_of(shape);
    ActionOnAll all(limits);
    all.begin(Operation::open);
    std::vector<std::pair<Operation, std::uint32_t>> seen;
    while (auto request = all.next()) {
        Completion completion;
        if (request->operation == Operation::report) {
            for (std::uint32_t i = 0; i < 16; ++i) {
                request->zones[i].start = limits.layout.start_of(i);
                request->zones[i].state = i > 12 ? ZoneState::closed : ZoneState::empty;
            }
            completion.result = 16;
        } else {
            const auto zone = limits.layout.zone_of(request->offset);
            seen.emplace_back(request->operation, zone);
            if (zone == 15 && request->operation == Operation::open)
                completion.status.code = StatusCode::io_error;
        }
        all.completed(completion);
    }
    EXPECT_EQ(all.status().code, StatusCode::io_error);
    using enum Operation;
    EXPECT_EQ(seen, (std::vector<std::pair<Operation, std::uint32_t>>{
                        {open, 13}, {open, 14}, {open, 15}, {close, 14}, {close, 13}}));
}

TEST(ActionOnAll, AReportOfAnImpossibleLengthIsAnError) {
    const auto limits = limits_of({});
    ActionOnAll all(limits);
    for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{65}, std::uint64_t{17}}) {
        all.begin(Operation::close);
        ASSERT_TRUE(all.next());
        all.completed({0, {}, count});
        EXPECT_FALSE(all.next());
        EXPECT_EQ(all.status().code, StatusCode::io_error);
    }
}

}  // namespace
}  // namespace zonebridge::test
