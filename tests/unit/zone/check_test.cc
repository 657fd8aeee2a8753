#include "zone/check.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"

namespace zonebridge {
namespace {

using test::Disk;
using test::limits_of;
using test::with_clearing;
using enum Operation;
using Code = StatusCode;

/// Four conventional zones, then sequential ones with a capacity of 48 KiB; the last is 40 KiB
/// long.
constexpr Disk mixed{.size = 640 * KiB - 24 * KiB, .zone_capacity = 48 * KiB, .conventional = 4};
constexpr std::uint64_t seq = 4 * 64 * KiB;  // where the first sequential zone starts
constexpr std::uint64_t last = 9 * 64 * KiB;

struct CheckRow {
    const char* what;
    Operation operation;
    std::uint64_t offset;
    std::uint64_t length;
    StatusCode expected;
};

/// A request with one buffer of the right length. check() never reads a buffer.
class TestRequest {
  public:
    TestRequest(Operation operation, std::uint64_t offset, std::uint64_t length) {
        request.operation = operation;
        request.offset = offset;
        request.length = length;
        if (operation == read || operation == write || operation == append) {
            iovecs_[0].iov_len = length;
            request.data = std::span(iovecs_).first(1);
        }
    }
    TestRequest(const TestRequest&) = delete;
    TestRequest& operator=(const TestRequest&) = delete;

    std::span<iovec> buffers(std::vector<std::size_t> lengths) {
        for (std::size_t i = 0; i < lengths.size(); ++i) iovecs_[i].iov_len = lengths[i];
        request.data = std::span(iovecs_).first(lengths.size());
        return iovecs_;
    }

    Request request;

  private:
    std::array<iovec, 8> iovecs_{};
};

void expect_checks(const Limits& limits, std::span<const CheckRow> rows) {
    for (const auto& row : rows)
        EXPECT_EQ(check(limits, TestRequest(row.operation, row.offset, row.length).request),
                  row.expected)
            << row.what;
}

TEST(Check, AcceptsOrRefusesEachRequestByTheLimits) {
    const auto limits = limits_of(mixed);
    const auto size = limits.size();
    const CheckRow rows[] = {
        {"a read", read, 0, 4 * KiB, Code::ok},
        {"a read of one logical block", read, 512, 512, Code::ok},
        {"a read of nothing", read, 0, 0, Code::invalid_request},
        {"a read from the middle of a block", read, 100, 512, Code::misaligned},
        {"a read of half a block", read, 0, 256, Code::misaligned},
        {"the last block", read, size - 512, 512, Code::ok},
        {"a read at the end", read, size, 512, Code::out_of_range},
        {"a read past the end", read, size - 512, 1024, Code::out_of_range},
        {"a read whose end wraps around", read, ~std::uint64_t{0} - 511, 1024, Code::out_of_range},
        {"a length that wraps around", read, 512, ~std::uint64_t{0} - 511, Code::out_of_range},
        {"a read over zones and gaps", read, seq, 128 * KiB, Code::ok},

        {"a write into a conventional zone", write, 512, 512, Code::ok},
        {"a write over conventional zones", write, 0, 256 * KiB, Code::ok},
        {"a write into a sequential zone", write, seq, 48 * KiB, Code::ok},
        {"a write from conventional into sequential", write, seq - 4 * KiB, 8 * KiB,
         Code::crosses_boundary},
        {"a write over sequential zones", write, seq + 44 * KiB, 24 * KiB, Code::crosses_boundary},
        {"a write past the capacity", write, seq + 44 * KiB, 8 * KiB, Code::crosses_boundary},
        {"a write into the gap", write, seq + 48 * KiB, 4 * KiB, Code::crosses_boundary},
        {"a write up to the short zone's end", write, last + 36 * KiB, 4 * KiB, Code::ok},
        {"a write of half a physical block", write, seq, 512, Code::unaligned_write},
        {"a write from inside a physical block", write, seq + 512, 4 * KiB, Code::unaligned_write},
        {"a write at the end", write, size, 4 * KiB, Code::out_of_range},

        {"an append", append, seq, 4 * KiB, Code::ok},
        {"an append of nothing", append, seq, 0, Code::invalid_request},
        {"the largest append", append, seq, 32 * KiB, Code::ok},
        {"a larger append", append, seq, 36 * KiB, Code::too_large},
        {"an append to a conventional zone", append, 0, 4 * KiB, Code::not_sequential},
        {"an append inside a zone", append, seq + 4 * KiB, 4 * KiB, Code::not_sequential},
        {"an append of half a physical block", append, seq, 512, Code::unaligned_write},
        {"an append beyond the disk", append, 640 * KiB, 4 * KiB, Code::out_of_range},

        {"a flush", flush, 0, 0, Code::ok},
        {"a flush with a length", flush, 0, 512, Code::invalid_request},
        {"a flush with an offset, which is ignored", flush, size * 2, 0, Code::ok},

        {"open one zone", open, seq, 64 * KiB, Code::ok},
        {"close two zones", close, seq, 128 * KiB, Code::ok},
        {"finish the short last zone", finish, last, 40 * KiB, Code::ok},
        {"reset all by range", reset, seq, size - seq, Code::ok},
        {"an action on no zone", reset, seq, 0, Code::invalid_request},
        {"an action from inside a zone", reset, seq + 4 * KiB, 64 * KiB, Code::not_sequential},
        {"an action that ends inside a zone", reset, seq, 48 * KiB, Code::invalid_request},
        {"an action on a conventional zone", reset, 0, 64 * KiB, Code::not_sequential},
        {"an action that begins at a conventional zone", reset, seq - 64 * KiB, 128 * KiB,
         Code::not_sequential},
        {"an action past the end", reset, last, 64 * KiB, Code::out_of_range},
        {"an action beyond the disk", open, 640 * KiB, 64 * KiB, Code::out_of_range},

        {"a report from inside a zone", report, seq + 1234, 0, Code::ok},
        {"a report with a length", report, seq, 512, Code::invalid_request},
        {"a report from beyond the disk", report, size, 0, Code::out_of_range},
    };
    expect_checks(limits, rows);
}

TEST(Check, LimitsTheLengthAndTheNumberOfBuffers) {
    auto limits = limits_of({.size = 64 * MiB, .zone_size = 16 * MiB, .zone_capacity = 16 * MiB});
    const CheckRow rows[] = {{"the largest read", read, 0, 1 * MiB, Code::ok},
                             {"one block more", read, 0, 1 * MiB + 512, Code::too_large},
                             {"the largest write", write, 0, 1 * MiB, Code::ok},
                             {"one block more", write, 0, 1 * MiB + 4096, Code::too_large}};
    expect_checks(limits, rows);
    for (const auto operation : {read, write, append}) {
        TestRequest asked(operation, 0, 4096);
        asked.buffers({1024, 1024, 1024, 1024});
        EXPECT_EQ(check(limits, asked.request), Code::ok);
        asked.buffers({1024, 1024, 1024, 512, 512});
        EXPECT_EQ(check(limits, asked.request), Code::too_large);
    }
    limits.max_append = 8 * MiB;
    EXPECT_EQ(check(limits, TestRequest(append, 0, 8 * MiB).request), Code::ok)
        << "max_transfer does not limit appends";
}

TEST(Check, RefusesContradictoryRequests) {
    const auto limits = limits_of(mixed);
    const auto code = [&](Operation operation, std::uint64_t length,
                          const std::function<void(TestRequest&)>& spoil) {
        TestRequest asked(operation, seq, length);
        EXPECT_EQ(check(limits, asked.request), Code::ok);
        spoil(asked);
        return check(limits, asked.request);
    };
    const std::vector<std::size_t> wrong[] = {{},           {4095},    {4097},
                                              {2048, 2047}, {4096, 1}, {~std::size_t{0}, 4097}};
    for (const auto operation : {read, write, append})
        for (const auto& lengths : wrong)
            EXPECT_EQ(code(operation, 4096, [&](TestRequest& a) { a.buffers(lengths); }),
                      Code::invalid_request);
    EXPECT_EQ(code(write, 4096,
                   [](TestRequest& a) {
                       a.buffers({0, 4096, 0});
                   }),
              Code::ok)
        << "empty buffers are allowed";

    std::array<Zone, 1> zones;
    for (const auto operation : {read, write, append, flush, report, open, close, finish, reset}) {
        const auto action = operation >= open && operation <= reset;
        const auto data = operation <= append;
        const auto length = data ? 4096 : action ? 64 * KiB : 0;
        const auto fua = code(operation, length, [](TestRequest& a) { a.request.fua = true; });
        EXPECT_EQ(fua, operation == write || operation == append ? Code::ok : Code::invalid_request)
            << to_string(operation);
        const auto all =
            code(operation, length, [&](TestRequest& a) { a.request.scope = Scope::all; });
        EXPECT_EQ(all, Code::invalid_request) << to_string(operation);
        const auto with_zones =
            code(operation, length, [&](TestRequest& a) { a.request.zones = zones; });
        EXPECT_EQ(with_zones, operation == report ? Code::ok : Code::invalid_request);
        if (!data) {
            const auto buffers = code(operation, length, [](TestRequest& a) { a.buffers({512}); });
            EXPECT_EQ(buffers, Code::invalid_request) << to_string(operation);
        }
    }
    for (const auto operation : {open, close, finish, reset}) {
        TestRequest all(operation, 12345, 0);  // the offset is ignored, as ZBC ignores the zone id
        all.request.scope = Scope::all;
        EXPECT_EQ(check(limits, all.request), Code::ok);
    }
}

TEST(Check, AReadOnlyDeviceRefusesRequestsThatChangeIt) {
    auto limits = limits_of(mixed);
    limits.read_only = true;
    const CheckRow rows[] = {{"read", read, 0, 4096, Code::ok},
                             {"flush", flush, 0, 0, Code::ok},
                             {"report", report, 0, 0, Code::ok},
                             {"write", write, 0, 4096, Code::read_only},
                             {"append", append, seq, 4096, Code::read_only},
                             {"open", open, seq, 64 * KiB, Code::read_only},
                             {"close", close, seq, 64 * KiB, Code::read_only},
                             {"finish", finish, seq, 64 * KiB, Code::read_only},
                             {"reset", reset, seq, 64 * KiB, Code::read_only}};
    expect_checks(limits, rows);
    TestRequest all(reset, 0, 0);
    all.request.scope = Scope::all;
    EXPECT_EQ(check(limits, all.request), Code::read_only);
}

TEST(Check, AbsentFeaturesAreUnsupported) {
    auto limits = limits_of(mixed);
    limits.append = Support::absent;
    limits.fua = Support::absent;
    EXPECT_EQ(check(limits, TestRequest(append, seq, 4096).request), Code::unsupported);
    TestRequest fua(write, seq, 4096);
    fua.request.fua = true;
    EXPECT_EQ(check(limits, fua.request), Code::unsupported);
    limits.append = limits.fua = Support::emulated;
    EXPECT_EQ(check(limits, TestRequest(append, seq, 4096).request), Code::ok);
    EXPECT_EQ(check(limits, fua.request), Code::ok);
}

TEST(Check, ADiskWithoutZonesReadsWritesAndFlushes) {
    auto limits = limits_of({});
    limits.model = Model::none;
    limits.layout = Layout(1 * MiB, 0, 0, 0, ZoneType::sequential_write_required);
    limits.reads_across_zones = false;
    const CheckRow rows[] = {{"read", read, 512, 1 * MiB - 512, Code::ok},
                             {"write", write, 512, 512, Code::ok},
                             {"write past the end", write, 1 * MiB, 512, Code::out_of_range},
                             {"flush", flush, 0, 0, Code::ok},
                             {"append", append, 0, 4096, Code::unsupported},
                             {"reset", reset, 0, 4096, Code::unsupported},
                             {"report", report, 0, 0, Code::unsupported}};
    expect_checks(limits, rows);
}

TEST(Check, ReadsStayInTheirZoneIfTheLimitsSaySo) {
    auto limits = limits_of(mixed);
    limits.reads_across_zones = false;
    const CheckRow rows[] = {
        {"inside a zone", read, seq, 64 * KiB, Code::ok},
        {"over conventional zones", read, 0, 256 * KiB, Code::ok},
        {"from conventional into sequential", read, seq - 512, 1024, Code::read_crosses_boundary},
        {"over sequential zones", read, seq + 64 * KiB - 512, 1024, Code::read_crosses_boundary},
        {"two whole zones", read, seq, 128 * KiB, Code::read_crosses_boundary}};
    expect_checks(limits, rows);
}

TEST(Check, PreferredZonesTakeWritesAcrossZonesAndOfLogicalBlocks) {
    auto disk = mixed;
    disk.type = ZoneType::sequential_write_preferred;
    auto limits = limits_of(disk);
    limits.reads_across_zones = false;
    const CheckRow capped[] = {
        {"one logical block", write, seq + 512, 512, Code::ok},
        {"an append of one logical block", append, seq, 512, Code::ok},
        {"over the gap past the capacity", write, seq, 128 * KiB, Code::crosses_boundary},
        {"over the gap into the next", write, seq, 80 * KiB, Code::crosses_boundary},
        {"into the gap", write, seq + 44 * KiB, 8 * KiB, Code::crosses_boundary},
        {"from conventional into preferred", write, seq - 512, 1024, Code::ok},
        {"a read across", read, seq, 128 * KiB, Code::ok}};
    expect_checks(limits, capped);
    disk.zone_capacity = disk.zone_size;
    const CheckRow whole[] = {
        {"over preferred zones", write, seq + 512, 128 * KiB, Code::ok},
        {"to the end of the short zone", write, last - 512, 40 * KiB + 512, Code::ok}};
    expect_checks(limits_of(disk), whole);
}

TEST(Check, TheFirstReasonInTheDocumentedOrderWins) {
    // Each request also has the faults of all later ones.
    auto limits = limits_of(mixed);
    limits.read_only = true;
    limits.fua = Support::absent;
    limits.max_transfer = 4 * KiB;

    TestRequest asked(write, 640 * KiB + 100, 8 * KiB);
    asked.request.fua = true;
    asked.buffers({4 * KiB});
    EXPECT_EQ(check(limits, asked.request), Code::invalid_request);
    asked.buffers({8 * KiB});
    EXPECT_EQ(check(limits, asked.request), Code::unsupported);
    asked.request.fua = false;
    EXPECT_EQ(check(limits, asked.request), Code::read_only);
    limits.read_only = false;
    EXPECT_EQ(check(limits, asked.request), Code::misaligned);
    asked.request.offset = 640 * KiB + 512;
    EXPECT_EQ(check(limits, asked.request), Code::out_of_range);
    asked.request.offset = seq + 48 * KiB - 512;
    EXPECT_EQ(check(limits, asked.request), Code::too_large);
    limits.max_transfer = 1 * MiB;
    EXPECT_EQ(check(limits, asked.request), Code::crosses_boundary);
    asked.request.offset = seq + 512;
    EXPECT_EQ(check(limits, asked.request), Code::unaligned_write);

    limits.max_append = 4 * KiB;
    TestRequest appended(append, seq + 4 * KiB, 52 * KiB + 512);
    EXPECT_EQ(check(limits, appended.request), Code::too_large);
    limits.max_append = 1 * MiB;
    EXPECT_EQ(check(limits, appended.request), Code::not_sequential);
    appended.request.offset = seq;
    EXPECT_EQ(check(limits, appended.request), Code::crosses_boundary);
}

TEST(Check, ClearsOnlyWhereNoWritePointerIsInTheWay) {
    auto limits = with_clearing(limits_of(mixed), 192 * KiB);
    const auto size = limits.size();
    for (const auto clear : {discard, write_zeroes}) {
        const CheckRow rows[] = {
            {"in a conventional zone", clear, 512, 512, Code::ok},
            {"over conventional zones", clear, 64 * KiB, 192 * KiB, Code::ok},
            {"more than the limit", clear, 0, 192 * KiB + 512, Code::too_large},
            {"nothing", clear, 0, 0, Code::invalid_request},
            {"half a block", clear, 0, 256, Code::misaligned},
            {"from inside a block", clear, 100, 512, Code::misaligned},
            {"at the end", clear, size, 512, Code::out_of_range},
            {"a length that wraps around", clear, 512, ~std::uint64_t{0} - 511, Code::out_of_range},
            {"in a sequential write required zone", clear, seq, 64 * KiB, Code::unsupported},
            {"from conventional into sequential", clear, seq - 512, 1024, Code::unsupported},
        };
        expect_checks(limits, rows);
    }
    auto shape = mixed;
    shape.type = ZoneType::sequential_write_preferred;
    const auto aware = with_clearing(limits_of(shape), 192 * KiB);
    const CheckRow rows[] = {
        {"zeroes into a preferred zone", write_zeroes, seq + 512, 512, Code::ok},
        {"zeroes past its capacity", write_zeroes, seq + 44 * KiB, 8 * KiB, Code::crosses_boundary},
        {"a discard past its capacity", discard, seq + 44 * KiB, 100 * KiB, Code::ok},
        {"a discard from conventional into preferred", discard, seq - 512, 1024, Code::ok},
    };
    expect_checks(aware, rows);
}

TEST(Check, ClearsDisksWithoutZonesIfTheLimitsOfferIt) {
    Limits plain;
    plain.layout = Layout(1 * MiB, 0, 0, 0, ZoneType::sequential_write_required);
    plain.max_transfer = 4 * KiB;
    for (const auto clear : {discard, write_zeroes}) {
        const CheckRow offered[] = {{"the whole disk", clear, 0, 1 * MiB, Code::ok},
                                    {"past the end", clear, 512, 1 * MiB, Code::out_of_range}};
        expect_checks(with_clearing(plain, 1 * MiB), offered);
        EXPECT_EQ(check(plain, TestRequest(clear, 0, 512).request), Code::unsupported);
        auto limits = with_clearing(plain, 1 * MiB);
        (clear == discard ? limits.max_discard : limits.max_write_zeroes).reset();
        EXPECT_EQ(check(limits, TestRequest(clear, 0, 512).request), Code::unsupported)
            << "only the other operation is offered";
        limits = with_clearing(plain, 1 * MiB);
        limits.read_only = true;
        EXPECT_EQ(check(limits, TestRequest(clear, 0, 512).request), Code::read_only);
    }
}

TEST(Check, RefusesClearingWithOtherRequestsFields) {
    Limits plain;
    plain.layout = Layout(1 * MiB, 0, 0, 0, ZoneType::sequential_write_required);
    plain.max_transfer = 1 * MiB;
    plain.max_segments = 4;
    plain.fua = Support::native;
    const auto limits = with_clearing(plain, 1 * MiB);
    for (const auto operation : {read, write, append, flush, discard, write_zeroes}) {
        TestRequest asked(operation, 0, operation == flush ? 0 : 4 * KiB);
        asked.request.may_unmap = true;
        EXPECT_EQ(check(limits, asked.request),
                  operation == write_zeroes ? Code::ok : Code::invalid_request)
            << to_string(operation);
    }
    for (const auto clear : {discard, write_zeroes}) {
        TestRequest asked(clear, 0, 4 * KiB);
        asked.request.fua = true;
        EXPECT_EQ(check(limits, asked.request), Code::invalid_request);
        asked.request.fua = false;
        asked.request.scope = Scope::all;
        EXPECT_EQ(check(limits, asked.request), Code::invalid_request);
        asked.request.scope = Scope::zones;
        asked.buffers({4 * KiB});
        EXPECT_EQ(check(limits, asked.request), Code::invalid_request) << "clearing has no data";
    }
}

}  // namespace
}  // namespace zonebridge
