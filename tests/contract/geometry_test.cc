// A device's limits, its identity, and the reports of its zones.
#include <algorithm>
#include <bit>

#include "tests/contract/fixture.h"

namespace zonebridge::contract {
namespace {

class Geometry : public Contract {};
class Reports : public ZonedContract {};

TEST_F(Geometry, LimitsAgreeWithEachOther) {
    const auto& is = limits();
    EXPECT_FALSE(is.read_only);
    EXPECT_GT(is.size(), 0U);
    EXPECT_TRUE(std::has_single_bit(is.logical_block_size)) << is.logical_block_size;
    EXPECT_TRUE(std::has_single_bit(is.physical_block_size)) << is.physical_block_size;
    EXPECT_GE(is.logical_block_size, 512U);
    EXPECT_GE(is.physical_block_size, is.logical_block_size);
    EXPECT_EQ(is.size() % is.logical_block_size, 0U);
    EXPECT_GE(is.max_transfer, is.physical_block_size);
    EXPECT_EQ(is.max_transfer % is.logical_block_size, 0U);
    EXPECT_GE(is.max_segments, 1U);
    EXPECT_EQ(is.append == Support::absent, is.max_append == 0);
    EXPECT_EQ(zoned(), is.model != Model::none);
    if (!zoned()) return;
    EXPECT_EQ(is.model == Model::host_managed, required());
    EXPECT_EQ(layout().zone_size() % is.physical_block_size, 0U);
    EXPECT_EQ(layout().zone_capacity() % is.logical_block_size, 0U);
    EXPECT_GT(layout().zone_capacity(), 0U);
    EXPECT_LE(layout().zone_capacity(), layout().zone_size());
    if (required()) {
        EXPECT_NE(is.append, Support::absent) << "what the hardware lacks is made up";
    }
    if (appends()) {
        EXPECT_GE(is.max_append, is.physical_block_size);
    }
    if (is.max_open) {
        EXPECT_GE(*is.max_open, 1U);
    }
    if (is.max_active) {
        EXPECT_GE(*is.max_active, is.max_open.value_or(1));
    }
}

TEST_F(Geometry, TheDeviceSaysWhoItIsAndWhyItWasReachedThisWay) {
    const auto before = transport().identity();
    EXPECT_FALSE(before.path.empty());
    EXPECT_FALSE(before.transport.empty());
    EXPECT_FALSE(before.reason.empty());
    open();
    const auto& after = transport().identity();
    EXPECT_EQ(after.unique_id, before.unique_id);
    EXPECT_EQ(after.serial, before.serial);
    EXPECT_EQ(after.transport, before.transport);
    EXPECT_EQ(after.data_path, before.data_path);
}

TEST_F(Geometry, ADeviceWithoutZonesRefusesZoneOperations) {
    if (zoned()) GTEST_SKIP() << "the device has zones";
    std::array<Zone, 2> room;
    EXPECT_EQ(
        disk().run(Request{.operation = Operation::report, .data = {}, .zones = room}).status.code,
        StatusCode::unsupported);
    for (const auto action :
         {Operation::open, Operation::close, Operation::finish, Operation::reset}) {
        EXPECT_EQ(disk().act(action, 0, limits().size()).status.code, StatusCode::unsupported);
        EXPECT_EQ(disk().act_all(action).code, StatusCode::unsupported);
    }
    EXPECT_EQ(disk().append(0, Bytes(unit())).status.code, StatusCode::unsupported);
}

TEST_F(Reports, OfAllZonesAreTheLayout) {
    const auto found = disk().report(layout().zone_count() + 3);
    ASSERT_EQ(found.size(), layout().zone_count());
    std::uint64_t position = 0;
    for (std::uint32_t i = 0; i < found.size(); ++i) {
        SCOPED_TRACE(i);
        const auto& each = found[i];
        EXPECT_EQ(each.start, position);
        EXPECT_EQ(each.length, layout().length_of(i));
        EXPECT_EQ(each.type, layout().type_of(i));
        const auto sound = std::find(zones().begin(), zones().end(), i) != zones().end();
        if (sound || layout().is_conventional(i)) {
            EXPECT_EQ(each.capacity, layout().capacity_of(i));
        }
        if (layout().is_conventional(i)) {
            EXPECT_EQ(each.state, ZoneState::not_write_pointer);
            EXPECT_FALSE(each.write_pointer);
        } else if (sound) {
            EXPECT_EQ(each.state, ZoneState::empty);
            EXPECT_EQ(each.write_pointer, each.start);
        }
        position += each.length;
    }
    EXPECT_EQ(position, limits().size());
}

TEST_F(Reports, OfOneZoneAreThatOfAll) {
    const auto all = report();
    for (std::uint32_t i = 0; i < all.size(); i += i < 8 || i + 9 >= all.size() ? 1 : 7) {
        const auto one = disk().report(1, start(i));
        ASSERT_EQ(one.size(), 1U);
        EXPECT_EQ(one[0], all[i]) << i;
    }
}

TEST_F(Reports, MayBeginInsideAZone) {
    const auto all = report();
    for (const std::uint32_t i : {0U, layout().zone_count() / 2, layout().zone_count() - 1}) {
        for (const auto within : {limits().logical_block_size + 0UL, layout().length_of(i) / 2,
                                  layout().length_of(i) - 1}) {
            const auto found = disk().report(3, start(i) + within);
            ASSERT_EQ(found.size(), std::min<std::size_t>(3, all.size() - i)) << i;
            for (std::size_t k = 0; k < found.size(); ++k) EXPECT_EQ(found[k], all[i + k]) << i;
        }
    }
}

TEST_F(Reports, PastTheEndAreRefused) {
    std::array<Zone, 2> room;
    for (const auto past : {limits().size(), limits().size() + layout().zone_size(), ~0UL}) {
        const auto done = disk().run(
            Request{.operation = Operation::report, .offset = past, .data = {}, .zones = room});
        EXPECT_EQ(done.status.code, StatusCode::out_of_range) << past;
        EXPECT_EQ(done.result, 0U);
    }
}

TEST_F(Reports, WithoutRoomAreEmpty) {
    const auto done = disk().run(Request{.operation = Operation::report, .data = {}, .zones = {}});
    EXPECT_EQ(done.status.code, StatusCode::ok);
    EXPECT_EQ(done.result, 0U);
}

TEST_F(Reports, ManyAtOnceAllAnswer) {
    const auto all = report();
    std::vector<std::vector<Zone>> rooms(24, std::vector<Zone>(2));
    std::vector<Request> requests;
    for (std::size_t i = 0; i < rooms.size(); ++i)
        requests.push_back({.operation = Operation::report,
                            .offset = start(static_cast<std::uint32_t>(i % all.size())),
                            .data = {},
                            .zones = rooms[i]});
    const auto done = disk().run(requests);
    for (std::size_t i = 0; i < rooms.size(); ++i) {
        EXPECT_EQ(done[i].status.code, StatusCode::ok);
        EXPECT_EQ(rooms[i][0], all[i % all.size()]);
    }
}

}  // namespace
}  // namespace zonebridge::contract
