#include "base/bytes.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace zonebridge::test {
namespace {

constexpr std::array<std::uint8_t, 10> numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

TEST(Bytes, ReadsBigAndLittleEndianFields) {
    const ByteView view(numbers);
    EXPECT_EQ(view.u8(9), 10);
    EXPECT_EQ(view.be16(1), 0x0203);
    EXPECT_EQ(view.be24(1), 0x020304u);
    EXPECT_EQ(view.be32(1), 0x02030405u);
    EXPECT_EQ(view.be64(1), 0x0203040506070809u);
    EXPECT_EQ(view.le16(1), 0x0302);
    EXPECT_EQ(view.le32(1), 0x05040302u);
    EXPECT_EQ(view.le64(1), 0x0908070605040302u);
    EXPECT_TRUE(view.bit(2, 1));
    EXPECT_FALSE(view.bit(2, 2));
}

TEST(Bytes, BytesPastTheEndReadAsZeroes) {
    const ByteView view(numbers);
    EXPECT_EQ(view.be32(8), 0x090A0000u);
    EXPECT_EQ(view.be24(9), 0x0A0000u);
    EXPECT_EQ(view.le32(8), 0x0A09u);
    EXPECT_EQ(view.be64(10), 0u);
    EXPECT_EQ(view.le64(~std::size_t{0}), 0u) << "an offset near the largest does not wrap around";
    EXPECT_EQ(view.be64(~std::size_t{0} - 3), 0u);
    EXPECT_EQ(view.be24(~std::size_t{0}), 0u);
    EXPECT_TRUE(view.covers(2, 8));
    EXPECT_FALSE(view.covers(3, 8));
    EXPECT_FALSE(view.covers(~std::size_t{0}, 2));
    EXPECT_EQ(view.sub(8, 100).size(), 2u);
    EXPECT_EQ(view.sub(11, 1).size(), 0u);
}

TEST(Bytes, WritesFieldsAndNothingPastTheEnd) {
    std::vector<std::uint8_t> bytes(12, 0xEE);
    ByteWriter out(std::span<std::uint8_t>(bytes).first(10));
    const ByteView view(bytes);
    out.be64(0, 0x0102030405060708u);
    EXPECT_EQ(view.be64(0), 0x0102030405060708u);
    out.le64(1, 0x0102030405060708u);
    EXPECT_EQ(view.le64(1), 0x0102030405060708u);
    out.be24(4, 0x010203u);
    EXPECT_EQ(view.be24(4), 0x010203u);
    out.le16(0, 0xABCD);
    EXPECT_EQ(view.u8(0), 0xCD);
    out.be32(8, 0x11223344u);
    EXPECT_EQ(view.be16(8), 0x1122);
    out.le32(9, 0x55667788u);
    EXPECT_EQ(view.u8(9), 0x88);
    out.le64(~std::size_t{0}, 1);
    out.u8(10, 1);
    EXPECT_EQ(bytes[10], 0xEE) << "bytes past the end are unchanged";
    EXPECT_EQ(bytes[11], 0xEE);
    out.ascii(0, "a\tlong name", 4);
    EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 4), "a lo");
}

}  // namespace
}  // namespace zonebridge::test
