// Requests of one zone without errors: their order, which of them join, and which requests reach
// the device.
#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

TEST(Sequence, ReturnsADeviceWithoutSequentialWriteRequiredZonesUnchanged) {
    for (const auto model : {Model::none, Model::host_aware}) {
        auto disk = std::make_unique<MachineDisk>(MachineDiskShape{.model = model});
        const auto* before = disk.get();
        EXPECT_EQ(sequence(std::move(disk))->get(), before);
    }
    auto disk = std::make_unique<MachineDisk>(MachineDiskShape{.zones = 4, .conventional = 4});
    const auto* before = disk.get();
    EXPECT_EQ(sequence(std::move(disk))->get(), before);
}

TEST(Sequence, ReportsAppendAsEmulatedIfTheDeviceHasNone) {
    Memory memory;
    const auto& limits = memory.transport->limits();
    EXPECT_EQ(limits.append, Support::emulated);
    EXPECT_EQ(limits.max_append, 32U << 10);
    EXPECT_EQ(memory.transport->identity().transport, "memory");

    Memory small({.zone_capacity = 12 << 10});
    EXPECT_EQ(small.transport->limits().max_append, 12U << 10);

    Memory native({}, Support::native);
    EXPECT_EQ(native.transport->limits().append, Support::native);
}

TEST(Order, AppendsJoinIntoOneWrite) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    std::vector<std::uint64_t> tags;
    for (std::uint64_t i = 0; i < 6; ++i) tags.push_back(user.submit(user.append(3, block, i + 1)));
    for (std::uint64_t i = 0; i < 6; ++i) {
        const auto completion = user.wait(tags[i]);
        EXPECT_TRUE(completion.status.ok());
        EXPECT_EQ(completion.result, start + i * block);
        EXPECT_EQ(user.stamp_at(start + i * block, block), i + 1);
    }
    EXPECT_EQ(memory.bare->writes, 1U);
    EXPECT_EQ(memory.bare->reports, 1U);
    EXPECT_EQ(memory.bare->appends, 0U);
}

TEST(Order, RequestsThatWaitBehindAWriteJoin) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.append(3, block, 1)).status.ok());
    memory.bare->held = BareDevice::Held::writes;
    const auto first = user.submit(user.append(3, block, 2));
    user.turns(3);
    std::vector<std::uint64_t> tags;
    for (std::uint64_t i = 0; i < 5; ++i) tags.push_back(user.submit(user.append(3, block, i + 3)));
    user.turns(3);
    EXPECT_EQ(memory.bare->writes, 2U);
    memory.bare->held = BareDevice::Held::none;
    user.wait(first);
    for (std::uint64_t i = 0; i < 5; ++i)
        EXPECT_EQ(user.wait(tags[i]).result, start + (i + 2) * block);
    EXPECT_EQ(memory.bare->writes, 3U);
    EXPECT_EQ(memory.bare->reports, 1U);
}

TEST(Order, ContiguousWritesAndAppendsJoin) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    const auto a = user.submit(user.write(start, block, 1));
    const auto b = user.submit(user.append(3, 2 * block, 2));
    const auto c = user.submit(user.write(start + 3 * block, block, 3));
    const auto hole = user.submit(user.write(start + 5 * block, block, 4));
    const auto d = user.submit(user.append(3, block, 5));
    EXPECT_TRUE(user.wait(a).status.ok());
    EXPECT_EQ(user.wait(b).result, start + block);
    EXPECT_TRUE(user.wait(c).status.ok());
    EXPECT_EQ(user.wait(hole).status.code, StatusCode::unaligned_write);
    EXPECT_EQ(user.wait(d).result, start + 4 * block);
    EXPECT_EQ(memory.bare->writes, 2U);
    EXPECT_EQ(user.stamp_at(start + 3 * block, block), 3U);
    EXPECT_EQ(user.stamp_at(start + 4 * block, block), 5U);
}

TEST(Order, JoinsNoMoreThanOneTransferHolds) {
    Memory memory;  // 8 blocks, 16 segments
    User user(*memory.transport, memory.loop);
    for (std::uint64_t i = 0; i < 16; ++i) user.submit(user.append(3, block, i + 1));
    user.turns(10);
    EXPECT_EQ(memory.bare->writes, 2U);
    for (const auto& taken : memory.disk->taken) EXPECT_LE(taken.length, 8 * block);
}

TEST(Order, JoinsNoMoreThanTheSegmentsAllow) {
    Memory memory({.max_segments = 3});
    User user(*memory.transport, memory.loop);
    for (std::uint64_t i = 0; i < 7; ++i) user.submit(user.append(3, block, i + 1));
    user.turns(12);
    EXPECT_EQ(memory.bare->writes, 3U);
    for (const auto& taken : memory.disk->taken) EXPECT_LE(taken.segments, 3U);
    EXPECT_EQ(user.stamp_at(start + 6 * block, block), 7U);
}

TEST(Order, FuaWritesNeverJoinPlainWrites) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    user.submit(user.append(3, block, 1));
    user.submit(user.append(3, block, 2));
    user.submit_fua(user.append(3, block, 3));
    user.submit_fua(user.append(3, block, 4));
    user.submit(user.append(3, block, 5));
    user.turns(12);
    std::vector<std::pair<bool, std::uint64_t>> writes;
    for (const auto& taken : memory.disk->taken)
        if (taken.operation == Operation::write) writes.emplace_back(taken.fua, taken.length);
    const std::vector<std::pair<bool, std::uint64_t>> expected{
        {false, 2 * block}, {true, 2 * block}, {false, block}};
    EXPECT_EQ(writes, expected);
}

TEST(Order, ReapingIssuesNothing) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.append(3, block, 1)).status.ok());
    user.submit(user.append(3, block, 2));
    user.submit_fua(user.append(3, block, 3));
    user.turn();
    EXPECT_EQ(memory.bare->writes, 2U);
    user.reap();
    user.reap();
    EXPECT_EQ(memory.bare->writes, 2U);
    user.turn();
    EXPECT_EQ(memory.bare->writes, 3U);
}

TEST(Order, WritesOfDifferentZonesAreInFlightTogether) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    memory.bare->held = BareDevice::Held::writes;
    for (std::uint32_t zone = 2; zone < 16; ++zone) user.submit(user.append(zone, block, zone));
    user.turns(4);
    EXPECT_EQ(memory.bare->writes, 14U);
    memory.bare->held = BareDevice::Held::none;
}

TEST(Order, RequestsThatNeedNoOrderDoNotWait) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    memory.bare->held = BareDevice::Held::writes;
    const auto append = user.submit(user.append(3, block, 1));
    user.turns(3);
    EXPECT_TRUE(user.run(user.read(start, block)).status.ok());
    EXPECT_EQ(user.describe(3).state, ZoneState::empty);
    Request flush;
    flush.operation = Operation::flush;
    EXPECT_TRUE(user.run(flush).status.ok());
    const auto conventional = user.submit(user.write(block, block, 9));
    user.turns(2);
    EXPECT_EQ(memory.bare->writes, 2U);
    EXPECT_FALSE(user.is_done(append));
    memory.bare->held = BareDevice::Held::none;
    EXPECT_TRUE(user.wait(conventional).status.ok());
    EXPECT_TRUE(user.wait(append).status.ok());
    EXPECT_EQ(user.stamp_at(block, block), 9U);
}

TEST(Order, AWriteThatMissesThePointerIsRefusedWithoutBeingIssued) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.write(start, block, 1)).status.ok());
    const auto writes = memory.bare->writes.load();
    EXPECT_EQ(user.code(user.write(start, block, 2)), StatusCode::unaligned_write);
    EXPECT_EQ(user.code(user.write(start + 2 * block, block, 2)), StatusCode::unaligned_write);
    EXPECT_EQ(memory.bare->writes, writes);
    EXPECT_EQ(user.stamp_at(start, block), 1U);
}

TEST(Order, AZoneChangedByAnotherProgramIsReportedBeforeARefusal) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.write(start, block, 1)).status.ok());
    ASSERT_EQ(memory.disk->machine().act(Operation::reset, 3), StatusCode::ok);
    EXPECT_TRUE(user.run(user.write(start, block, 2)).status.ok());
    EXPECT_EQ(user.stamp_at(start, block), 2U);
}

TEST(Order, AnAppendThatDoesNotFitIsRefusedAndALaterSmallerOneSucceeds) {
    Memory memory({.zone_capacity = 5 * block});
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.append(3, 3 * block, 1)).status.ok());
    const auto large = user.submit(user.append(3, 3 * block, 2));
    const auto small = user.submit(user.append(3, 2 * block, 3));
    const auto after = user.submit(user.append(3, block, 4));
    EXPECT_EQ(user.wait(large).status.code, StatusCode::crosses_boundary);
    EXPECT_EQ(user.wait(small).result, start + 3 * block);
    EXPECT_EQ(user.wait(after).status.code, StatusCode::zone_full);
    EXPECT_EQ(user.code(user.write(start, block, 5)), StatusCode::zone_full);
}

TEST(Order, ActionsKeepTheirPlaceAmongWrites) {
    Memory memory;
    memory.bare->most_turns = 3;
    User user(*memory.transport, memory.loop);
    const auto a = user.submit(user.append(3, block, 1));
    const auto b = user.submit(user.append(3, block, 2));
    const auto reset = user.submit(user.act(Operation::reset, 3));
    const auto c = user.submit(user.append(3, block, 3));
    const auto finish = user.submit(user.act(Operation::finish, 3));
    const auto d = user.submit(user.append(3, block, 4));
    EXPECT_EQ(user.wait(d).status.code, StatusCode::zone_full);
    EXPECT_EQ(user.wait(a).result, start);
    EXPECT_EQ(user.wait(b).result, start + block);
    EXPECT_EQ(user.wait(reset).result, 1U);
    EXPECT_EQ(user.wait(c).result, start);
    EXPECT_TRUE(user.wait(finish).status.ok());
    EXPECT_EQ(user.stamp_at(start, block), 3U);
    EXPECT_EQ(memory.bare->collisions, 0U);
}

TEST(Order, AResetNeedsNoReportAfterwards) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.act(Operation::reset, 3)).status.ok());
    EXPECT_TRUE(user.run(user.write(start, block, 1)).status.ok());
    EXPECT_EQ(memory.bare->reports, 0U);
}

TEST(Order, QueuesOfOneLoopShareTheOrderOfAZone) {
    Memory memory;
    User one(*memory.transport, memory.loop);
    User two(*memory.transport, memory.loop);
    std::vector<std::pair<User*, std::uint64_t>> tags;
    for (std::uint64_t i = 0; i < 8; ++i) {
        auto& user = i % 2 == 0 ? one : two;
        tags.emplace_back(&user, user.submit(user.append(3, block, i + 1)));
    }
    for (int i = 0; i < 10; ++i) {
        one.turn();
        two.turn();
    }
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_EQ(tags[i].first->wait(tags[i].second).result, start + i * block);
    EXPECT_EQ(memory.bare->writes, 1U);
}

}  // namespace
}  // namespace zonebridge::test
