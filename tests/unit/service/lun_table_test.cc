// The LUN table with disks in files and a mock of the device.
#include "service/lun_table.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>

#include "tests/unit/service/hosted_units.h"
#include "tests/unit/support/temporary.h"
#include "transports/emulated/emulated.h"

namespace zonebridge::service {
namespace {

using Calls = std::vector<std::string>;

class Table : public ::testing::Test {
  protected:
    std::string make(const std::string& name, std::uint64_t size = 16 << 20) {
        const auto path = folder / name;
        emulated::Shape shape;
        shape.size = size;
        shape.zone_size = 4 << 20;
        EXPECT_TRUE(emulated::create(path, shape));
        return path;
    }
    std::string plain(const std::string& name, std::uint64_t size) {
        const auto path = folder / name;
        std::ofstream(path).flush();
        std::filesystem::resize_file(path, size);
        return "block:" + path;
    }
    static bool in_use(const std::string& path) {
        return !emulated::open(path, {.writable = true});
    }

    test::TemporaryFolder folder;
    Workers workers =
        start_workers(2, Spin({}), [](const Error& error) { FAIL() << error.message; }).value();
    LunTable luns{DiskOptions{}};
    HostedUnits units{workers};
};

TEST_F(Table, OpensDisksAndClosesThem) {
    const auto first = make("a");
    const auto second = make("b");
    ASSERT_TRUE(luns.open(7, first));
    ASSERT_TRUE(luns.open(0, second));
    const auto disks = luns.disks();
    ASSERT_EQ(disks.size(), 2U);
    EXPECT_EQ(disks[0].lun, 0);
    EXPECT_EQ(disks[1].device, first);
    EXPECT_NE(disks[1].unit, nullptr);
    EXPECT_TRUE(in_use(first));
    EXPECT_TRUE(luns.close());
    EXPECT_FALSE(in_use(first));
    EXPECT_FALSE(in_use(second));
    EXPECT_FALSE(luns.open(1, folder / "missing"));
}

TEST_F(Table, ADiskIsAddedWhileTheDeviceRuns) {
    luns.run(units);
    const auto path = make("a");
    const auto added =
        luns.add(3, path, {.read_only = true, .translate = false, .force = false, .allow = {}});
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_EQ(added->number, 3);
    EXPECT_TRUE(added->read_only);
    EXPECT_EQ(added->limits.layout.zone_count(), 4U);
    EXPECT_FALSE(in_use(path)) << "opened read-only";
    (void)units.run(3);  // takes the power-on unit attention
    EXPECT_EQ(units.run(3).status, zbc::ScsiStatus::good);
    ASSERT_EQ(luns.list().size(), 1U);
    EXPECT_EQ(luns.list()[0].device, path);
    EXPECT_TRUE(luns.remove(3, Removal::now));
}

TEST_F(Table, AFailedAddHasAReasonAndLeavesNothing) {
    luns.run(units);
    const auto path = make("a");
    const auto other = make("b");
    ASSERT_TRUE(luns.add(3, path, {}));
    const auto says = [&](std::uint16_t number, const std::string& device) {
        const auto added = luns.add(number, device, {});
        EXPECT_FALSE(added);
        return added ? "" : added.error().message;
    };
    EXPECT_NE(says(3, other).find(path), std::string::npos) << "names the disk that has the number";
    EXPECT_NE(says(4, path).find("in use by process"), std::string::npos);
    EXPECT_NE(says(256, other).find("255"), std::string::npos);
    EXPECT_NE(says(4, folder / "missing").find("missing"), std::string::npos);
    units.refuse_next = true;
    EXPECT_NE(says(4, other).find("no room"), std::string::npos);
    EXPECT_FALSE(in_use(other));
    EXPECT_EQ(luns.list().size(), 1U);
    EXPECT_TRUE(luns.remove(3, Removal::now));
}

TEST_F(Table, ARemovedDiskIsClosedAndCanBeAddedAgain) {
    luns.run(units);
    const auto path = make("a");
    for (int i = 0; i < 3; ++i) {
        units.calls.clear();
        ASSERT_TRUE(luns.add(1, path, {}));
        (void)units.run(1);
        ASSERT_TRUE(luns.remove(1, Removal::now));
        EXPECT_EQ(units.calls, (Calls{"add 1", "announce 1", "remove 1"}));
        EXPECT_FALSE(in_use(path));
    }
    const auto removed = luns.remove(1, Removal::now);
    ASSERT_FALSE(removed);
    EXPECT_NE(removed.error().message.find("no LUN 1"), std::string::npos);
}

TEST_F(Table, ADiskWithCommandsInFlightIsNotClosed) {
    luns.run(units);
    const auto path = make("a");
    ASSERT_TRUE(luns.add(1, path, {}));
    EXPECT_FALSE(luns.list().at(0).removing);
    units.hung = true;
    for (int i = 0; i < 2; ++i) {
        const auto removed = luns.remove(1, Removal::now);
        ASSERT_FALSE(removed);
        EXPECT_NE(removed.error().message.find("gone for the guest"), std::string::npos)
            << removed.error().message;
    }
    EXPECT_TRUE(in_use(path)) << "the disk was closed with commands in flight";
    ASSERT_EQ(luns.list().size(), 1U);
    EXPECT_TRUE(luns.list()[0].removing);
    EXPECT_FALSE(luns.add(1, make("b"), {})) << "the number is not free";
    EXPECT_FALSE(luns.refresh(1));
    units.hung = false;
    EXPECT_TRUE(luns.remove(1, Removal::now));
    EXPECT_FALSE(in_use(path));
}

TEST_F(Table, AnAnnouncedRemovalWaitsWhileTheGuestWrites) {
    luns.run(units);
    ASSERT_TRUE(luns.add(1, make("a"), {}));
    (void)units.run(1);
    auto removed =
        std::async(std::launch::async, [this] { return luns.remove(1, Removal::announced); });
    // The removal would end after a second without commands.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{1500};
    while (std::chrono::steady_clock::now() < end) {
        ASSERT_EQ(removed.wait_for(std::chrono::milliseconds{1}), std::future_status::timeout);
        ASSERT_EQ(units.run(1).status, zbc::ScsiStatus::good);
    }
    EXPECT_TRUE(removed.get());
    EXPECT_EQ(units.calls.back(), "remove 1");
}

TEST_F(Table, AStoppingServerDoesNotWaitForTheGuest) {
    luns.run(units);
    ASSERT_TRUE(luns.add(1, make("a"), {}));
    ASSERT_TRUE(luns.add(2, make("b"), {}));
    luns.hurry();
    // Otherwise each removal would take a second.
    EXPECT_TRUE(luns.remove(1, Removal::announced));
    EXPECT_TRUE(luns.remove(2, Removal::announced));
}

TEST_F(Table, RefreshReopensADiskThatGrew) {
    luns.run(units);
    const auto name = plain("file", 1 << 20);
    ASSERT_TRUE(luns.add(5, name, {}));
    (void)units.run(5);
    units.calls.clear();
    auto refreshed = luns.refresh(5);
    ASSERT_TRUE(refreshed) << refreshed.error().message;
    EXPECT_EQ(refreshed->info.limits.size(), 1U << 20);
    EXPECT_EQ(units.calls, Calls{}) << "nothing has changed";
    std::filesystem::resize_file(folder / "file", 3 << 20);
    refreshed = luns.refresh(5);
    ASSERT_TRUE(refreshed) << refreshed.error().message;
    EXPECT_EQ(refreshed->info.limits.size(), 3U << 20);
    EXPECT_EQ(refreshed->size_before, 1U << 20);
    EXPECT_EQ(units.calls.back(),
              fmt::format("changed 5 {}", static_cast<int>(zbc::Attention::capacity_changed)));
    EXPECT_EQ(luns.list()[0].limits.size(), 3U << 20);
    EXPECT_EQ(HostedUnits::sense_of(units.run(5)), 0x062900U)
        << "the mode pages have their power-on values";
    EXPECT_EQ(units.run(5).status, zbc::ScsiStatus::good);
    EXPECT_TRUE(luns.remove(5, Removal::now));
}

TEST_F(Table, RefreshReopensADiskThatIsHeldExclusively) {
    luns.run(units);
    ASSERT_TRUE(luns.add(0, make("a"), {}));
    EXPECT_TRUE(luns.refresh(0));
    EXPECT_TRUE(in_use(folder / "a"));
    EXPECT_TRUE(luns.remove(0, Removal::now));
}

TEST_F(Table, ADiskThatCannotBeReopenedIsRemoved) {
    luns.run(units);
    const auto name = plain("file", 1 << 20);
    ASSERT_TRUE(luns.add(5, name, {}));
    std::filesystem::remove(folder / "file");
    units.calls.clear();
    const auto refreshed = luns.refresh(5);
    ASSERT_FALSE(refreshed);
    EXPECT_NE(refreshed.error().message.find("LUN 5 was removed"), std::string::npos)
        << refreshed.error().message;
    EXPECT_EQ(units.calls, (Calls{"announce 5", "remove 5"}));
    EXPECT_TRUE(luns.list().empty());
}

TEST_F(Table, RefreshRemovesTheLunIfThePathIsAnotherDisk) {
    luns.run(units);
    const auto path = make("a");
    ASSERT_TRUE(luns.add(5, path, {}));
    make("b");
    std::filesystem::rename(folder / "b", path);
    const auto refreshed = luns.refresh(5);
    ASSERT_FALSE(refreshed);
    EXPECT_NE(refreshed.error().message.find("another disk"), std::string::npos)
        << refreshed.error().message;
    EXPECT_FALSE(in_use(path)) << "the disk was closed";
    EXPECT_TRUE(luns.list().empty());
    EXPECT_FALSE(luns.refresh(5));
}

}  // namespace
}  // namespace zonebridge::service
