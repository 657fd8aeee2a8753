#include "base/size.h"

#include <limits>

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

constexpr auto largest = std::numeric_limits<std::uint64_t>::max();

TEST(Size, WholeNumbersAndUnitsAreAccepted) {
    const std::pair<const char*, std::uint64_t> expected[] = {
        {"0", 0},
        {"1", 1},
        {"007", 7},
        {"4096", 4096},
        {"1K", 1024},
        {"3k", 3072},
        {"256M", std::uint64_t{256} << 20},
        {"10g", std::uint64_t{10} << 30},
        {"32T", std::uint64_t{32} << 40},
        {"16777215T", std::uint64_t{16777215} << 40},
        {"18446744073709551615", largest},
    };
    for (const auto& [text, bytes] : expected) {
        const auto size = parse_size(text);
        ASSERT_TRUE(size) << text << ": " << size.error();
        EXPECT_EQ(*size, bytes) << text;
    }
}

TEST(Size, TextThatIsNotASizeIsRefusedAndQuoted) {
    for (const auto* text : {"", "K", "M", "-1", "+1", " 1", "1 ", "1.5G", "1e9", "0x10", "1KK",
                             "1KB", "1MiB", "1P", "G1", "ten", "1,000", "\x01", "1\n"}) {
        const auto size = parse_size(text);
        ASSERT_FALSE(size) << text;
        EXPECT_NE(size.error().find("is not a size"), std::string::npos) << size.error();
    }
    EXPECT_NE(parse_size("1.5G").error().find("'1.5G'"), std::string::npos);
}

TEST(Size, MessagesStayShortAndPrintable) {
    const auto error = parse_size(std::string(5000, 'x') + "\x1b[31m").error();
    EXPECT_LT(error.size(), 200U);
    EXPECT_EQ(parse_size("\x1b[31m\n").error().find('\x1b'), std::string::npos);
}

TEST(Size, SizesPast64BitsAreRefused) {
    for (const auto* text : {"18446744073709551616", "99999999999999999999999", "16777216T",
                             "18014398509481984K", "18446744073709551615T"}) {
        const auto size = parse_size(text);
        ASSERT_FALSE(size) << text;
        EXPECT_NE(size.error().find("too large"), std::string::npos) << size.error();
    }
}

TEST(Size, ExactTextsParseToTheSameSize) {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{1024},
          std::uint64_t{1025}, std::uint64_t{256} << 20, std::uint64_t{1077} << 20,
          std::uint64_t{1} << 60, largest}) {
        const auto back = parse_size(exact_size(bytes));
        ASSERT_TRUE(back) << exact_size(bytes);
        EXPECT_EQ(*back, bytes);
    }
    EXPECT_EQ(exact_size(std::uint64_t{256} << 20), "256M");
    EXPECT_EQ(exact_size(std::uint64_t{1077} << 20), "1077M");
    EXPECT_EQ(exact_size(0), "0");
}

TEST(Size, ReadableTextsAreRoundedDown) {
    EXPECT_EQ(readable_size(0), "0 bytes");
    EXPECT_EQ(readable_size(1), "1 byte");
    EXPECT_EQ(readable_size(1023), "1023 bytes");
    EXPECT_EQ(readable_size(1024), "1 KiB");
    EXPECT_EQ(readable_size(1536), "1.5 KiB");
    EXPECT_EQ(readable_size((std::uint64_t{1} << 30) - 1), "1023 MiB");
    EXPECT_EQ(readable_size(std::uint64_t{2047} << 20), "1.9 GiB");
    EXPECT_EQ(readable_size(std::uint64_t{32} << 40), "32 TiB");
    EXPECT_EQ(readable_size(largest), "15.9 EiB");
}

}  // namespace
}  // namespace zonebridge
