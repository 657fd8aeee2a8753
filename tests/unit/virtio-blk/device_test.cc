// Requests of a driver and their statuses.

#include <gtest/gtest.h>

#include "tests/unit/virtio-blk/bench.h"

namespace zonebridge::virtio_blk {
namespace {

TEST(BlkDevice, WritesAndReads) {
    Bench bench;
    const auto data = pattern(8192);
    const auto written =
        bench.run({.type = blk::out, .sector = Bench::sector(zone), .data_out = data});
    EXPECT_EQ(written.status, blk::ok);
    EXPECT_EQ(written.used_length, 1U);
    const auto read = bench.read(Bench::sector(zone), 8192);
    EXPECT_EQ(read.status, blk::ok);
    EXPECT_EQ(read.used_length, 8193U) << "data and status";
    EXPECT_EQ(read.data, data);
    EXPECT_EQ(bench.act(blk::flush, 0), blk::ok);
    ASSERT_EQ(bench.disk.taken.size(), 3U);
    EXPECT_EQ(bench.disk.taken[0].segments, 1U) << "the guest's own buffer, without a copy";
    EXPECT_FALSE(bench.disk.taken[0].fua);
    EXPECT_EQ(bench.disk.taken[2].operation, Operation::flush);
}

TEST(BlkDevice, WorksHoweverTheChainIsSplit) {
    const auto data = pattern(4096);
    for (std::size_t out_cut = 1; out_cut < 16 + 4096; out_cut += out_cut < 20 ? 1 : 509)
        for (const std::size_t in_cut : {1, 7, 8, 9, 15}) {
            Bench bench;
            const auto answer = bench.run({.type = blk::append,
                                           .sector = Bench::sector(zone),
                                           .data_out = data,
                                           .tail = blk::append_tail_linux},
                                          out_cut, in_cut);
            ASSERT_EQ(answer.status, blk::ok) << out_cut << " " << in_cut;
            ASSERT_EQ(answer.append_sector, Bench::sector(zone));
            const auto read =
                bench.run({.type = blk::in, .sector = Bench::sector(zone), .data_in_length = 4096},
                          std::min<std::size_t>(out_cut, 15), std::min<std::size_t>(out_cut, 4096));
            ASSERT_EQ(read.status, blk::ok);
            ASSERT_EQ(read.data, data) << out_cut << " " << in_cut;
        }
}

TEST(BlkDevice, AnAppendReturnsItsSectorForEitherTailLength) {
    Bench bench;
    for (unsigned i = 0; i < 4; ++i) {
        const auto tail = i % 2 == 0 ? blk::append_tail : blk::append_tail_linux;
        const auto answer = bench.append(Bench::sector(zone), pattern(4096, i), tail);
        EXPECT_EQ(answer.status, blk::ok);
        EXPECT_EQ(answer.append_sector, Bench::sector(zone) + i * 8);
        EXPECT_EQ(answer.used_length, tail);
        EXPECT_EQ(bench.read(answer.append_sector, 4096).data, pattern(4096, i));
    }
}

TEST(BlkDevice, AnAppendIsUnsupportedOnADiskWithoutAppend) {
    Bench bench({}, {.zoned = true, .write_through = false}, Support::absent);
    EXPECT_EQ(bench.append(Bench::sector(zone), pattern(4096)).status, blk::unsupported);
}

TEST(BlkDevice, ZonesGoThroughTheirStates) {
    Bench bench({.max_open = 3});
    const auto state = [&] { return bench.disk.machine().state(zone); };
    const auto at = Bench::sector(zone);
    EXPECT_EQ(bench.act(blk::reset, at), blk::ok) << "no change";
    EXPECT_EQ(bench.act(blk::open, at), blk::ok);
    EXPECT_EQ(state(), ZoneState::explicit_open);
    EXPECT_EQ(bench.act(blk::open, at), blk::ok) << "no change";
    EXPECT_EQ(bench.act(blk::close, at), blk::ok);
    EXPECT_EQ(state(), ZoneState::empty);
    EXPECT_EQ(bench.write(at, pattern(4096)), blk::ok);
    EXPECT_EQ(state(), ZoneState::implicit_open);
    EXPECT_EQ(bench.act(blk::close, at), blk::ok);
    EXPECT_EQ(bench.act(blk::close, at), blk::ok) << "no change";
    EXPECT_EQ(state(), ZoneState::closed);
    EXPECT_EQ(bench.act(blk::finish, at), blk::ok);
    EXPECT_EQ(bench.act(blk::finish, at), blk::ok) << "no change";
    EXPECT_EQ(state(), ZoneState::full);
    EXPECT_EQ(bench.act(blk::reset, at), blk::ok);
    EXPECT_EQ(state(), ZoneState::empty);
    for (std::uint32_t i = 0; i < 3; ++i)
        EXPECT_EQ(bench.write(Bench::sector(zone + i), pattern(4096)), blk::ok);
    EXPECT_EQ(bench.act(blk::reset_all, 12345), blk::ok) << "the sector is ignored";
    EXPECT_EQ(bench.disk.machine().active_count(), 0U);
}

TEST(BlkDevice, ViolationsOfZoneRulesHaveTheirStatus) {
    Bench bench({.zone_capacity = 48 << 10});
    const auto at = Bench::sector(zone);
    ASSERT_EQ(bench.write(at, pattern(4096)), blk::ok);
    // Not at the write pointer, or not whole physical blocks.
    EXPECT_EQ(bench.write(at, pattern(4096)), blk::unaligned);
    EXPECT_EQ(bench.write(at + 16, pattern(4096)), blk::unaligned);
    EXPECT_EQ(bench.write(at + 8, pattern(512)), blk::unaligned);
    EXPECT_EQ(bench.append(at, pattern(512)).status, blk::unaligned);
    EXPECT_EQ(bench.append(at, pattern(100)).status, blk::unaligned);
    // Actions and appends on zones without a pointer, or not at a zone's start.
    for (const auto type : {blk::open, blk::close, blk::finish, blk::reset}) {
        EXPECT_EQ(bench.act(type, 0), blk::invalid) << type;
        EXPECT_EQ(bench.act(type, at + 8), blk::invalid) << type;
        EXPECT_EQ(bench.act(type, bench.config.capacity), blk::invalid) << type;
    }
    EXPECT_EQ(bench.append(0, pattern(4096)).status, blk::invalid);
    EXPECT_EQ(bench.append(at + 8, pattern(4096)).status, blk::invalid);
    EXPECT_EQ(bench.append(bench.config.capacity, pattern(4096)).status, blk::invalid);
    // Too long, beyond the capacity, across zones, an invalid transition.
    EXPECT_EQ(bench.append(at, pattern(bench.config.max_append_sectors * 512 + 4096)).status,
              blk::invalid);
    EXPECT_EQ(bench.write(at + 95, pattern(4096)), blk::invalid) << "beyond the capacity";
    EXPECT_EQ(bench.write(Bench::sector(zone + 1) - 8, pattern(8192)), blk::invalid);
    EXPECT_EQ(bench.read(Bench::sector(zone + 1) - 8, 8192).status, blk::invalid);
    EXPECT_EQ(bench.read(Bench::sector(1) - 8, 8192).status, blk::ok) << "both conventional";
    EXPECT_EQ(bench.act(blk::close, Bench::sector(zone + 1)), blk::invalid) << "empty";
    ASSERT_EQ(bench.act(blk::finish, at), blk::ok);
    EXPECT_EQ(bench.act(blk::open, at), blk::invalid) << "full";
    EXPECT_EQ(bench.write(at + 8, pattern(4096)), blk::invalid) << "full";
    bench.disk.broken[zone + 2] = ZoneState::read_only;
    bench.disk.broken[zone + 3] = ZoneState::offline;
    EXPECT_EQ(bench.write(Bench::sector(zone + 2), pattern(4096)), blk::invalid);
    EXPECT_EQ(bench.act(blk::reset, Bench::sector(zone + 2)), blk::invalid);
    EXPECT_EQ(bench.read(Bench::sector(zone + 3), 4096).status, blk::invalid);
    // Errors that do not concern zones are I/O errors.
    EXPECT_EQ(bench.read(bench.config.capacity, 4096).status, blk::io_error);
    EXPECT_EQ(bench.read(~std::uint64_t{0}, 4096).status, blk::io_error);
    EXPECT_EQ(bench.read(bench.config.capacity - 1, 4096).status, blk::io_error);
    EXPECT_EQ(bench.read(0, 100).status, blk::io_error);
    EXPECT_EQ(bench.read(0, 0).status, blk::io_error);
    bench.disk.fail_next = StatusCode::media_error;
    EXPECT_EQ(bench.read(0, 4096).status, blk::io_error);
}

TEST(BlkDevice, OpenAndActiveLimitsHaveTheirOwnStatuses) {
    Bench open({.max_open = 2, .max_active = 4});
    for (std::uint32_t i = 0; i < 2; ++i)
        EXPECT_EQ(open.act(blk::open, Bench::sector(zone + i)), blk::ok);
    EXPECT_EQ(open.act(blk::open, Bench::sector(zone + 2)), blk::open_resource);
    EXPECT_EQ(open.write(Bench::sector(zone + 2), pattern(4096)), blk::open_resource);
    EXPECT_EQ(open.append(Bench::sector(zone + 2), pattern(4096)).status, blk::open_resource);

    Bench active({.max_open = 2, .max_active = 2});
    for (std::uint32_t i = 0; i < 2; ++i)
        EXPECT_EQ(active.act(blk::open, Bench::sector(zone + i)), blk::ok);
    EXPECT_EQ(active.act(blk::open, Bench::sector(zone + 2)), blk::active_resource)
        << "both limits are reached: the active limit is reported";
    EXPECT_EQ(active.write(Bench::sector(zone + 2), pattern(4096)), blk::active_resource);
}

TEST(BlkDevice, WithoutAVolatileCacheEveryWriteIsDurable) {
    Bench native({}, {.zoned = true, .write_through = true});
    EXPECT_EQ(native.write(Bench::sector(zone), pattern(4096)), blk::ok);
    EXPECT_EQ(native.append(Bench::sector(zone), pattern(4096)).status, blk::ok);
    for (const auto& taken : native.disk.taken) EXPECT_TRUE(taken.fua);

    Bench flushed({.fua = Support::absent}, {.zoned = true, .write_through = true});
    EXPECT_EQ(flushed.write(Bench::sector(zone), pattern(4096)), blk::ok);
    const auto appended = flushed.append(Bench::sector(zone), pattern(4096));
    EXPECT_EQ(appended.status, blk::ok);
    EXPECT_EQ(appended.append_sector, Bench::sector(zone) + 8)
        << "the sector of the append, not of the flush";
    EXPECT_EQ(flushed.read(Bench::sector(zone), 4096).status, blk::ok);
    std::vector<Operation> taken;
    for (const auto& one : flushed.disk.taken) taken.push_back(one.operation);
    EXPECT_EQ(taken, (std::vector{Operation::write, Operation::flush, Operation::append,
                                  Operation::flush, Operation::read}));
    // A refused write is not flushed; a failed flush fails the write.
    EXPECT_EQ(flushed.write(Bench::sector(zone), pattern(4096)), blk::unaligned);
    EXPECT_EQ(flushed.disk.taken.back().operation, Operation::write);
    const auto queued = flushed.add(
        {.type = blk::out, .sector = Bench::sector(zone) + 16, .data_out = pattern(4096)});
    ASSERT_TRUE(flushed.device->take(0));
    flushed.disk.fail_next = StatusCode::io_error;  // fails the flush
    flushed.turn();
    ASSERT_TRUE(flushed.ring.ring->take_used());
    EXPECT_EQ(Bench::answer_of(queued, 0).status, blk::io_error);
}

TEST(BlkDevice, WithoutAVolatileCacheEveryZoneActionIsDurable) {
    Bench bench({}, {.zoned = true, .write_through = true});
    const auto at = Bench::sector(zone);
    const std::pair<std::uint32_t, Operation> actions[] = {{blk::open, Operation::open},
                                                           {blk::close, Operation::close},
                                                           {blk::finish, Operation::finish},
                                                           {blk::reset, Operation::reset},
                                                           {blk::reset_all, Operation::reset}};
    for (const auto& [type, operation] : actions) {
        bench.disk.taken.clear();
        ASSERT_EQ(bench.act(type, at), blk::ok) << type;
        ASSERT_EQ(bench.disk.taken.size(), 2U) << type;
        EXPECT_EQ(bench.disk.taken[0].operation, operation);
        EXPECT_EQ(bench.disk.taken[1].operation, Operation::flush);
    }
    // A refused action is not flushed; a failed flush fails the action.
    bench.disk.taken.clear();
    EXPECT_EQ(bench.act(blk::close, at), blk::invalid) << "the zone is empty";
    EXPECT_EQ(bench.disk.taken.size(), 1U);
    const auto queued = bench.add({.type = blk::open, .sector = at});
    ASSERT_TRUE(bench.device->take(0));
    bench.disk.fail_next = StatusCode::io_error;  // fails the flush
    bench.turn();
    ASSERT_TRUE(bench.ring.ring->take_used());
    EXPECT_EQ(Bench::answer_of(queued, 0).status, blk::io_error);

    bench.device->set_mode({.zoned = true, .write_through = false});
    bench.disk.taken.clear();
    EXPECT_EQ(bench.act(blk::reset, at), blk::ok);
    EXPECT_EQ(bench.disk.taken.size(), 1U);
}

TEST(BlkDevice, AHostManagedDiskRefusesADriverWithoutZones) {
    Bench bench({}, {.zoned = false, .write_through = false});
    EXPECT_EQ(bench.read(0, 4096).status, blk::io_error);
    EXPECT_EQ(bench.write(0, pattern(4096)), blk::io_error);
    EXPECT_EQ(bench.act(blk::flush, 0), blk::io_error);
    for (const auto type :
         {blk::report, blk::open, blk::close, blk::finish, blk::reset, blk::reset_all})
        EXPECT_EQ(bench.run({.type = type, .data_in_length = 4096}).status, blk::unsupported);
    EXPECT_EQ(bench.append(Bench::sector(zone), pattern(4096)).status, blk::unsupported);
    EXPECT_TRUE(bench.disk.taken.empty()) << "no request reaches the disk";
}

TEST(BlkDevice, AHostAwareDiskServesADriverWithoutZones) {
    Bench bench({.model = Model::host_aware}, {.zoned = false, .write_through = false});
    EXPECT_EQ(bench.write(Bench::sector(zone) + 64, pattern(4096)), blk::ok);
    EXPECT_EQ(bench.write(Bench::sector(zone) + 8, pattern(4096)), blk::ok);
    EXPECT_EQ(bench.read(Bench::sector(zone) + 64, 4096).data, pattern(4096));
    EXPECT_EQ(bench.act(blk::reset, Bench::sector(zone)), blk::unsupported);
}

TEST(BlkDevice, ADiskWithoutZonesRefusesReports) {
    Bench bench({.model = Model::none}, {.zoned = false, .write_through = false});
    EXPECT_EQ(bench.write(Bench::sector(3) - 4, pattern(4096)), blk::ok);
    EXPECT_EQ(bench.read(Bench::sector(3) - 4, 4096).data, pattern(4096));
    EXPECT_EQ(bench.run({.type = blk::report, .data_in_length = 4096}).status, blk::unsupported);
}

TEST(BlkDevice, AReadOnlyDiskRefusesEveryChange) {
    Bench bench({.read_only = true});
    EXPECT_EQ(bench.write(0, pattern(4096)), blk::io_error);
    EXPECT_EQ(bench.append(Bench::sector(zone), pattern(4096)).status, blk::io_error);
    EXPECT_EQ(bench.act(blk::reset, Bench::sector(zone)), blk::io_error);
    EXPECT_EQ(bench.act(blk::reset_all, 0), blk::io_error);
    EXPECT_EQ(bench.read(0, 4096).status, blk::ok);
    EXPECT_EQ(bench.act(blk::flush, 0), blk::ok);
}

TEST(BlkDevice, ReturnsItsIdAndRefusesUnknownRequests) {
    Bench bench;
    const auto id = bench.run({.type = blk::get_id, .data_in_length = 20});
    EXPECT_EQ(id.status, blk::ok);
    std::string text(20, '\0');
    text.replace(0, 7, "ZB-0001");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(id.data.data()), 20), text);
    const auto shorter = bench.run({.type = blk::get_id, .data_in_length = 4});
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(shorter.data.data()), 4), "ZB-0");
    for (const auto type : {blk::discard, blk::write_zeroes, 14U, 2U, 17U, 0x80000000U})
        EXPECT_EQ(bench.run({.type = type, .data_out = pattern(16)}).status, blk::unsupported)
            << type;
}

TEST(BlkDevice, RequestsThatTheDiskCannotTakeYetWaitInOrder) {
    Bench bench;
    bench.disk.take_at_most = 0;
    std::vector<Bench::Queued> queued;
    for (unsigned i = 0; i < 16; ++i)
        queued.push_back(bench.add({.type = blk::out,
                                    .sector = Bench::sector(zone) + i * 8,
                                    .data_out = pattern(4096, i)}));
    bench.turn();
    EXPECT_EQ(bench.device->in_flight(0), 16U);
    EXPECT_FALSE(bench.ring.ring->take_used());
    bench.disk.take_at_most = 3;
    bench.turn();
    for (const auto& one : queued) {
        ASSERT_TRUE(bench.ring.ring->take_used());
        EXPECT_EQ(Bench::answer_of(one, 0).status, blk::ok);
    }
    EXPECT_EQ(bench.device->in_flight(0), 0U);
    EXPECT_EQ(bench.read(Bench::sector(zone) + 15 * 8, 4096).data, pattern(4096, 15));
}

}  // namespace
}  // namespace zonebridge::virtio_blk
