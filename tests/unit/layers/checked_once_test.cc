// Counts how often zone/check runs for a request that passes through the layers: once where the
// request enters the model, and once for each request that a layer makes. The linker puts a counter
// in front of zone/check (meson.build).
#include <cstddef>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "layers/fault/fault.h"
#include "layers/sequencer/sequencer.h"
#include "layers/trace/trace.h"
#include "tests/unit/support/driver.h"
#include "tests/unit/support/machine_disk.h"
#include "transports/make_loop.h"
#include "zone/check.h"

namespace {

std::size_t checks = 0;  // this test has one thread

}  // namespace

// The mangled name of zonebridge::check(const Limits&, const Request&).
extern "C" {
zonebridge::StatusCode __real__ZN10zonebridge5checkERKNS_6LimitsERKNS_7RequestE(
    const zonebridge::Limits& limits, const zonebridge::Request& request) noexcept;
zonebridge::StatusCode __wrap__ZN10zonebridge5checkERKNS_6LimitsERKNS_7RequestE(
    const zonebridge::Limits& limits, const zonebridge::Request& request) noexcept {
    ++checks;
    return __real__ZN10zonebridge5checkERKNS_6LimitsERKNS_7RequestE(limits, request);
}
}

namespace zonebridge::test {
namespace {

struct CountingSink final : RefusalSink {
    [[nodiscard]] bool wants() const noexcept override { return false; }
    void refused(const Refusal&) noexcept override { ++count; }

    int count = 0;
};

/// A disk under the sequencer, fault and trace layers.
class CheckedOnce : public testing::Test {
  protected:
    void SetUp() override {
        auto machine = std::make_unique<MachineDisk>();
        disk = machine.get();
        auto sequenced = sequence(std::move(machine));
        ASSERT_TRUE(sequenced);
        const auto rule = fault::parse_rule("error=io,operation=flush,after=1000");
        ASSERT_TRUE(rule);
        auto faulty = fault::inject(std::move(*sequenced), {*rule});
        ASSERT_TRUE(faulty);
        top = trace_refusals(std::move(*faulty), sink);
        auto made = make_loop();
        ASSERT_TRUE(made);
        loop = std::move(*made);
        auto queue = top->open_queue(*loop, {.depth = 16});
        ASSERT_TRUE(queue);
        driver = std::make_unique<Driver>(std::move(*queue), *loop);
    }
    void TearDown() override { driver.reset(); }

    /// The number of checks during `run`.
    template <typename Run>
    static std::size_t count(const Run& run) {
        const auto before = checks;
        run();
        return checks - before;
    }
    std::uint64_t at(std::uint32_t zone) const { return disk->limits().layout.start_of(zone); }

    CountingSink sink;
    MachineDisk* disk = nullptr;
    std::unique_ptr<Transport> top;
    std::unique_ptr<Loop> loop;
    std::unique_ptr<Driver> driver;
};

TEST_F(CheckedOnce, ARequestThatNoLayerChangesIsCheckedOnce) {
    const auto data = pattern(1, 4096);
    ASSERT_TRUE(driver->write(at(4), data).ok())
        << "the sequencer knows the zone's write pointer from here on";
    EXPECT_EQ(count([&] { EXPECT_TRUE(driver->write(at(4) + 4096, data).ok()); }), 1U);
    EXPECT_EQ(count([&] { EXPECT_TRUE(driver->write(0, data).ok()); }), 1U) << "conventional";
    EXPECT_EQ(count([&] { EXPECT_EQ(driver->read(at(4), 4096), data); }), 1U);
    EXPECT_EQ(count([&] { EXPECT_TRUE(driver->flush().ok()); }), 1U);
    EXPECT_EQ(count([&] { EXPECT_EQ(driver->report(16).size(), 16U); }), 1U);
    EXPECT_EQ(
        count([&] { EXPECT_TRUE(driver->act(Operation::finish, at(4), 64 << 10).status.ok()); }),
        1U);
    EXPECT_EQ(
        count([&] { EXPECT_TRUE(driver->act(Operation::reset, at(4), 64 << 10).status.ok()); }),
        1U);
}

TEST_F(CheckedOnce, ARefusedRequestIsCheckedOnce) {
    const auto data = pattern(1, 512);
    EXPECT_EQ(
        count([&] { EXPECT_EQ(driver->write(at(4) + 1, data).code, StatusCode::misaligned); }), 1U);
    EXPECT_EQ(sink.count, 1);
}

TEST_F(CheckedOnce, ARequestThatALayerMakesIsCheckedToo) {
    const auto data = pattern(1, 4096);
    // One more for the report that finds the zone's write pointer.
    EXPECT_EQ(count([&] { EXPECT_TRUE(driver->write(at(5), data).ok()); }), 2U);
    // One more for the write that replaces the append: this disk has no native append.
    EXPECT_EQ(count([&] { EXPECT_TRUE(driver->append(at(5), data).status.ok()); }), 2U);
    // One more for the write that joins the two.
    std::vector<iovec> pieces(2, {const_cast<std::uint8_t*>(data.data()), data.size()});
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 2; ++i)
        requests.push_back({.operation = Operation::write,
                            .offset = at(5) + (2 + i) * 4096,
                            .length = 4096,
                            .data = {&pieces[i], 1},
                            .zones = {}});
    EXPECT_EQ(count([&] {
                  for (const auto& done : driver->run(requests)) EXPECT_TRUE(done.status.ok());
              }),
              3U);
}

}  // namespace
}  // namespace zonebridge::test
