#include "virtio/iovec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace zonebridge::virtio {
namespace {

class Iovec : public testing::Test {
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
        const auto count =
            copy_from(list_, offset, std::as_writable_bytes(std::span(out.data(), length)));
        return out.substr(0, count);
    }
};

TEST_F(Iovec, CopiesFromAnyOffsetUpToTheEnd) {
    EXPECT_EQ(total_length(list_), 9u);
    EXPECT_EQ(from(0, 9), "abcdefghi");
    EXPECT_EQ(from(2, 3), "cde");
    EXPECT_EQ(from(3, 5), "defgh");
    EXPECT_EQ(from(7, 100), "hi");
    EXPECT_EQ(from(9, 1), "");
    EXPECT_EQ(from(~0ull, 1), "");
    EXPECT_EQ(from(0, 0), "");
}

TEST_F(Iovec, CopiesToAnyOffsetUpToTheEnd) {
    const std::string in = "XYZ";
    EXPECT_EQ(copy_to(list_, 2, std::as_bytes(std::span(in))), 3u);
    EXPECT_EQ(join(list_), "abXYZfghi");
    EXPECT_EQ(copy_to(list_, 8, std::as_bytes(std::span(in))), 1u);
    EXPECT_EQ(join(list_), "abXYZfghX");
    EXPECT_EQ(copy_to(list_, 9, std::as_bytes(std::span(in))), 0u);
}

TEST_F(Iovec, SkippingWholeBuffersCopiesNothing) {
    const auto rest = skip_front(list_, 3, {});
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->data(), list_.data() + 1);
    EXPECT_EQ(join(*rest), "defghi");
    EXPECT_EQ(join(*skip_front(list_, 0, {})), "abcdefghi");
    EXPECT_EQ(join(*skip_front(list_, 9, {})), "");
}

TEST_F(Iovec, SkippingIntoABufferUsesTheScratch) {
    std::array<iovec, 3> scratch{};
    EXPECT_EQ(join(*skip_front(list_, 1, scratch)), "bcdefghi");
    EXPECT_EQ(join(*skip_front(list_, 4, scratch)), "efghi");
    EXPECT_EQ(join(list_), "abcdefghi") << "the list itself stays";
    EXPECT_FALSE(skip_front(list_, 1, std::span(scratch).first(2)));
    EXPECT_FALSE(skip_front(list_, 10, scratch));
}

TEST_F(Iovec, ACursorGoesOnWhereItStopped) {
    for (std::uint64_t offset = 0; offset <= 10; ++offset)
        for (std::size_t piece = 1; piece <= 5; ++piece) {
            one_ = "abc", two_ = "defgh", three_ = "i";
            WriteCursor cursor(list_, offset);
            const std::string in = "0123456789";
            std::size_t fitted = 0;
            for (std::size_t at = 0; at + piece <= in.size(); at += piece)
                fitted += cursor.write(std::as_bytes(std::span(in).subspan(at, piece)));
            std::string expected = "abcdefghi";
            const auto room = offset < 9 ? 9 - offset : 0;
            const auto written = std::min<std::size_t>(room, in.size() / piece * piece);
            expected.replace(std::min<std::size_t>(offset, 9), written, in.substr(0, written));
            EXPECT_EQ(join(list_), expected) << offset << " " << piece;
            EXPECT_EQ(fitted, written);
        }
}

}  // namespace
}  // namespace zonebridge::virtio
