#include <array>
#include <atomic>
#include <fcntl.h>

#include <gtest/gtest.h>

#include "layers/all_zones/action_on_all.h"
#include "tests/unit/transports/block/made_up_zones.h"
#include "transports/block/control_job.h"

namespace zonebridge::block {
namespace {

using Actions = std::vector<std::string>;
constexpr std::uint64_t zone_size = 1 << 20;

Limits eight_zones() {
    Limits limits;
    limits.model = Model::host_managed;
    // Two conventional zones, then six of which three may be open.
    limits.layout =
        Layout(8 * zone_size, zone_size, zone_size / 2, 2, ZoneType::sequential_write_required);
    limits.max_open = 3;
    return limits;
}

class Control : public ::testing::Test, private ControlJob::Owner {
  protected:
    Control()
        : port_owner(std::make_unique<test::MachineZones>(eight_zones())),
          port(*port_owner),
          disk({.fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)}, eight_zones(),
               std::move(port_owner)),
          job(disk, static_cast<ControlJob::Owner&>(*this), over) {}

    Completion run(const Request& request) {
        job.begin(request);
        job.run();
        job.done();
        EXPECT_EQ(ended, &job);
        return job.completion();
    }
    Completion act(Operation operation, std::uint32_t first, std::uint32_t count = 1) {
        return run({.tag = 7,
                    .operation = operation,
                    .offset = first * zone_size,
                    .length = count * zone_size});
    }
    /// Acts on all zones as the layer above does: the kernel itself can only reset all zones.
    Completion act_on_all(Operation operation) {
        if (operation == Operation::reset)
            return run({.operation = operation, .scope = Scope::all});
        ActionOnAll all(disk.limits());
        all.begin(operation);
        while (const auto request = all.next()) all.completed(run(*request));
        return {0, all.status(), 0};
    }
    void write(std::uint32_t zone) {
        ASSERT_EQ(port.machine().begin_write(zone * zone_size, 4096), StatusCode::ok);
        port.machine().advance(zone * zone_size, 4096);
    }
    std::vector<ZoneState> states() {
        std::vector<ZoneState> result;
        for (std::uint32_t i = 2; i < 8; ++i) result.push_back(port.machine().state(i));
        return result;
    }

    ControlJob* ended = nullptr;
    std::atomic<bool> over{false};
    std::unique_ptr<test::MachineZones> port_owner;
    test::MachineZones& port;
    KernelDisk disk;
    ControlJob job;

  private:
    void control_ended(ControlJob& which) noexcept override { ended = &which; }
};

TEST_F(Control, AReportBeginsWithTheZoneThatHoldsTheOffset) {
    write(4);
    std::array<Zone, 3> zones;
    const auto done = run(
        {.tag = 9, .operation = Operation::report, .offset = 3 * zone_size + 512, .zones = zones});
    EXPECT_EQ(done.tag, 9u);
    EXPECT_TRUE(done.status.ok());
    ASSERT_EQ(done.result, 3u);
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(zones[i], port.machine().describe(3 + i));
    EXPECT_EQ(port.largest_report, 3u)
        << "the device is asked for no more zones than the request wants";
}

TEST_F(Control, AReportTakesSeveralStepsAndEndsWithTheDisk) {
    std::array<Zone, 20> zones;
    const auto done = run({.operation = Operation::report, .zones = zones});
    EXPECT_TRUE(done.status.ok());
    ASSERT_EQ(done.result, 8u);
    for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(zones[i], port.machine().describe(i));
    EXPECT_EQ(run({.operation = Operation::report, .zones = {}}).result, 0u);
}

TEST_F(Control, AnActionOnARangeStopsAtTheFirstZoneThatFails) {
    EXPECT_EQ(act(Operation::finish, 2, 3).result, 3u);
    port.actions.clear();
    port.broken = 6;
    const auto done = act(Operation::reset, 4, 4);
    EXPECT_EQ(done.result, 2u);
    EXPECT_EQ(done.status.code, StatusCode::io_error);
    EXPECT_EQ(done.status.cause, NativeCause::os_error(EIO));
    EXPECT_EQ(port.actions, (Actions{"reset 4", "reset 5", "reset 6"}));
}

TEST_F(Control, TooManyOpenZonesHaveTheirOwnStatus) {
    EXPECT_EQ(act(Operation::open, 2, 3).result, 3u);
    const auto done = act(Operation::open, 5);
    EXPECT_EQ(done.result, 0u);
    EXPECT_EQ(done.status.code, StatusCode::too_many_open);
    EXPECT_EQ(done.status.cause, NativeCause::os_error(ETOOMANYREFS));
}

TEST_F(Control, ResetAllIsOneIoctlOverTheWholeDisk) {
    write(2);
    write(5);
    EXPECT_TRUE(act_on_all(Operation::reset).status.ok());
    EXPECT_EQ(port.actions, Actions{"reset all"});
    EXPECT_EQ(states(), std::vector<ZoneState>(6, ZoneState::empty));
}

TEST_F(Control, CloseAllActsOnOpenZonesAndFinishAllOnActiveOnes) {
    write(2);
    ASSERT_TRUE(act(Operation::open, 3).status.ok());
    port.actions.clear();
    EXPECT_TRUE(act_on_all(Operation::close).status.ok());
    EXPECT_EQ(port.actions, (Actions{"close 2", "close 3"}));
    ASSERT_TRUE(act(Operation::open, 4).status.ok());
    port.actions.clear();
    EXPECT_TRUE(act_on_all(Operation::finish).status.ok());
    EXPECT_EQ(port.actions, (Actions{"finish 2", "finish 4"}));
}

TEST_F(Control, OpenAllOpensClosedZones) {
    write(2);
    write(6);
    ASSERT_TRUE(act_on_all(Operation::close).status.ok());
    port.actions.clear();
    EXPECT_TRUE(act_on_all(Operation::open).status.ok());
    EXPECT_EQ(port.actions, (Actions{"open 2", "open 6"}));
}

TEST_F(Control, OpenAllOverTheLimitOpensNothing) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) write(zone);
    ASSERT_TRUE(act_on_all(Operation::close).status.ok());
    ASSERT_TRUE(act(Operation::open, 7).status.ok());
    port.actions.clear();
    EXPECT_EQ(act_on_all(Operation::open).status.code, StatusCode::too_many_open);
    EXPECT_EQ(port.actions, Actions());
}

TEST_F(Control, AFailedOpenAllClosesTheZonesThatItOpened) {
    write(2);
    write(6);
    ASSERT_TRUE(act_on_all(Operation::close).status.ok());
    port.broken = 6;
    EXPECT_EQ(act_on_all(Operation::open).status.code, StatusCode::io_error);
    EXPECT_EQ(port.machine().state(2), ZoneState::closed);
}

TEST_F(Control, AClosingQueueStopsAJobBetweenTwoZones) {
    over = true;
    const auto done = act(Operation::reset, 2, 6);
    EXPECT_EQ(done.status.code, StatusCode::aborted);
    EXPECT_EQ(port.actions, Actions());
}

TEST(ControlOfABrokenDisk, AReportThatDisagreesWithTheLayoutIsAnError) {
    class Owner final : public ControlJob::Owner {
        void control_ended(ControlJob&) noexcept override {}
    } owner;
    const auto limits = eight_zones();
    const Machine machine(limits);
    auto port_owner = std::make_unique<test::ListedZones>();
    auto& port = *port_owner;
    const KernelDisk disk({.fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)}, limits,
                          std::move(port_owner));
    const std::atomic<bool> over{false};
    ControlJob job(disk, owner, over);
    std::vector<blk_zone> good;
    for (std::uint32_t i = 0; i < 8; ++i) good.push_back(test::raw_zone(machine.describe(i)));
    const auto report = [&](auto change) {
        port.zones = good;
        change(port.zones);
        std::array<Zone, 8> zones;
        job.begin({.operation = Operation::report, .zones = zones});
        job.run();
        return job.completion();
    };
    EXPECT_EQ(report([](auto&) {}).result, 8u);
    const auto shifted = report([](auto& zones) { zones[4].start += 8; });
    EXPECT_EQ(shifted.status.code, StatusCode::io_error);
    EXPECT_EQ(shifted.result, 4u);
    EXPECT_FALSE(report([](auto& zones) { zones[4].type = 1; }).status.ok());
    EXPECT_FALSE(report([](auto& zones) { zones[4].cond = 0xFF; }).status.ok());
    EXPECT_FALSE(report([](auto& zones) { zones[4].len = 8; }).status.ok());
    EXPECT_FALSE(report([](auto& zones) { zones.pop_back(); }).status.ok());
    EXPECT_FALSE(report([](auto& zones) {
                     zones[4].cond = BLK_ZONE_COND_CLOSED;
                     zones[4].wp = zones[5].start;
                 }).status.ok());
    port.error = ENODEV;
    EXPECT_EQ(report([](auto&) {}).status.code, StatusCode::device_gone);
}

}  // namespace
}  // namespace zonebridge::block
