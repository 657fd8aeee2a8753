// Reads before, across and past the write pointer, across zones, and into buffers of every shape.
#include <algorithm>
#include <random>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Reads : public DataContract {
  protected:
    /// Writes `length` bytes of pattern(stamp) and returns their offset, on any kind of device.
    [[nodiscard]] std::uint64_t place(std::uint64_t length, std::uint64_t stamp) {
        const auto at = zoned() ? start(zones().front()) : 0;
        fill(at, length, stamp);
        return at;
    }
    StatusCode read(std::uint64_t offset, Bytes& into) {
        return disk().try_read(offset, into).code;
    }
};

class ZoneReads : public Reads {
  protected:
    void SetUp() override {
        Reads::SetUp();
        if (!IsSkipped() && !zoned()) GTEST_SKIP() << "the device has no zones";
    }
};

TEST_F(ZoneReads, BeforeAcrossAndPastThePointer) {
    const auto zone = zones()[zones().size() / 2];
    fill(start(zone), 3 * unit(), 7);
    expect_filled(disk(), start(zone), 3 * unit(), 7);

    Bytes across(2 * unit(), 0xEE);
    Bytes past(unit(), 0xEE);
    const auto across_code = read(start(zone) + 2 * unit(), across);
    const auto past_code = read(start(zone) + 5 * unit(), past);
    if (!limits().reads_past_pointer && required()) {
        EXPECT_EQ(across_code, StatusCode::read_past_pointer);
        EXPECT_EQ(past_code, StatusCode::read_past_pointer);
        return;
    }
    EXPECT_EQ(across_code, StatusCode::ok);
    EXPECT_EQ(past_code, StatusCode::ok);
    const auto all = pattern(7, 3 * unit());
    EXPECT_TRUE(std::equal(all.begin() + static_cast<std::ptrdiff_t>(2 * unit()), all.end(),
                           across.begin()));
    EXPECT_TRUE(is_blank(std::span(across).subspan(unit())));
    EXPECT_TRUE(is_blank(past));
}

TEST_F(ZoneReads, AfterAResetAndAFinishFindNothing) {
    if (!limits().reads_past_pointer) GTEST_SKIP() << "reads past the pointer are refused";
    const auto zone = zones().front();
    const auto length = 8 * unit();
    fill(start(zone), length, 9);
    ASSERT_EQ(act(Operation::reset, zone).status.code, StatusCode::ok);
    expect_blank(start(zone), length);
    fill(start(zone), 2 * unit(), 10);
    expect_blank(start(zone) + 2 * unit(), 6 * unit());
    ASSERT_EQ(act(Operation::finish, zone).status.code, StatusCode::ok);
    expect_filled(disk(), start(zone), 2 * unit(), 10);
    expect_blank(start(zone) + 2 * unit(), 6 * unit());
}

TEST_F(ZoneReads, BetweenCapacityAndTheNextZoneFindNothing) {
    const auto zone = zones().front();
    if (capacity(zone) == layout().length_of(zone))
        GTEST_SKIP() << "zones are writable to their end";
    if (!limits().reads_past_pointer) GTEST_SKIP() << "reads past the pointer are refused";
    expect_blank(start(zone) + capacity(zone), unit());
    expect_blank(start(zone) + layout().length_of(zone) - unit(), unit());
}

TEST_F(ZoneReads, AcrossZonesAreAsTheLimitsSay) {
    std::optional<std::uint32_t> first;
    for (std::size_t i = 0; i + 1 < zones().size() && !first; ++i)
        if (zones()[i + 1] == zones()[i] + 1) first = zones()[i];
    if (!first) GTEST_SKIP() << "no two sequential zones in a row";
    const auto border = start(*first + 1);
    if (most_active() > 0) fill(border, unit(), 11);
    Bytes data(2 * unit(), 0xEE);
    const auto code = read(border - unit(), data);
    if (!limits().reads_across_zones && required()) {
        EXPECT_EQ(code, StatusCode::read_crosses_boundary);
    } else if (!limits().reads_past_pointer && required()) {
        EXPECT_EQ(code, StatusCode::read_past_pointer);
    } else {
        EXPECT_EQ(code, StatusCode::ok);
        EXPECT_TRUE(is_blank(std::span(data).first(unit())));
        const auto written = pattern(11, unit());
        EXPECT_TRUE(std::equal(written.begin(), written.end(),
                               data.begin() + static_cast<std::ptrdiff_t>(unit())));
    }
}

TEST_F(Reads, BeyondTheEndOrOfNoWholeBlocksAreRefused) {
    const auto end = limits().size();
    const auto block = limits().logical_block_size;
    Bytes data(2 * block);
    EXPECT_EQ(read(end, data), StatusCode::out_of_range);
    EXPECT_EQ(read(end - block, data), StatusCode::out_of_range);
    EXPECT_EQ(read(~0UL / block * block, data), StatusCode::out_of_range);
    EXPECT_EQ(read(1, data), StatusCode::misaligned);
    EXPECT_EQ(read(block / 2, data), StatusCode::misaligned);
    data.resize(block + 1);
    EXPECT_EQ(read(0, data), StatusCode::misaligned);
    data.resize(0);
    EXPECT_EQ(read(0, data), StatusCode::invalid_request);
}

TEST_F(Reads, WhoseBuffersDoNotAddUpAreRefused) {
    Bytes data(4 * unit());
    const iovec half{data.data(), unit()};
    EXPECT_EQ(disk().run(request_of(Operation::read, 0, 2 * unit(), {&half, 1})).status.code,
              StatusCode::invalid_request);
    EXPECT_EQ(disk().run(request_of(Operation::read, 0, 2 * unit())).status.code,
              StatusCode::invalid_request);
}

TEST_F(Reads, OfAnyLengthAreServed) {
    const auto room = zoned() ? capacity(zones().front()) : limits().size();
    const auto length = std::min(limits().max_transfer, room) / unit() * unit();
    const auto at = place(length, 13);
    Bytes data(length, 0xEE);
    EXPECT_EQ(read(at, data), StatusCode::ok);
    expect_filled(disk(), at, length, 13);
    const auto first = data;
    // What is longer than the device transfers at once comes in pieces.
    ASSERT_TRUE(limits().any_length);
    const auto longer =
        std::min(3 * limits().max_transfer + limits().logical_block_size, limits().size() - at);
    if (zoned() && !limits().reads_past_pointer) return;
    if (!limits().reads_across_zones && longer > capacity(zones().front())) return;
    const auto reported = zoned() ? disk().report(zones().size(), at) : std::vector<Zone>();
    for (const auto& one : reported)
        if (one.state == ZoneState::offline && one.start < at + longer) return;
    data.assign(longer, 0xEE);
    EXPECT_EQ(read(at, data), StatusCode::ok);
    data.resize(length);
    EXPECT_TRUE(data == first);
}

// Buffers such as guests use: many, of odd lengths, at odd addresses, some of them empty.
TEST_F(Reads, FillScatteredBuffers) {
    const auto length = std::min(piece() * 4, limits().max_transfer) / unit() * unit();
    const auto at = place(length, 17);
    const auto expected = pattern(17, length);
    std::mt19937_64 random(1);
    for (const std::size_t most : {2U, 3U, 7U, 16U, 64U}) {
        const auto pieces = std::min<std::size_t>(most, limits().max_segments);
        SCOPED_TRACE(pieces);
        Bytes memory(length + 64 * pieces, 0xEE);
        std::vector<iovec> buffers;
        std::vector<std::size_t> gaps;
        std::size_t position = 0;
        auto rest = length;
        for (std::size_t i = 0; i < pieces; ++i) {
            position += 1 + random() % 63;
            const auto share =
                i + 1 == pieces ? rest : std::min(rest, random() % (2 * length / pieces));
            buffers.push_back({memory.data() + position, share});
            position += share;
            rest -= share;
        }
        const auto done = disk().run(request_of(Operation::read, at, length, buffers));
        ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
        Bytes got;
        for (const auto& buffer : buffers) {
            const auto* bytes = static_cast<const std::uint8_t*>(buffer.iov_base);
            got.insert(got.end(), bytes, bytes + buffer.iov_len);
            std::fill_n(static_cast<std::uint8_t*>(buffer.iov_base), buffer.iov_len, 0xEE);
        }
        EXPECT_TRUE(got == expected);
        EXPECT_TRUE(std::all_of(memory.begin(), memory.end(), [](auto byte) {
            return byte == 0xEE;
        })) << "bytes beside the buffers were changed";
    }
}

}  // namespace
}  // namespace zonebridge::contract
