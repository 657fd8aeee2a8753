// create, info, report and the zone actions on an emulated disk.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

std::size_t lines_in(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(Create, MakesADiskOfTheRequestedShape) {
    const Disk disk({"--size", "64M", "--zone-size", "8M", "--zone-capacity", "6M",
                     "--conventional", "1", "--max-open", "3", "--max-active", "5", "--block-size",
                     "4096", "--physical-block-size", "4096"});
    const auto info = json_of({"info", disk.path(), "--json"});
    EXPECT_EQ(info["model"], "host-managed");
    EXPECT_EQ(info["size"], 64 * MiB);
    EXPECT_EQ(info["zone_size"], 8 * MiB);
    EXPECT_EQ(info["zone_capacity"], 6 * MiB);
    EXPECT_EQ(info["zone_count"], 8);
    EXPECT_EQ(info["logical_block_size"], 4096);
    EXPECT_EQ(info["physical_block_size"], 4096);
    EXPECT_EQ(info["limits"]["max_open"], 3);
    EXPECT_EQ(info["limits"]["max_active"], 5);
    EXPECT_EQ(info["zones"]["by_type"]["conventional"], 1);
    EXPECT_EQ(info["zones"]["by_type"]["sequential-write-required"], 7);
    EXPECT_EQ(info["zones"]["by_state"]["empty"], 7);
    EXPECT_EQ(info["zones"]["by_state"]["not-write-pointer"], 1);
}

TEST(Create, OtherModelsHaveOtherZonesOrNone) {
    const Disk aware({"--size", "32M", "--zone-size", "4M", "--model", "host-aware"});
    EXPECT_EQ(aware.zone(0)["type"], "sequential-write-preferred");
    EXPECT_EQ(json_of({"info", aware.path(), "--json"})["model"], "host-aware");

    const Disk ordinary({"--size", "32M", "--model", "none"});
    const auto info = json_of({"info", ordinary.path(), "--json"});
    EXPECT_EQ(info["model"], "none");
    EXPECT_EQ(info["zone_count"], 0);
    EXPECT_TRUE(info["zone_size"].is_null());
    EXPECT_NE(failed({"report", ordinary.path()}).find("no zones"), std::string::npos);
    EXPECT_NE(failed({"reset", ordinary.path(), "--all"}).find("no zones"), std::string::npos);
}

TEST(Create, AcceptsAPrefixAndPrintsJson) {
    const TemporaryFolder folder;
    const auto made = json_of(
        {"create", "emulated:" + (folder / "d"), "--size", "10M", "--zone-size", "4M", "--json"});
    EXPECT_EQ(made["created"], folder / "d");
    EXPECT_EQ(made["zone_count"], 3);
    EXPECT_TRUE(std::filesystem::exists(folder / "d"));
}

TEST(Create, NeverOverwrites) {
    const TemporaryFolder folder;
    write_file(folder / "precious", "data");
    const auto line = failed({"create", folder / "precious", "--size", "1G", "--zone-size", "1M"});
    EXPECT_NE(line.find("precious"), std::string::npos);
    EXPECT_NE(line.find("EEXIST"), std::string::npos);
    EXPECT_EQ(read_file(folder / "precious"), "data");
    EXPECT_NE(
        failed({"create", folder / "no/such", "--size", "1G", "--zone-size", "1M"}).find("ENOENT"),
        std::string::npos);
}

TEST(Info, ShowsTheIdentityAndTheReasonForTheTransport) {
    const Disk disk;
    const auto plain = json_of({"info", disk.path(), "--json"});
    EXPECT_EQ(plain["device"], disk.path());
    EXPECT_EQ(plain["transport"], "emulated");
    EXPECT_NE(plain["reason"], "");
    EXPECT_NE(plain["identity"]["vendor"], "");
    EXPECT_NE(plain["identity"]["serial"], "");
    EXPECT_FALSE(plain.contains("notice"));
    const auto named = json_of({"info", "emulated:" + disk.path(), "--json"});
    EXPECT_NE(named["reason"], plain["reason"]);
    EXPECT_EQ(named["identity"], plain["identity"]);
    const auto text = done({"info", disk.path()});
    for (const auto* word : {"host-managed", "33554432 (32 MiB)", "2 conventional", "6 empty"})
        EXPECT_NE(text.find(word), std::string::npos) << text;
    EXPECT_NE(done({"info", "null:1G"}).find("null"), std::string::npos);
}

TEST(Report, JsonHasTheDocumentedKeysInBytes) {
    const Disk disk;
    done({"write", disk.path(), "--offset", "8M"}, pattern(MiB));
    const auto zones = json_of({"report", disk.path(), "--json"})["zones"];
    ASSERT_EQ(zones.size(), 8U);
    for (std::size_t number = 0; number < zones.size(); ++number) {
        EXPECT_EQ(zones[number].size(), 6U);
        EXPECT_EQ(zones[number]["start"], number * 4 * MiB);
        EXPECT_EQ(zones[number]["length"], 4 * MiB);
        EXPECT_EQ(zones[number]["capacity"], 4 * MiB);
    }
    EXPECT_TRUE(zones[0]["write_pointer"].is_null());
    EXPECT_EQ(zones[0]["type"], "conventional");
    EXPECT_EQ(zones[0]["state"], "not-write-pointer");
    EXPECT_EQ(zones[2]["write_pointer"], 9 * MiB);
    EXPECT_EQ(zones[2]["state"].get<std::string>().find("empty"), std::string::npos);
    EXPECT_EQ(zones[3]["write_pointer"], 12 * MiB);
    EXPECT_EQ(zones[3]["state"], "empty");
}

TEST(Report, OffsetAndCountSelectAPart) {
    const Disk disk;
    const auto starts = [&](std::vector<std::string> rest) {
        rest.insert(rest.begin(), {"report", disk.path(), "--json"});
        std::vector<std::uint64_t> found;
        const auto document = json_of(std::move(rest));
        for (const auto& zone : document["zones"]) found.push_back(zone["start"]);
        return found;
    };
    using Starts = std::vector<std::uint64_t>;
    EXPECT_EQ(starts({"--offset", "24M"}), (Starts{24 * MiB, 28 * MiB}));
    EXPECT_EQ(starts({"--offset", "25M", "--count", "1"}), (Starts{24 * MiB}));
    EXPECT_EQ(starts({"--count", "2"}), (Starts{0, 4 * MiB}));
    EXPECT_EQ(starts({"--count", "0"}), Starts{});
    EXPECT_EQ(starts({"--count", "99999999999"}).size(), 8U);
    EXPECT_EQ(starts({"--offset", "33554431"}), (Starts{28 * MiB}));
    EXPECT_NE(failed({"report", disk.path(), "--offset", "32M"}).find("ends at 33554432"),
              std::string::npos);
}

TEST(Report, CountAppliesAfterTheStateAndTypeFilters) {
    const Disk disk;
    done({"open", disk.path(), "--zone", "3"});
    done({"finish", disk.path(), "--zone", "5"});
    const auto count = [&](std::vector<std::string> rest) {
        rest.insert(rest.begin(), {"report", disk.path(), "--json"});
        return json_of(std::move(rest))["zones"].size();
    };
    EXPECT_EQ(count({"--state", "empty"}), 4U);
    EXPECT_EQ(count({"--state", "empty", "--state", "full"}), 5U);
    EXPECT_EQ(count({"--state", "explicit-open"}), 1U);
    EXPECT_EQ(count({"--state", "offline"}), 0U);
    EXPECT_EQ(count({"--type", "conventional"}), 2U);
    EXPECT_EQ(count({"--type", "conventional", "--type", "sequential-write-required"}), 8U);
    EXPECT_EQ(count({"--type", "conventional", "--state", "full"}), 0U);
    EXPECT_EQ(count({"--state", "full", "--count", "1"}), 1U);
    EXPECT_EQ(count({"--state", "empty", "--count", "2"}), 2U);
}

TEST(Report, TableAndCsvHaveOneLinePerZone) {
    const Disk disk;
    EXPECT_EQ(lines_in(done({"report", disk.path()})), 9U);
    const auto csv = done({"report", disk.path(), "--csv"});
    EXPECT_EQ(lines_in(csv), 9U);
    EXPECT_EQ(csv.rfind("start,length,capacity,write_pointer,type,state\n0,4194304,4194304,,", 0),
              0U);
}

TEST(Report, TheMapIsReadableWithoutATerminal) {
    const Disk disk;
    done({"finish", disk.path(), "--zone", "2"});
    const auto map = done({"report", disk.path(), "--map"});
    EXPECT_EQ(map.rfind("0  ====##. . . . .\n", 0), 0U) << map;
    EXPECT_EQ(map.find('\x1b'), std::string::npos);
    EXPECT_NE(map.find("8 zones: 2 not-write-pointer, 5 empty, 1 full"), std::string::npos) << map;
    Command command;
    command.arguments = {"report", disk.path(), "--map"};
    command.environment = {"LC_ALL=C.UTF-8"};
    EXPECT_NE(run(command).out.find("██"), std::string::npos);
}

TEST(Actions, ChangeTheStateOfAZone) {
    const Disk disk;
    done({"open", disk.path(), "--zone", "2"});
    EXPECT_EQ(disk.state(2), "explicit-open");
    done({"write", disk.path(), "--offset", "8M"}, pattern(4096));
    done({"close", disk.path(), "--zone", "2"});
    EXPECT_EQ(disk.state(2), "closed");
    done({"finish", disk.path(), "--zone", "2"});
    EXPECT_EQ(disk.state(2), "full");
    EXPECT_TRUE(disk.zone(2)["write_pointer"].is_null());
    done({"reset", disk.path(), "--zone", "2"});
    EXPECT_EQ(disk.state(2), "empty");
    EXPECT_EQ(disk.zone(2)["write_pointer"], 8 * MiB);
}

TEST(Actions, RangesByNumberAndByBytesAreEquivalent) {
    const Disk disk;
    const auto by_number = json_of({"finish", disk.path(), "--zone", "3-5", "--json"});
    EXPECT_EQ(by_number["done"], 3);
    EXPECT_EQ(by_number["first_zone"], 3);
    EXPECT_EQ(by_number["last_zone"], 5);
    EXPECT_EQ(by_number["offset"], 12 * MiB);
    EXPECT_EQ(by_number["length"], 12 * MiB);
    EXPECT_EQ(by_number["states"]["full"], 3);
    const auto by_bytes =
        json_of({"reset", disk.path(), "--offset", "12M", "--length", "12M", "--json"});
    EXPECT_EQ(by_bytes["first_zone"], 3);
    EXPECT_EQ(by_bytes["done"], 3);
    EXPECT_EQ(by_bytes["states"]["empty"], 3);
    const auto one = json_of({"finish", disk.path(), "--offset", "12M", "--json"});
    EXPECT_EQ(one["done"], 1);
    EXPECT_EQ(disk.state(4), "empty");
}

TEST(Actions, AllActsOnEveryZoneItAppliesToAndPrintsHowMany) {
    const Disk disk;
    done({"open", disk.path(), "--zone", "2-4"});
    EXPECT_EQ(json_of({"close", disk.path(), "--all", "--json"})["done"], 3);
    done({"finish", disk.path(), "--zone", "6-7"});
    const auto reset = json_of({"reset", disk.path(), "--all", "--json"});
    EXPECT_EQ(reset["scope"], "all");
    EXPECT_EQ(reset["done"], 2);
    EXPECT_EQ(reset["states"]["empty"], 6);
    EXPECT_NE(done({"reset", disk.path(), "--all"}).find("no zone had to be reset"),
              std::string::npos);
}

TEST(Actions, AFailureNamesTheZoneAndTheNumberOfZonesDone) {
    const Disk disk;  // at most three open
    const auto line = failed({"open", disk.path(), "--zone", "3-7"});
    EXPECT_NE(line.find("zone 6"), std::string::npos) << line;
    EXPECT_NE(line.find("3 zones were opened"), std::string::npos) << line;
    for (const auto number : {3, 4, 5}) EXPECT_EQ(disk.state(number), "explicit-open");
    EXPECT_EQ(disk.state(6), "empty");

    const auto conventional = failed({"reset", disk.path(), "--zone", "0-3"});
    EXPECT_NE(conventional.find("zone 0 (conventional)"), std::string::npos) << conventional;
    EXPECT_NE(conventional.find("no zone was reset"), std::string::npos) << conventional;
}

TEST(Actions, MissingZonesAreNamed) {
    const Disk disk;
    EXPECT_NE(failed({"reset", disk.path(), "--zone", "8"}).find("no zone 8"), std::string::npos);
    EXPECT_NE(failed({"reset", disk.path(), "--zone", "7-8"}).find("no zone 8"), std::string::npos);
    EXPECT_NE(failed({"reset", disk.path(), "--offset", "9M"}).find("zone 2"), std::string::npos);
    EXPECT_NE(failed({"reset", disk.path(), "--offset", "32M"}).find("ends at"), std::string::npos);
    EXPECT_NE(failed({"reset", disk.path(), "--offset", "8M", "--length", "5M"}).find("length"),
              std::string::npos);
    EXPECT_NE(failed({"reset", disk.path(), "--offset", "28M", "--length", "8M"}).find("length"),
              std::string::npos);
}

}  // namespace
}  // namespace zonebridge::test
