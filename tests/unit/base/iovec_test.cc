#include "base/iovec.h"

#include <algorithm>
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

TEST(Iovec, AFrontThatEndsWithABufferIsPartOfTheList) {
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

TEST(Iovec, AFrontThatEndsInsideABufferIsCopiedAndCut) {
    const Pieces pieces{4, 8, 2};
    std::array<iovec, 2> room{};
    const auto part = front(pieces.list, 7, room);
    ASSERT_TRUE(part);
    EXPECT_EQ(part->data(), room.data());
    EXPECT_EQ(total_length(*part), 7u);
    EXPECT_EQ((*part)[1].iov_base, pieces.list[1].iov_base);
    EXPECT_EQ(pieces.list[1].iov_len, 8u);
    EXPECT_FALSE(front(pieces.list, 13, room)) << "three buffers, room for two";
    EXPECT_FALSE(front(pieces.list, 15, room)) << "the list has only 14 bytes";
    EXPECT_FALSE(front({}, 1, room));
}

TEST(Iovec, CopiesInPiecesAndReturnsHowMuchFitted) {
    Pieces pieces{3, 0, 1, 4};
    const auto source = Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9};
    IovecCursor writer(pieces.list);
    EXPECT_EQ(writer.skip(2), 2u);
    EXPECT_EQ(writer.write(std::span(source).first(3)), 3u);
    EXPECT_EQ(writer.write(std::span(source).subspan(3)), 3u);
    EXPECT_EQ(writer.write(source), 0u);
    EXPECT_EQ(pieces.bytes, (Bytes{0, 0, 1, 2, 3, 4, 5, 6}));
    Bytes out(5);
    EXPECT_EQ(copy_from(pieces.list, 0, out), 5u);
    EXPECT_EQ(out, (Bytes{0, 0, 1, 2, 3}));
    out.resize(20);
    EXPECT_EQ(copy_from(pieces.list, 0, out), 8u);
    EXPECT_EQ(copy_to(pieces.list, 0, source), 8u);
}

TEST(Iovec, ComparesInPiecesAndReturnsTheFirstDifference) {
    Pieces pieces{3, 0, 1, 4};
    pieces.bytes = {1, 2, 3, 4, 5, 6, 7, 8};
    const auto same = pieces.bytes;
    IovecCursor all(pieces.list);
    EXPECT_EQ(all.compare(same), std::nullopt);
    for (std::size_t place = 0; place < same.size(); ++place) {
        auto other = same;
        other[place] ^= 0xFF;
        IovecCursor comparer(pieces.list);
        EXPECT_EQ(comparer.compare(other), place);
        IovecCursor halves(pieces.list);
        const auto first = halves.compare(std::span(other).first(5));
        EXPECT_EQ(first, place < 5 ? std::optional(place) : std::nullopt);
        if (!first) {
            EXPECT_EQ(halves.compare(std::span(other).subspan(5)), place - 5);
        }
    }
    auto longer = same;
    longer.push_back(9);
    IovecCursor short_of_one(pieces.list);
    EXPECT_EQ(short_of_one.compare(longer), 8u) << "a missing byte counts as a difference";
}

TEST(Iovec, CopiesPiecesInOrder) {
    std::string first = "abc";
    std::string second = "defgh";
    const iovec parts[] = {{first.data(), 3}, {nullptr, 0}, {second.data(), 5}};
    Bytes place(8, ' ');
    EXPECT_EQ(copy_from(parts, 0, place), 8u);
    EXPECT_EQ(std::string(place.begin(), place.end()), "abcdefgh");
    const std::string other = "12345678";
    place.assign(other.begin(), other.end());
    EXPECT_EQ(copy_to(parts, 0, place), 8u);
    EXPECT_EQ(first, "123");
    EXPECT_EQ(second, "45678");
}

TEST(Iovec, LengthsDoNotWrapAround) {
    const std::array<iovec, 2> huge{iovec{nullptr, ~std::size_t{0}}, iovec{nullptr, 5}};
    EXPECT_EQ(total_length(huge), ~std::uint64_t{0});
}

TEST(Iovec, ASliceBeginsAtTheCursorAndEndsWithTheList) {
    const Pieces pieces{4, 0, 8, 2};
    std::array<iovec, 2> out{};
    IovecCursor cursor(pieces.list, 3);
    const auto first = cursor.slice(5, out);
    EXPECT_EQ(first.length, 5u);
    ASSERT_EQ(first.pieces.size(), 2u);
    EXPECT_EQ(first.pieces[0].iov_base, pieces.bytes.data() + 3);
    EXPECT_EQ(first.pieces[0].iov_len, 1u);
    EXPECT_EQ(first.pieces[1].iov_base, pieces.bytes.data() + 4);
    EXPECT_EQ(first.pieces[1].iov_len, 4u);
    const auto second = cursor.slice(100, std::span(out).first(1));
    EXPECT_EQ(second.length, 4u) << "one piece fits";
    EXPECT_EQ(cursor.slice(100, out).length, 2u) << "the buffers end";
    EXPECT_EQ(cursor.slice(1, out).length, 0u);
}

TEST(Iovec, TrimmingChangesTheListItself) {
    Pieces pieces{4, 8, 2};
    const auto rest = trim_front(pieces.list, 6);
    ASSERT_EQ(rest.size(), 2u);
    EXPECT_EQ(rest[0].iov_base, pieces.bytes.data() + 6);
    EXPECT_EQ(rest[0].iov_len, 6u);
    EXPECT_TRUE(trim_front(rest, 8).empty());
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class IovecTest : public testing::Test {
  protected:
    std::string one_ = "abc";
    std::string two_ = "defgh";
    std::string three_ = "i";
    std::array<iovec, 3> list_{{{one_.data(), 3}, {two_.data(), 5}, {three_.data(), 1}}};

    [[nodiscard]] static std::string join(std::span<const iovec> list) {
        std::string all;
        for (const auto& one : list) all.append(static_cast<char*>(one.iov_base), one.iov_len);
        return all;
    }
    [[nodiscard]] std::string from(std::uint64_t offset, std::size_t length) const {
        std::string out(length, '.');
        const auto count = copy_from(
            list_, offset, std::span(reinterpret_cast<std::uint8_t*>(out.data()), length));
        return out.substr(0, count);
    }
};

TEST_F(IovecTest, CopiesFromAnyOffsetUpToTheEnd) {
    EXPECT_EQ(total_length(list_), 9u);
    EXPECT_EQ(from(0, 9), "abcdefghi");
    EXPECT_EQ(from(2, 3), "cde");
    EXPECT_EQ(from(3, 5), "defgh");
    EXPECT_EQ(from(7, 100), "hi");
    EXPECT_EQ(from(9, 1), "");
    EXPECT_EQ(from(~0ull, 1), "");
    EXPECT_EQ(from(0, 0), "");
}

TEST_F(IovecTest, CopiesToAnyOffsetUpToTheEnd) {
    const std::string in = "XYZ";
    EXPECT_EQ(copy_to(list_, 2, bytes_of(in)), 3u);
    EXPECT_EQ(join(list_), "abXYZfghi");
    EXPECT_EQ(copy_to(list_, 8, bytes_of(in)), 1u);
    EXPECT_EQ(join(list_), "abXYZfghX");
    EXPECT_EQ(copy_to(list_, 9, bytes_of(in)), 0u);
}

TEST_F(IovecTest, SkippingWholeBuffersCopiesNothing) {
    const auto rest = skip_front(list_, 3, {});
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->data(), list_.data() + 1);
    EXPECT_EQ(join(*rest), "defghi");
    EXPECT_EQ(join(*skip_front(list_, 0, {})), "abcdefghi");
    EXPECT_EQ(join(*skip_front(list_, 9, {})), "");
}

TEST_F(IovecTest, SkippingIntoABufferUsesTheScratch) {
    std::array<iovec, 3> scratch{};
    EXPECT_EQ(join(*skip_front(list_, 1, scratch)), "bcdefghi");
    EXPECT_EQ(join(*skip_front(list_, 4, scratch)), "efghi");
    EXPECT_EQ(join(list_), "abcdefghi") << "the list itself is unchanged";
    EXPECT_FALSE(skip_front(list_, 1, std::span(scratch).first(2)));
    EXPECT_FALSE(skip_front(list_, 10, scratch));
}

TEST_F(IovecTest, ACursorContinuesWhereItStopped) {
    for (std::uint64_t offset = 0; offset <= 10; ++offset)
        for (std::size_t piece = 1; piece <= 5; ++piece) {
            one_ = "abc", two_ = "defgh", three_ = "i";
            IovecCursor cursor(list_, offset);
            const std::string in = "0123456789";
            std::size_t fitted = 0;
            for (std::size_t at = 0; at + piece <= in.size(); at += piece)
                fitted += cursor.write(bytes_of(in).subspan(at, piece));
            std::string expected = "abcdefghi";
            const auto room = offset < 9 ? 9 - offset : 0;
            const auto written = std::min<std::size_t>(room, in.size() / piece * piece);
            expected.replace(std::min<std::size_t>(offset, 9), written, in.substr(0, written));
            EXPECT_EQ(join(list_), expected) << offset << " " << piece;
            EXPECT_EQ(fitted, written);
        }
}

}  // namespace
}  // namespace zonebridge::test
