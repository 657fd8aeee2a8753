#include "service/refusal_words.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/size.h"

namespace zonebridge::service {
namespace {

/// 16 zones of 16 MiB with a capacity of 12, the first two conventional.
Limits disk() {
    Limits limits;
    limits.model = Model::host_managed;
    limits.layout = Layout(256 * MiB, 16 * MiB, 12 * MiB, 2U, ZoneType::sequential_write_required);
    limits.physical_block_size = 4096;
    limits.max_transfer = MiB;
    limits.max_segments = 128;
    limits.max_append = 512 * KiB;
    limits.max_open = 8;
    limits.max_active = 12;
    limits.append = Support::emulated;
    limits.fua = Support::native;
    return limits;
}

Zone zone(std::uint32_t number, ZoneState state, std::optional<std::uint64_t> pointer = {}) {
    Zone zone;
    zone.start = number * 16 * MiB;
    zone.length = 16 * MiB;
    zone.capacity = number < 2 ? 16 * MiB : 12 * MiB;
    if (pointer) zone.write_pointer = zone.start + *pointer;
    zone.type = number < 2 ? ZoneType::conventional : ZoneType::sequential_write_required;
    zone.state = state;
    return zone;
}

std::string said(const Refusal& refusal) {
    const auto limits = disk();
    return explain_refusal(refusal, &limits);
}

TEST(ExplainWords, AWriteThatIsNotAtThePointer) {
    EXPECT_EQ(said({.operation = Operation::write,
                    .offset = 64 * MiB + 12 * KiB,
                    .length = 8 * KiB,
                    .status = {StatusCode::unaligned_write, {}},
                    .zone = zone(4, ZoneState::implicit_open, 8 * KiB)}),
              "refused: write of 8 KiB at 64 MiB + 12 KiB: zone 4 is implicit-open with its write "
              "pointer at 64 MiB + 8 KiB, and a sequential write required zone takes writes only "
              "there");
}

TEST(ExplainWords, AWriteOfPartialPhysicalBlocks) {
    EXPECT_EQ(said({.operation = Operation::write,
                    .offset = 64 * MiB + 512,
                    .length = 512,
                    .status = {StatusCode::unaligned_write, {}},
                    .zone = zone(4, ZoneState::empty, 0)}),
              "refused: write of 512 bytes at 64 MiB + 512 bytes: zone 4 is empty with its write "
              "pointer at 64 MiB, and a sequential write required zone takes whole physical blocks "
              "of 4 KiB only");
}

TEST(ExplainWords, RefusalsThatDoNotConcernZones) {
    EXPECT_EQ(said({.operation = Operation::read,
                    .offset = 255 * MiB,
                    .length = 2 * MiB,
                    .status = {StatusCode::out_of_range, {}}}),
              "refused: read of 2 MiB at 240 MiB + 15 MiB: the disk ends at 256 MiB");
    EXPECT_EQ(said({.operation = Operation::read,
                    .offset = 1 << 30,
                    .length = 512,
                    .status = {StatusCode::out_of_range, {}}}),
              "refused: read of 512 bytes at 1 GiB: the disk ends at 256 MiB");
    EXPECT_EQ(said({.operation = Operation::write,
                    .offset = 100,
                    .length = 1,
                    .status = {StatusCode::misaligned, {}}}),
              "refused: write of 1 byte at 100 bytes: offset and length must be whole logical "
              "blocks of 512 bytes");
}

TEST(ExplainWords, FailuresHaveTheirNativeCause) {
    EXPECT_EQ(
        said({.operation = Operation::read,
              .offset = 48 * MiB,
              .length = 4 * KiB,
              .status = {StatusCode::media_error, {NativeCause::Source::scsi_sense, 0x031100}},
              .zone = zone(3, ZoneState::full)}),
        "failed: read of 4 KiB at 48 MiB: zone 3 is full, and the medium could not be read "
        "there (sense 3/11/00)");
    EXPECT_EQ(said({.operation = Operation::flush,
                    .status = {StatusCode::io_error, NativeCause::os_error(5)}}),
              "failed: flush: the device below the server reported an I/O error (EIO (Input/output "
              "error))");
}

TEST(ExplainWords, ReadOnlyAndOfflineZones) {
    EXPECT_EQ(said({.operation = Operation::reset,
                    .offset = 64 * MiB,
                    .length = 16 * MiB,
                    .status = {StatusCode::zone_read_only, {}},
                    .zone = zone(4, ZoneState::read_only)}),
              "refused: reset of zone 4 at 64 MiB: zone 4 is read-only, and a zone that has become "
              "read-only can't be reset, and no reset brings it back");
    EXPECT_EQ(
        said({.operation = Operation::read,
              .offset = 64 * MiB,
              .length = 512 * KiB,
              .status = {StatusCode::zone_offline, {}},
              .zone = zone(4, ZoneState::full)}),
        "refused: read of 512 KiB at 64 MiB: zone 4 is full, and a zone in the range has gone "
        "offline and can't be read");
}

TEST(ExplainWords, ActionsNameTheirZones) {
    EXPECT_EQ(
        said({.operation = Operation::open,
              .offset = 64 * MiB,
              .length = 48 * MiB,
              .status = {StatusCode::too_many_open, {}},
              .zone = zone(5, ZoneState::empty, 0)}),
        "refused: open of zones 4 to 6 from 64 MiB on: zone 5 is empty with its write pointer "
        "at 80 MiB, and no more than 8 zones can be open at once on this disk: close or "
        "finish one first");
    EXPECT_EQ(said({.operation = Operation::open,
                    .scope = Scope::all,
                    .status = {StatusCode::too_many_open, {}}}),
              "refused: open of all zones: no more than 8 zones can be open at once on this disk: "
              "close or finish one first");
    EXPECT_EQ(said({.operation = Operation::finish,
                    .offset = 64 * MiB + 4 * KiB,
                    .length = 16 * MiB,
                    .status = {StatusCode::not_sequential, {}}}),
              "refused: finish at 64 MiB + 4 KiB: an action names a zone by its first byte, and "
              "zone 4 begins at 64 MiB");
    EXPECT_EQ(said({.operation = Operation::reset,
                    .offset = 16 * MiB,
                    .length = 16 * MiB,
                    .status = {StatusCode::not_sequential, {}},
                    .zone = zone(1, ZoneState::not_write_pointer)}),
              "refused: reset of zone 1 at 16 MiB: zone 1 is conventional, and a conventional zone "
              "has no write pointer and can't be reset");
}

TEST(ExplainWords, BoundariesAreNamed) {
    EXPECT_EQ(said({.operation = Operation::write,
                    .offset = 76 * MiB - 4 * KiB,
                    .length = 8 * KiB,
                    .status = {StatusCode::crosses_boundary, {}},
                    .zone = zone(4, ZoneState::closed, 12 * MiB - 4 * KiB)}),
              "refused: write of 8 KiB at 64 MiB + 12284 KiB: zone 4 is closed with its write "
              "pointer at 64 MiB + 12284 KiB, and the request must not leave its zone or run past "
              "its capacity, which ends at 64 MiB + 12 MiB");
}

constexpr std::array operations{Operation::read,    Operation::write,       Operation::append,
                                Operation::flush,   Operation::open,        Operation::close,
                                Operation::finish,  Operation::reset,       Operation::report,
                                Operation::discard, Operation::write_zeroes};

TEST(ExplainWords, EveryCodeOfEveryOperationHasItsOwnSentence) {
    const auto limits = disk();
    for (const auto* known : {&limits, static_cast<const Limits*>(nullptr)}) {
        std::set<std::string> all;
        std::size_t count = 0;
        for (unsigned code = 1; code <= static_cast<unsigned>(StatusCode::aborted); ++code)
            for (const auto operation : operations) {
                const Refusal refusal{
                    .operation = operation,
                    .offset = 64 * MiB,
                    .length = operation == Operation::flush || operation == Operation::report
                                  ? 0
                                  : 16 * MiB,
                    .status = {static_cast<StatusCode>(code), {}}};
                const auto text = explain_refusal(refusal, known);
                EXPECT_TRUE(text.starts_with("refused: ") || text.starts_with("failed: ")) << text;
                EXPECT_EQ(text.find("unknown"), std::string::npos) << text;
                EXPECT_EQ(text.find("the reason is not known"), std::string::npos) << text;
                EXPECT_EQ(text.find('\n'), std::string::npos) << text;
                EXPECT_GT(text.size(), 30U) << text;
                all.insert(text);
                ++count;
            }
        EXPECT_EQ(all.size(), count);
    }
}

}  // namespace
}  // namespace zonebridge::service
