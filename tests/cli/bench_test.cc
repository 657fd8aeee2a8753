// bench: it gives results, and never destroys data without --force. The times are not checked.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

std::vector<std::string> bench(const std::string& device, const std::string& work,
                               std::vector<std::string> rest = {}) {
    std::vector<std::string> all{"bench", device, "--work", work, "--runtime", "0.05"};
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
}

nlohmann::json measured(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--json", "-"});
    const auto document = json_of(arguments);
    EXPECT_EQ(document["results"].size(), 1U);
    return document["results"][0];
}

TEST(Bench, EveryWorkloadGivesResults) {
    const Disk disk(
        {"--size", "16M", "--zone-size", "1M", "--zone-capacity", "772K", "--max-open", "3"});
    for (const auto* work : {"seqwrite", "append", "randread"}) {
        const auto result =
            measured(bench(disk.path(), work,
                           std::string(work) == "randread"
                               ? std::vector<std::string>{"--depth", "4", "--block-size", "16K"}
                               : std::vector<std::string>{"--depth", "4", "--block-size", "16K",
                                                          "--zones-in-flight", "2", "--force"}));
        EXPECT_EQ(result["device"], disk.path());
        EXPECT_EQ(result["transport"], "emulated");
        EXPECT_EQ(result["work"], work);
        EXPECT_EQ(result["block_size"], 16384);
        EXPECT_EQ(result["depth"], 4);
        EXPECT_GT(result["iops"], 0);
        EXPECT_GT(result["bandwidth"], 0);
        EXPECT_GT(result["requests"], 0);
        EXPECT_LE(result["latency"]["p50"], result["latency"]["p99"]);
        EXPECT_LE(result["latency"]["p99"], result["latency"]["max"]);
        EXPECT_GE(result["cpu"]["user"], 0);
        EXPECT_FALSE(result.contains("note"));
    }
    const auto result = measured(bench(disk.path(), "report", {"--depth", "4"}));
    EXPECT_TRUE(result["block_size"].is_null());
    EXPECT_GT(result["iops"], 0);
}

TEST(Bench, WrittenDataStayOnTheDisk) {
    // Small zones, so that the run fills some of them, or all of them many times.
    constexpr std::size_t zones = 16;
    constexpr std::size_t appends = 3;  // that fill a zone
    constexpr std::uint64_t zone_size = 64 << 10;
    constexpr std::uint64_t block = 16 << 10;
    const Disk disk({"--size", "1M", "--zone-size", "64K", "--zone-capacity", "48K"});
    const auto requests =
        measured(bench(disk.path(), "append", {"--depth", "16", "--block-size", "16K"}))["requests"]
            .get<std::size_t>();
    ASSERT_GE(requests, appends);
    const auto report = json_of({"report", disk.path(), "--json"})["zones"];
    ASSERT_EQ(report.size(), zones);
    const auto all_used = requests >= zones * appends;
    const auto last = (requests - 1) / appends % zones;
    const auto in_last = (requests - 1) % appends + 1;
    for (std::size_t zone = 0; zone < zones; ++zone) {
        SCOPED_TRACE(testing::Message() << "zone " << zone << " after " << requests);
        if (zone == last && in_last < appends) {
            EXPECT_EQ(report[zone]["write_pointer"], zone * zone_size + in_last * block);
        } else if (all_used && in_last == appends && zone == (last + 1) % zones) {
            // The time may end between the reset of a used zone and its first append.
            EXPECT_TRUE(report[zone]["state"] == "full" || report[zone]["state"] == "empty");
        } else {
            EXPECT_EQ(report[zone]["state"], all_used || zone <= last ? "full" : "empty");
        }
    }
    EXPECT_EQ(done(bench(disk.path(), "randread")).find("no zone holds data"), std::string::npos);
}

TEST(Bench, DataAreDestroyedOnlyWithForce) {
    const Disk disk;
    const auto data = pattern(1 << 20);
    done({"write", disk.path(), "--offset", "8M"}, data);
    for (const auto* work : {"append", "seqwrite"}) {
        const auto line = failed(bench(disk.path(), work));
        EXPECT_NE(line.find("a zone is not empty"), std::string::npos) << line;
        EXPECT_NE(line.find("1 MiB"), std::string::npos) << line;
        EXPECT_NE(line.find("--force"), std::string::npos) << line;
        EXPECT_EQ(done({"read", disk.path(), "--offset", "8M", "--length", "1M"}), data);
    }
    done(bench(disk.path(), "seqwrite", {"--force"}));
    EXPECT_NE(done({"read", disk.path(), "--offset", "8M", "--length", "1M"}), data);

    const Disk ordinary({"--size", "4M", "--model", "none"});
    EXPECT_NE(failed(bench(ordinary.path(), "seqwrite")).find("--force"), std::string::npos);
    done(bench(ordinary.path(), "seqwrite", {"--force"}));
}

TEST(Bench, ReadsWithoutWrittenDataAreNoted) {
    const Disk disk;
    EXPECT_NE(done(bench(disk.path(), "randread")).find("no zone holds data"), std::string::npos);
    const auto result = measured(bench("null:1G", "randread", {"--depth", "8"}));
    EXPECT_EQ(result["transport"], "null");
    EXPECT_NE(result["note"].get<std::string>().find("no zones"), std::string::npos);
    EXPECT_GT(measured(bench("null:1G", "seqwrite"))["iops"], 0);
}

TEST(Bench, JsonGoesToAFileAndTextToStandardOutput) {
    const Disk disk;
    const auto words = done(bench(disk.path(), "report", {"--json", disk / "result"}));
    EXPECT_NE(words.find("IOPS"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(read_file(disk / "result"))["results"][0]["work"], "report");
    const auto before = read_file(disk.path());
    failed(bench(disk.path(), "report", {"--json", disk.path()}));
    EXPECT_EQ(read_file(disk.path()), before);
}

TEST(Bench, UnsupportedWorkloadsAreRefusedWithAReason) {
    const Disk disk;  // 3 zones may be open
    EXPECT_NE(failed(bench(disk.path(), "append", {"--zones-in-flight", "4"})).find("open"),
              std::string::npos);
    EXPECT_NE(failed(bench(disk.path(), "append", {"--block-size", "512"})).find("4096"),
              std::string::npos);
    EXPECT_NE(failed(bench(disk.path(), "randread", {"--block-size", "1000"})).find("512"),
              std::string::npos);
    EXPECT_NE(failed(bench("null:1G", "report")).find("no zones"), std::string::npos);
    EXPECT_NE(failed(bench("null:1G", "append")).find("append"), std::string::npos);
    EXPECT_NE(failed(bench("null:1G", "seqwrite", {"--zones-in-flight", "2"})).find("no zones"),
              std::string::npos);
}

TEST(Bench, WrongUsageIsRefusedWithAReason) {
    const std::pair<std::vector<std::string>, const char*> misuses[] = {
        {{"bench", "null:1M"}, "--work"},
        {{"bench", "null:1M", "--work", "sleep"}, "randread"},
        {{"bench", "null:1M", "--work", "randread", "--depth", "0"}, "--depth"},
        {{"bench", "null:1M", "--work", "randread", "--depth", "100000"}, "4096"},
        {{"bench", "null:1M", "--work", "randread", "--runtime", "0"}, "'0'"},
        {{"bench", "null:1M", "--work", "randread", "--runtime", "-1"}, "'-1'"},
        {{"bench", "null:1M", "--work", "randread", "--runtime", "1e9"}, "'1e9'"},
        {{"bench", "null:1M", "--work", "randread", "--runtime", "nan"}, "'nan'"},
        {{"bench", "null:1M", "--work", "randread", "--block-size", "0"}, "--block-size"},
        {{"bench", "null:1M", "--work", "randread", "--block-size", "1T"}, "memory"},
        {{"bench", "null:1M", "--work", "randread", "--zones-in-flight", "2"}, "append"},
    };
    for (const auto& [arguments, word] : misuses) {
        const auto result = zonebridge(arguments);
        EXPECT_EQ(result.status, 2) << result.err;
        EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
    }
}

}  // namespace
}  // namespace zonebridge::test
