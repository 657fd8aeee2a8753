#include "zone/scatter.h"

#include <array>
#include <initializer_list>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace zonebridge::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Pieces {
    explicit Pieces(std::initializer_list<std::size_t> sizes) {
        bytes.resize(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
        std::size_t at = 0;
        for (const auto size : sizes) {
            list.push_back({bytes.data() + at, size});
            at += size;
        }
    }
    Bytes bytes;
    std::vector<iovec> list;
};

TEST(Scatter, TheFrontIsAPartOfTheListWhereABufferEndsThere) {
    const Pieces pieces{4, 0, 8, 2, 0};
    std::array<iovec, 8> room{};
    for (const auto& [length, count] :
         std::initializer_list<std::pair<std::size_t, std::size_t>>{{4, 1}, {12, 3}, {14, 4}}) {
        const auto part = front(pieces.list, length, room);
        ASSERT_TRUE(part);
        EXPECT_EQ(part->data(), pieces.list.data());
        EXPECT_EQ(part->size(), count);
        EXPECT_EQ(total_length(*part), length);
    }
}

TEST(Scatter, TheFrontIsCutInsideABuffer) {
    const Pieces pieces{4, 8, 2};
    std::array<iovec, 2> room{};
    const auto part = front(pieces.list, 7, room);
    ASSERT_TRUE(part);
    EXPECT_EQ(part->data(), room.data());
    EXPECT_EQ(total_length(*part), 7u);
    EXPECT_EQ((*part)[1].iov_base, pieces.list[1].iov_base);
    EXPECT_EQ(pieces.list[1].iov_len, 8u);
    EXPECT_FALSE(front(pieces.list, 13, room)) << "three buffers, room for two";
    EXPECT_FALSE(front(pieces.list, 15, room)) << "not so many bytes";
    EXPECT_FALSE(front({}, 1, room));
}

TEST(Scatter, CopiesInPiecesAndSaysHowMuchFitted) {
    Pieces pieces{3, 0, 1, 4};
    const auto source = Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9};
    ScatterWriter writer(pieces.list);
    EXPECT_EQ(writer.skip(2), 2u);
    EXPECT_EQ(writer.write(std::span(source).first(3)), 3u);
    EXPECT_EQ(writer.write(std::span(source).subspan(3)), 3u);
    EXPECT_EQ(writer.write(source), 0u);
    EXPECT_EQ(pieces.bytes, (Bytes{0, 0, 1, 2, 3, 4, 5, 6}));
    Bytes out(5);
    EXPECT_EQ(gather(pieces.list, out), 5u);
    EXPECT_EQ(out, (Bytes{0, 0, 1, 2, 3}));
    out.resize(20);
    EXPECT_EQ(gather(pieces.list, out), 8u);
    EXPECT_EQ(scatter(source, pieces.list), 8u);
}

TEST(Scatter, ComparesOnAndOnAndTellsTheFirstPlaceThatDiffers) {
    Pieces pieces{3, 0, 1, 4};
    pieces.bytes = {1, 2, 3, 4, 5, 6, 7, 8};
    const auto same = pieces.bytes;
    ScatterComparer all(pieces.list);
    EXPECT_EQ(all.compare(same), std::nullopt);
    for (std::size_t place = 0; place < same.size(); ++place) {
        auto other = same;
        other[place] ^= 0xFF;
        ScatterComparer comparer(pieces.list);
        EXPECT_EQ(comparer.compare(other), place);
        ScatterComparer halves(pieces.list);
        const auto first = halves.compare(std::span(other).first(5));
        EXPECT_EQ(first, place < 5 ? std::optional(place) : std::nullopt);
        if (!first) {
            EXPECT_EQ(halves.compare(std::span(other).subspan(5)), place - 5);
        }
    }
    auto longer = same;
    longer.push_back(9);
    ScatterComparer short_of_one(pieces.list);
    EXPECT_EQ(short_of_one.compare(longer), 8u) << "what is not there differs";
}

TEST(Scatter, CopiesPiecesInTheirOrder) {
    std::string first = "abc";
    std::string second = "defgh";
    const iovec parts[] = {{first.data(), 3}, {nullptr, 0}, {second.data(), 5}};
    Bytes place(8, ' ');
    EXPECT_EQ(gather(parts, place), 8u);
    EXPECT_EQ(std::string(place.begin(), place.end()), "abcdefgh");
    const std::string other = "12345678";
    place.assign(other.begin(), other.end());
    EXPECT_EQ(scatter(place, parts), 8u);
    EXPECT_EQ(first, "123");
    EXPECT_EQ(second, "45678");
}

TEST(Scatter, LengthsDoNotWrapAround) {
    const std::array<iovec, 2> huge{iovec{nullptr, ~std::size_t{0}}, iovec{nullptr, 5}};
    EXPECT_EQ(total_length(huge), ~std::uint64_t{0});
}

}  // namespace
}  // namespace zonebridge::test
