// How devices are named and opened, create --like, and list, as far as that needs no real zoned
// disk. tests/guest/list.sh tests with real ones.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

TEST(DeviceNames, TheKindOfPathSelectsTheTransportAndInfoGivesTheReason) {
    const Disk disk;
    const auto info = json_of({"info", disk.path(), "--json"});
    EXPECT_EQ(info["transport"], "emulated");
    EXPECT_NE(info["reason"].get<std::string>().find("mark"), std::string::npos);
    EXPECT_NE(info["data_path"], "");
    EXPECT_EQ(json_of({"info", "emulated:" + disk.path(), "--json"})["reason"],
              "named by the prefix emulated:");
    EXPECT_EQ(json_of({"info", "null:1M", "--json"})["transport"], "null");
    EXPECT_NE(done({"info", disk.path()}).find("\ndata path "), std::string::npos);
}

TEST(DeviceNames, PathsThatAreNoDiskAreRefusedWithAdvice) {
    const TemporaryFolder folder;
    write_file(folder / "text", "hello");
    EXPECT_NE(failed({"info", folder / "text"}).find("block:" + (folder / "text")),
              std::string::npos);
    EXPECT_NE(failed({"info", folder.path().string()}).find("is a directory"), std::string::npos);
    EXPECT_NE(failed({"info", "emulated:/dev/null"}).find("emulated disk"), std::string::npos);
    EXPECT_NE(failed({"info", "/dev/null"}).find("/dev/null"), std::string::npos);
    for (const auto* prefix : {"scsi:", "nvme:", "block:"}) {
        const auto line = failed({"info", prefix + (folder / "nothing")});
        EXPECT_NE(line.find(folder / "nothing"), std::string::npos) << line;
    }
    EXPECT_NE(failed({"info", folder / "nothing"}).find("zonebridge create"), std::string::npos);
}

TEST(DeviceNames, TheBlockPrefixOpensAPlainFileAsADiskWithoutZones) {
    const TemporaryFolder folder;
    write_file(folder / "image", std::string(1 << 20, 'x'));
    const auto info = json_of({"info", "block:" + (folder / "image"), "--json"});
    EXPECT_EQ(info["transport"], "block");
    EXPECT_EQ(info["model"], "none");
    EXPECT_EQ(info["size"], 1 << 20);
    const auto data = pattern(65536);
    done({"write", "block:" + (folder / "image"), "--offset", "64K"}, data);
    EXPECT_EQ(done({"read", "block:" + (folder / "image"), "--offset", "64K", "--length", "64K"}),
              data);
    EXPECT_EQ(read_file(folder / "image").size(), std::size_t{1} << 20);
}

TEST(DeviceOptions, AreOfferedByTheVerbsThatNeedThem) {
    for (const auto* verb : {"info", "report", "read", "open", "close", "finish", "reset", "write",
                             "append", "serve", "bench"})
        EXPECT_NE(done({verb, "--help"}).find("--data-path"), std::string::npos) << verb;
    for (const auto* verb :
         {"open", "close", "finish", "reset", "write", "append", "serve", "bench"})
        EXPECT_NE(done({verb, "--help"}).find("--force"), std::string::npos) << verb;
    for (const auto* verb : {"info", "report", "read"})
        EXPECT_EQ(done({verb, "--help"}).find("--force"), std::string::npos) << verb;
}

TEST(DeviceOptions, DataPathIsOneOfThreeWords) {
    const Disk disk;
    for (const auto* word : {"any", "ioctl", "io_uring"})
        done({"info", disk.path(), "--data-path", word});
    const auto result = zonebridge({"info", disk.path(), "--data-path", "sg"});
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find("any, ioctl or io_uring"), std::string::npos) << result.err;
    EXPECT_EQ(zonebridge({"info", disk.path(), "--force"}).status, 2);
    done({"reset", disk.path(), "--all", "--force"});
}

TEST(List, ListsTheDisksOfThisHost) {
    const auto document = json_of({"list", "--all", "--json"});
    ASSERT_TRUE(document["disks"].is_array());
    for (const auto& disk : document["disks"]) {
        EXPECT_FALSE(disk["devices"].empty()) << disk;
        EXPECT_NE(disk["model"], "none") << disk;
    }
    for (const auto& disk : document["others"]) {
        EXPECT_NE(disk["disk"], "");
        EXPECT_NE(disk["reason"], "") << disk;
    }
    EXPECT_FALSE(json_of({"list", "--json"}).contains("others"));
    const auto words = done({"list"});
    if (document["disks"].empty()) {
        EXPECT_NE(words.find("no zoned disk"), std::string::npos) << words;
        EXPECT_NE(words.find("--all"), std::string::npos) << words;
    }
    EXPECT_EQ(zonebridge({"list", "disk.img"}).status, 2);
}

TEST(CreateLike, TheNewDiskHasTheSameShape) {
    const Disk disk({"--size", "63M", "--zone-size", "3M", "--zone-capacity", "2M",
                     "--conventional", "2", "--max-open", "3", "--max-active", "5", "--block-size",
                     "4096"});
    done({"create", disk / "twin", "--like", disk.path()});
    auto twin = json_of({"info", disk / "twin", "--json"});
    auto model = json_of({"info", disk.path(), "--json"});
    for (auto* info : {&twin, &model}) {
        info->erase("device");
        (*info)["identity"].erase("serial");
        (*info)["identity"].erase("unique_id");
    }
    EXPECT_EQ(twin, model);
}

TEST(CreateLike, OptionsOverrideTheDisk) {
    const Disk disk;
    done({"create", disk / "twin", "--like", disk.path(), "--size", "12M", "--conventional", "0",
          "--max-open", "2", "--model", "host-aware"});
    const auto info = json_of({"info", disk / "twin", "--json"});
    EXPECT_EQ(info["size"], 12 << 20);
    EXPECT_EQ(info["zone_size"], 4 << 20);
    EXPECT_EQ(info["zones"]["by_type"]["conventional"], 0);
    EXPECT_EQ(info["limits"]["max_open"], 2);
    EXPECT_EQ(info["model"], "host-aware");
}

TEST(CreateLike, ADiskWithoutZonesIsCopiedAndAMissingDiskRefused) {
    const TemporaryFolder folder;
    done({"create", folder / "twin", "--like", "null:8M"});
    EXPECT_EQ(json_of({"info", folder / "twin", "--json"})["model"], "none");
    EXPECT_NE(failed({"create", folder / "other", "--like", folder / "nothing"}).find("nothing"),
              std::string::npos);
    EXPECT_EQ(zonebridge({"create", folder / "other", "--zone-size", "1M"}).status, 2);
}

}  // namespace
}  // namespace zonebridge::test
