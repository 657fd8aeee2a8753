// Discovery of a simulated device that can return wrong data. tests/guest/nvme.sh discovers real
// devices in a guest.
#include "transports/nvme/discover.h"

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/zns/made_up.h"
#include "zns/report.h"

namespace zonebridge::nvme {
namespace {

using test::Bytes;
using test::Descriptor;

constexpr std::uint32_t zones = 40;
constexpr std::uint32_t zone_blocks = 1024;
constexpr std::uint32_t block = 4096;

/// Answers as a zoned namespace of 40 zones. A test can change each answer.
class SimulatedDevice final : public Port {
  public:
    SimulatedDevice() {
        data[0x01] = Bytes().text(4, "serial").text(24, "model").put(77, 5, 1);
        data[0x03] = Bytes().put(0, 4, 1).put(1, 1, 1).put(4, 2, 1);
        data[0x00] = test::namespace_data(std::uint64_t{zones} * zone_blocks, 12);
        data[0x05] = test::zoned_data(zone_blocks, 9, 5);
        data[0x06] = Bytes().put(0, 3, 1);
    }

    Answer identify(std::uint8_t cns, std::uint8_t, std::span<std::uint8_t> out) override {
        if (const auto failure = failures.find(cns); failure != failures.end())
            return {failure->second, 0};
        const auto& bytes = data.at(cns).all();
        std::copy(bytes.begin(), bytes.end(), out.begin());
        return {};
    }

    Answer send(const zns::Command& command, std::span<std::uint8_t> out) override {
        EXPECT_EQ(command.opcode, 0x7A);
        EXPECT_EQ((command.cdw12 + 1) * 4, out.size());
        ++reports;
        if (report_failure != 0) return {report_failure, 0};
        Bytes bytes(out.size());
        const auto room = (out.size() - 64) / 64;
        const auto first = command.cdw10 / zone_blocks;
        const auto count = std::min<std::size_t>(room, zones - first);
        bytes.put(0, count, 8);
        for (std::size_t i = 0; i < count; ++i) {
            const auto start = (first + i) * zone_blocks;
            Descriptor zone{1, start, 1000, start};
            spoil(first + i, zone);
            test::describe(bytes, 64 + i * 64, zone);
        }
        spoil_report(bytes);
        std::copy(bytes.all().begin(), bytes.all().end(), out.begin());
        return {};
    }

    std::uint32_t nsid() const noexcept override { return 1; }

    std::map<std::uint8_t, Bytes> data;
    std::map<std::uint8_t, std::int32_t> failures;
    std::int32_t report_failure = 0;
    int reports = 0;
    std::function<void(std::size_t, Descriptor&)> spoil = [](auto, auto&) {};
    std::function<void(Bytes&)> spoil_report = [](auto&) {};
};

class NvmeDiscovery : public ::testing::Test {
  protected:
    tl::expected<Discovery, Error> found() { return discover(device, "/dev/ng0n1", host); }
    std::string refusal() {
        const auto result = found();
        if (result) return "accepted";
        EXPECT_EQ(result.error().message.find("/dev/ng0n1: "), 0U) << result.error().message;
        return result.error().message;
    }
    void expect_refusal(std::string_view words) {
        const auto message = refusal();
        EXPECT_NE(message.find(words), std::string::npos) << message;
    }

    SimulatedDevice device;
    zns::HostBounds host{.max_transfer = 1 << 20, .max_segments = 128};
};

TEST_F(NvmeDiscovery, AZonedNamespaceIsDiscovered) {
    const auto result = found();
    ASSERT_TRUE(result) << result.error().message;
    const auto& limits = result->limits;
    EXPECT_EQ(limits.model, Model::host_managed);
    EXPECT_EQ(limits.layout.zone_count(), zones);
    EXPECT_EQ(limits.layout.zone_size(), zone_blocks * std::uint64_t{block});
    EXPECT_EQ(limits.layout.zone_capacity(), 1000 * std::uint64_t{block});
    EXPECT_EQ(limits.max_transfer, 128U << 10);
    EXPECT_EQ(limits.max_append, 32U << 10);
    EXPECT_EQ(limits.max_open, 6U);
    EXPECT_EQ(limits.max_active, 10U);
    EXPECT_FALSE(limits.read_only);
    EXPECT_EQ(result->controller.model, "model");
    EXPECT_EQ(device.reports, 1);
}

TEST_F(NvmeDiscovery, ReportsAreReadInStepsOfTheTransferSize) {
    host.max_transfer = block;  // room for 63 descriptors
    device.data[0x00] = test::namespace_data(std::uint64_t{zones} * zone_blocks, 9);
    host.max_transfer = 512;  // room for 7 descriptors
    const auto result = found();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->limits.layout.zone_count(), zones);
    EXPECT_EQ(device.reports, 6);
}

TEST_F(NvmeDiscovery, AnOrdinaryNamespaceHasNoZones) {
    device.data[0x03] = Bytes().put(0, 4, 1).put(1, 1, 1);
    const auto result = found();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->limits.model, Model::none);
    EXPECT_EQ(result->limits.layout.zone_count(), 0U);
    EXPECT_EQ(result->limits.size(), std::uint64_t{zones} * zone_blocks * block);
    EXPECT_EQ(device.reports, 0);
}

TEST_F(NvmeDiscovery, AControllerThatKnowsNoCommandSetsHasAnOrdinaryNamespace) {
    device.failures[0x03] = 0x4002;
    device.failures[0x05] = 0x4002;
    const auto result = found();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->limits.model, Model::none);
    // Also a controller that returns an empty structure.
    device.failures.erase(0x05);
    device.data[0x05] = Bytes();
    ASSERT_TRUE(found());
}

TEST_F(NvmeDiscovery, AProcessThatMayNotAskForTheCommandSetStillFindsTheZones) {
    device.failures[0x03] = -EACCES;
    const auto result = found();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->limits.model, Model::host_managed);
}

TEST_F(NvmeDiscovery, AWriteProtectedNamespaceIsReadOnly) {
    device.data[0x00].put(99, 1, 1);
    const auto result = found();
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->limits.read_only);
}

TEST_F(NvmeDiscovery, OtherCommandSetsAreRefusedByName) {
    device.data[0x03].put(4, 1, 1);
    expect_refusal("Key Value namespace");
    device.data[0x03].put(4, 7, 1);
    expect_refusal("command set 7");
}

TEST_F(NvmeDiscovery, FailuresAreReportedWithTheReason) {
    device.report_failure = 0x4002;
    expect_refusal("for its zones: Invalid Field in Command (NVMe status 0/02)");
    device.failures[0x06] = -EACCES;
    expect_refusal("how long an append may be: the kernel does not let this process");
    device.failures[0x00] = 0x400B;
    expect_refusal("Invalid Namespace or Format");
    device.failures[0x01] = -ENODEV;
    const auto gone = found();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, StatusCode::device_gone);
    EXPECT_EQ(gone.error().cause, NativeCause::os_error(ENODEV));
}

TEST_F(NvmeDiscovery, InvalidZonesAreRefused) {
    const auto spoiled = [&](std::size_t which, std::function<void(Descriptor&)> change) {
        device.spoil = [=](std::size_t zone, Descriptor& descriptor) {
            if (zone == which) change(descriptor);
        };
    };
    spoiled(3, [](auto& zone) { zone.start = 2 * zone_blocks; });
    expect_refusal("overlaps");
    spoiled(3, [](auto& zone) { zone.start = 4 * zone_blocks; });
    expect_refusal("hole");
    spoiled(0, [](auto& zone) { zone.start = 7; });
    expect_refusal("hole");
    spoiled(39, [](auto& zone) { zone.capacity = zone_blocks + 1; });
    expect_refusal("capacity");
    spoiled(0, [](auto& zone) { zone.capacity = 0; });
    expect_refusal("no capacity");
    spoiled(1, [](auto& zone) { zone.capacity = 999; });
    expect_refusal("differs");
    spoiled(5, [](auto& zone) {
        zone.state = 2;
        zone.pointer = 0;
    });
    expect_refusal("write pointer");
    spoiled(5, [](auto& zone) { zone.state = 9; });
    expect_refusal("state");
    spoiled(5, [](auto& zone) { zone.start = ~std::uint64_t{0}; });
    expect_refusal("past the end");
}

TEST_F(NvmeDiscovery, ReportsOfAWrongLengthNeitherHangNorGiveWrongZones) {
    device.spoil_report = [](Bytes& bytes) { bytes.put(0, 0, 8); };
    expect_refusal("no zone from byte 0 on");
    EXPECT_EQ(device.reports, 1);
    // More zones than there are: the rest of the report holds no zones.
    device.spoil_report = [](Bytes& bytes) { bytes.put(0, ~std::uint64_t{0}, 8); };
    expect_refusal("the device's zone report is invalid");
    // One zone at a time is slow but valid.
    device.spoil_report = [](Bytes& bytes) { bytes.put(0, 1, 8); };
    EXPECT_TRUE(found());
}

TEST_F(NvmeDiscovery, InvalidSizesAreRefused) {
    device.data[0x05] = test::zoned_data(std::uint64_t{zones} * zone_blocks + 1);
    expect_refusal("a zone has 40961 blocks");
    device.data[0x05] = test::zoned_data(1);
    device.data[0x00] = test::namespace_data(std::uint64_t{1} << 40, 9);
    expect_refusal("zones can't be used");
    device.data[0x05] = test::zoned_data(0);
    expect_refusal("zones have no size");
    device.data[0x05] = test::zoned_data(zone_blocks, 1, 2);
    expect_refusal("3 zones may be open, and 2 active");
}

}  // namespace
}  // namespace zonebridge::nvme
