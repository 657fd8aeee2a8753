#include <fmt/format.h>
#include <gtest/gtest.h>

#include "transports/open.h"

namespace zonebridge {
namespace {

using Kind = DeviceName::Kind;

TEST(DeviceName, PlainPathsArePaths) {
    for (const auto* text : {"disk.img", "/dev/sda", "./a:b", "/x/emulated:y", "dir/a:b", ":x",
                             "Emulated:x", "a b:c", "-"}) {
        const auto name = parse_device_name(text);
        ASSERT_TRUE(name) << text << ": " << name.error().message;
        EXPECT_EQ(name->kind, Kind::path) << text;
        EXPECT_EQ(name->path, text);
    }
}

TEST(DeviceName, PrefixesChooseTheTransport) {
    const auto emulated = parse_device_name("emulated:/a/b:c");
    ASSERT_TRUE(emulated);
    EXPECT_EQ(emulated->kind, Kind::emulated);
    EXPECT_EQ(emulated->path, "/a/b:c");

    const std::pair<const char*, Kind> real[] = {{"block:/dev/sda", Kind::block},
                                                 {"scsi:/dev/sg0", Kind::scsi},
                                                 {"nvme:/dev/ng0n1", Kind::nvme}};
    for (const auto& [text, kind] : real) {
        const auto name = parse_device_name(text);
        ASSERT_TRUE(name) << text;
        EXPECT_EQ(name->kind, kind);
        EXPECT_EQ(fmt::format("{}:{}", prefix_word(kind), name->path), text);
    }

    const auto null = parse_device_name("null:2G");
    ASSERT_TRUE(null);
    EXPECT_EQ(null->kind, Kind::null);
    EXPECT_EQ(null->size, std::uint64_t{2} << 30);
}

TEST(DeviceName, InvalidNamesAreRefusedWithTheReason) {
    const std::pair<const char*, const char*> refused[] = {
        {"", "empty"},          {"emulated:", "path"}, {"null:", "not a size"}, {"null:x", "'x'"},
        {"null:0", "multiple"}, {"null:513", "512"},   {"block:", "path"},      {"scsi:", "path"},
        {"nvme:", "path"},      {"http://x", "http:"}, {"disk:1", "./disk:1"},
    };
    for (const auto& [text, word] : refused) {
        const auto name = parse_device_name(text);
        ASSERT_FALSE(name) << text;
        EXPECT_EQ(name.error().code, StatusCode::invalid_request);
        EXPECT_NE(name.error().message.find(word), std::string::npos) << name.error().message;
    }
}

TEST(DeviceName, AnUnknownPrefixListsTheKnownOnes) {
    const auto message = parse_device_name("floppy:a").error().message;
    for (const auto* known : {"emulated:", "block:", "scsi:", "nvme:", "null:"})
        EXPECT_NE(message.find(known), std::string::npos) << message;
}

}  // namespace
}  // namespace zonebridge
