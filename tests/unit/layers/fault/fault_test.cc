// What fault rules do to a disk, one request after the other.
#include "layers/fault/fault.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/layers/fault/faulty.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::test {
namespace {

TEST(Fault, WithoutRulesThereIsNoLayer) {
    auto below = std::make_unique<MachineDisk>();
    const auto* const disk = below.get();
    EXPECT_EQ(fault::inject(std::move(below), {})->get(), disk);
}

TEST(Fault, ARuleThatCannotActIsRefusedAndNamed) {
    const auto made =
        fault::inject(std::make_unique<MachineDisk>(), rules_of({"zone=99,error=io"}));
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("memory: the fault zone=99,error=io"), std::string::npos);
}

TEST(Fault, AZoneTurnsReadOnlyAfterTheGivenNumberOfRequests) {
    Faulty faulty({"zone=7,state=read-only,after=3,operation=write"});
    EXPECT_EQ(faulty.write(faulty.at(6)), StatusCode::ok) << "another zone";
    for (std::uint64_t i = 0; i < 3; ++i)
        EXPECT_EQ(faulty.write(faulty.at(7) + i * faulty.block), StatusCode::ok);
    EXPECT_EQ(faulty.zone(7).state, ZoneState::implicit_open);
    EXPECT_TRUE(faulty.acted.rules().empty());
    EXPECT_EQ(faulty.write(faulty.at(7) + 3 * faulty.block), StatusCode::zone_read_only);
    EXPECT_EQ(faulty.acted.rules(),
              std::vector<std::string>{"zone=7,state=read-only,after=3,operation=write"});

    EXPECT_EQ(faulty.zone(7).state, ZoneState::read_only);
    EXPECT_FALSE(faulty.zone(7).write_pointer);
    EXPECT_EQ(faulty.zone(8).state, ZoneState::empty);
    EXPECT_EQ(faulty.driver->read(faulty.at(7), faulty.block), pattern(faulty.at(7), faulty.block));
    for (const auto operation :
         {Operation::open, Operation::close, Operation::finish, Operation::reset})
        EXPECT_EQ(faulty.act(operation, 7).status.code, StatusCode::zone_read_only);
    EXPECT_EQ(faulty.zone(7).state, ZoneState::read_only) << "a reset does not repair the zone";
    EXPECT_EQ(faulty.write(faulty.at(7)), StatusCode::zone_read_only);
    EXPECT_EQ(faulty.acted.rules().size(), 1U) << "the rule is reported once";
}

TEST(Fault, AnOfflineZoneIsNeitherReadNorWritten) {
    Faulty faulty({"zone=4-5,state=offline"});
    EXPECT_EQ(faulty.acted.rules().size(), 1U) << "the rule acts at once";
    for (const auto zone : {4U, 5U}) {
        EXPECT_EQ(faulty.zone(zone).state, ZoneState::offline);
        EXPECT_EQ(faulty.read(faulty.at(zone)), StatusCode::zone_offline);
        EXPECT_EQ(faulty.write(faulty.at(zone)), StatusCode::zone_offline);
        EXPECT_EQ(faulty.act(Operation::reset, zone).status.code, StatusCode::zone_offline);
    }
    EXPECT_EQ(faulty.read(faulty.at(4) - faulty.block, 2 * faulty.block), StatusCode::zone_offline)
        << "a read that reaches into the zone";
    EXPECT_EQ(faulty.read(faulty.at(3)), StatusCode::ok);
    EXPECT_EQ(faulty.read(faulty.at(6)), StatusCode::ok);
    EXPECT_EQ(faulty.driver->report(16).size(), 16U);
}

TEST(Fault, OfflineWinsOverReadOnly) {
    Faulty faulty({"state=read-only", "zone=4,state=offline"});
    EXPECT_EQ(faulty.zone(0).state, ZoneState::read_only) << "conventional zones, too";
    EXPECT_EQ(faulty.zone(4).state, ZoneState::offline);
    EXPECT_EQ(faulty.write(faulty.at(0)), StatusCode::zone_read_only);
    EXPECT_EQ(faulty.read(faulty.at(4)), StatusCode::zone_offline);
    EXPECT_EQ(faulty.read(faulty.at(3)), StatusCode::ok);
}

TEST(Fault, AnActionOnARangeStopsAtTheBadZone) {
    Faulty faulty({"zone=5,state=offline"});
    const auto done = faulty.act(Operation::open, 3, 6);
    EXPECT_EQ(done.status.code, StatusCode::zone_offline);
    EXPECT_EQ(done.result, 2U);
    EXPECT_EQ(faulty.zone(4).state, ZoneState::explicit_open);
    EXPECT_EQ(faulty.zone(6).state, ZoneState::empty);
    // An error in an earlier zone ends the action first.
    EXPECT_EQ(faulty.act(Operation::finish, 4).status.code, StatusCode::ok);
    const auto before = faulty.act(Operation::open, 3, 6);
    EXPECT_EQ(before.status.code, StatusCode::invalid_transition);
    EXPECT_EQ(before.result, 1U);
}

TEST(Fault, OnlyRequestsThatTouchABadSpotFail) {
    Faulty faulty({"offset=131584,error=media"});  // 128 KiB + 512
    const auto taken = [&] { return faulty.disk->taken.size(); };
    EXPECT_EQ(faulty.write(faulty.at(2), faulty.block), StatusCode::media_error);
    EXPECT_EQ(taken(), 0U);
    EXPECT_EQ(faulty.zone(2).write_pointer, faulty.at(2));
    EXPECT_EQ(faulty.read(faulty.at(2), 512), StatusCode::ok) << "beside the spot";
    EXPECT_EQ(faulty.read(faulty.at(2) + 512, 512), StatusCode::media_error);
    EXPECT_EQ(faulty.read(faulty.at(2) + 1024, 512), StatusCode::ok);
    EXPECT_EQ(faulty.act(Operation::finish, 2).status.code, StatusCode::ok)
        << "an action moves no data";
}

TEST(Fault, AnAppendFailsIfItLandsOnABadSpot) {
    Faulty faulty({"offset=132K+4K,error=media,operation=append"}, {.append = Support::native});
    EXPECT_EQ(faulty.driver->append(faulty.at(2), pattern(1, 4096)).status.code, StatusCode::ok);
    EXPECT_EQ(faulty.driver->append(faulty.at(2), pattern(2, 4096)).status.code,
              StatusCode::media_error);
    const auto third = faulty.driver->append(faulty.at(2), pattern(3, 4096));
    EXPECT_EQ(third.status.code, StatusCode::ok);
    EXPECT_EQ(third.result, faulty.at(2) + 8192);
}

TEST(Fault, ErrorsComeAsOftenAsTheRuleSays) {
    Faulty faulty({"error=io,operation=read,after=2,count=3"});
    std::string got;
    for (int i = 0; i < 8; ++i) got += faulty.read(0) == StatusCode::ok ? 'o' : 'x';
    EXPECT_EQ(got, "ooxxxooo");
    EXPECT_EQ(faulty.write(0), StatusCode::ok);
}

TEST(Fault, TheSameSeedGivesTheSameErrors) {
    const auto course = [](const std::string& rule) {
        Faulty faulty({rule});
        std::string got;
        for (int i = 0; i < 1000; ++i) got += faulty.read(0) == StatusCode::ok ? 'o' : 'x';
        return got;
    };
    const auto one = course("error=io,probability=20%");
    const auto hits = std::count(one.begin(), one.end(), 'x');
    EXPECT_GT(hits, 150);
    EXPECT_LT(hits, 250);
    EXPECT_EQ(one, course("error=io,probability=20%"));
    EXPECT_NE(one, course("error=io,probability=20%,seed=2"));
}

TEST(Fault, EveryOperationCanFail) {
    for (const auto* const word : {"flush", "report", "open", "close", "finish", "reset"}) {
        Faulty faulty({fmt::format("error=io,operation={}", word)});
        const auto fails = [&](StatusCode code, const char* what) {
            EXPECT_EQ(code, std::string(word) == what ? StatusCode::io_error : StatusCode::ok)
                << word << ": " << what;
        };
        fails(faulty.act(Operation::open, 3).status.code, "open");
        std::vector<Zone> zones(1);
        fails(
            faulty.driver->run(Request{.operation = Operation::report, .data = {}, .zones = zones})
                .status.code,
            "report");
        fails(faulty.driver->flush().code, "flush");
        fails(faulty.act(Operation::reset, 3).status.code, "reset");
        fails(faulty.act(Operation::finish, 3).status.code, "finish");
        fails(faulty.driver->act_all(Operation::close).code, "close");
        EXPECT_EQ(faulty.read(0), StatusCode::ok);
    }
}

TEST(Fault, AGoneDeviceFailsEveryRequest) {
    Faulty faulty({"error=gone,zone=3,after=1"});
    EXPECT_EQ(faulty.write(faulty.at(4)), StatusCode::ok);
    EXPECT_EQ(faulty.write(faulty.at(3)), StatusCode::ok);
    EXPECT_EQ(faulty.write(faulty.at(3) + faulty.block), StatusCode::device_gone);
    EXPECT_EQ(faulty.read(faulty.at(4)), StatusCode::device_gone);
    EXPECT_EQ(faulty.driver->flush().code, StatusCode::device_gone);
    EXPECT_EQ(faulty.driver->act_all(Operation::reset).code, StatusCode::device_gone);
    EXPECT_EQ(faulty.acted.rules().size(), 1U);
}

TEST(Fault, RequestsThatTheCheckRefusesAreNotCounted) {
    Faulty faulty({"error=io,operation=read,after=1"});
    EXPECT_EQ(faulty.read(1), StatusCode::misaligned);
    EXPECT_EQ(faulty.read(0), StatusCode::ok);
    EXPECT_EQ(faulty.read(0), StatusCode::io_error);
}

TEST(Fault, ASlowDiskGetsItsRequestsInOrder) {
    Faulty faulty({"error=io,operation=flush"});
    faulty.disk->take_at_most = 1;
    std::vector<Bytes> data;
    std::vector<iovec> pieces;
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 12; ++i) {
        data.push_back(pattern(i, faulty.block));
        pieces.push_back({data.back().data(), data.back().size()});
    }
    for (std::uint64_t i = 0; i < 12; ++i)
        requests.push_back({.operation = Operation::write,
                            .offset = faulty.at(2) + i * faulty.block,
                            .length = faulty.block,
                            .data = {&pieces[i], 1},
                            .zones = {}});
    for (const auto& done : faulty.driver->run(requests))
        EXPECT_EQ(done.status.code, StatusCode::ok);
    EXPECT_EQ(faulty.zone(2).write_pointer, faulty.at(2) + 12 * faulty.block);
}

TEST(Fault, ARequestAllocatesNothing) {
    Faulty faulty({"zone=7,state=offline", "offset=4K,error=media", "zone=5,latency=1us"});
    faulty.disk->taken.reserve(1000);
    Bytes buffer(4096);
    const iovec piece{buffer.data(), buffer.size()};
    std::array<Completion, 4> done;
    const auto one_of_each = [&] {
        for (const auto offset : {faulty.at(7), std::uint64_t{4096}, faulty.at(5), faulty.at(6)}) {
            const Request request{.operation = Operation::read,
                                  .offset = offset,
                                  .length = 4096,
                                  .data = {&piece, 1},
                                  .zones = {}};
            ASSERT_EQ(faulty.driver->queue().submit({&request, 1}), 1U);
            while (faulty.driver->queue().reap(done) == 0) continue;
            EXPECT_EQ(done[0].status.ok(), offset == faulty.at(5) || offset == faulty.at(6));
        }
    };
    one_of_each();  // after this round every rule has been reported
    EXPECT_EQ(faulty.acted.rules().size(), 3U);
    const auto before = allocations();
    for (int i = 0; i < 100; ++i) one_of_each();
    EXPECT_EQ(allocations(), before);
}

}  // namespace
}  // namespace zonebridge::test
