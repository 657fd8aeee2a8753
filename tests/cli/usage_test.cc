// Wrong usage: exit status 2, a message that names the mistake, and no effect.
#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

struct Misuse {
    std::vector<std::string> arguments;
    std::string named;  // must be in the message
};

void expect_refused(const std::vector<Misuse>& misuses) {
    for (const auto& [arguments, named] : misuses) {
        const auto result = zonebridge(arguments);
        const auto words = ::testing::PrintToString(arguments);
        EXPECT_EQ(result.status, 2) << words << "\n" << result.out << result.err;
        EXPECT_EQ(result.out, "") << words;
        EXPECT_NE(result.err.find(named), std::string::npos) << words << "\n" << result.err;
        EXPECT_NE(result.err.find("--help"), std::string::npos) << words << "\n" << result.err;
    }
}

TEST(Usage, NoArgumentsGiveTheHelpAsAnError) {
    const auto result = zonebridge({});
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("report"), std::string::npos);
    EXPECT_NE(result.err.find("Example"), std::string::npos);
}

TEST(Usage, UnknownVerbsAndOptionsAreNamed) {
    expect_refused({{{"reprot"}, "reprot"},
                    {{""}, "''"},
                    {{"--verbose"}, "--verbose"},
                    {{"disk.img", "report"}, "disk.img"},
                    {{"--", "report"}, "--"},
                    {{"info", "d", "--bogus"}, "--bogus"},
                    {{"info", "--bogus"}, "--bogus"},
                    {{"info", "d", "-x"}, "-x"},
                    {{"info", "a", "b"}, "b"},
                    {{"read", "d", "--offset", "0", "--length", "4K", "--csv"}, "--csv"}});
}

TEST(Usage, MissingArgumentsAreNamed) {
    expect_refused({{{"create"}, "FILE"},
                    {{"create", "x"}, "--size"},
                    {{"create", "x", "--size", "1G"}, "--zone-size"},
                    {{"create", "--size", "1G", "--zone-size", "1M"}, "FILE"},
                    {{"info"}, "DEVICE"},
                    {{"report"}, "DEVICE"},
                    {{"report", "d", "--count"}, "--count"},
                    {{"open"}, "DEVICE"},
                    {{"open", "d"}, "--zone"},
                    {{"close", "d"}, "--all"},
                    {{"finish", "d", "--length", "4M"}, "--offset"},
                    {{"read", "d", "--length", "4K"}, "--offset"},
                    {{"read", "d", "--offset", "4K"}, "--length"},
                    {{"write", "d"}, "--offset"},
                    {{"append", "d"}, "--zone"}});
}

TEST(Usage, InvalidSizesAndNumbersAreNamed) {
    expect_refused(
        {{{"report", "d", "--offset", "x"}, "'x'"},
         {{"report", "d", "--offset", "1.5G"}, "'1.5G'"},
         {{"report", "d", "--offset", "-1"}, "-1"},
         {{"report", "d", "--offset", ""}, "--offset"},
         {{"report", "d", "--offset", "1MiB"}, "'1MiB'"},
         {{"report", "d", "--offset", "18446744073709551616"}, "too large"},
         {{"report", "d", "--offset", "16777216T"}, "too large"},
         {{"report", "d", "--count", "many"}, "'many'"},
         {{"report", "d", "--count", "1K"}, "'1K'"},
         {{"read", "d", "--offset", "0", "--length", "4 K"}, "'4 K'"},
         {{"write", "d", "--offset", "0x1000"}, "'0x1000'"},
         {{"append", "d", "--zone", "1-2"}, "'1-2'"},
         {{"append", "d", "--zone", "4294967296"}, "4294967296"},
         {{"create", "x", "--size", "1G", "--zone-size", "1M", "--max-open", "-3"}, "'-3'"},
         {{"create", "x", "--size", "1G", "--zone-size", "1M", "--max-active", "4294967296"},
          "4294967296"}});
}

TEST(Usage, InvalidWordsAreRefusedWithAListOfValidOnes) {
    expect_refused(
        {{{"report", "d", "--state", "open"}, "implicit-open"},
         {{"report", "d", "--state", "EMPTY"}, "empty"},
         {{"report", "d", "--type", "seq"}, "sequential-write-required"},
         {{"create", "x", "--size", "1G", "--zone-size", "1M", "--model", "smr"}, "host-managed"},
         {{"create", "x", "--size", "1G", "--zone-size", "1M", "--block-size", "520"}, "4096"},
         {{"create", "x", "--size", "1G", "--zone-size", "1M", "--physical-block-size", "8192"},
          "4096"}});
}

TEST(Usage, ZonesMustBeSelectedInExactlyOneWay) {
    for (const auto* verb : {"open", "close", "finish", "reset"})
        expect_refused({{{verb, "d", "--zone", "1", "--all"}, "give only one of"},
                        {{verb, "d", "--zone", "1", "--offset", "4M"}, "give only one of"},
                        {{verb, "d", "--all", "--offset", "4M"}, "give only one of"},
                        {{verb, "d", "--zone", "1", "--length", "4M"}, "--length"},
                        {{verb, "d", "--all", "--length", "4M"}, "--length"},
                        {{verb, "d", "--offset", "4M", "--length", "0"}, "--length 0"},
                        {{verb, "d", "--zone", "1", "--zone", "2"}, "more than once"},
                        {{verb, "d", "--zone", "2-1"}, "backwards"},
                        {{verb, "d", "--zone", "-1"}, "-1"},
                        {{verb, "d", "--zone", "all"}, "'all'"}});
}

TEST(Usage, OptionsThatContradictEachOtherAreNamed) {
    expect_refused({{{"report", "d", "--json", "--csv"}, "--csv"},
                    {{"report", "d", "--map", "--csv"}, "--map"},
                    {{"report", "d", "--map", "--json"}, "--map"},
                    {{"read", "d", "--offset", "0", "--offset", "1", "--length", "1"}, "--offset"},
                    {{"write", "d", "--offset", "0", "--input", ""}, "--input"}});
}

TEST(Usage, InvalidDeviceNamesAreRefusedWithAReason) {
    expect_refused({{{"info", ""}, "empty"},
                    {{"info", "emulated:"}, "path"},
                    {{"info", "null:"}, "null:"},
                    {{"info", "null:12"}, "512"},
                    {{"info", "null:99999999T"}, "too large"},
                    {{"info", "scsi:"}, "path"},
                    {{"report", "floppy:a"}, "emulated:"},
                    {{"create", "null:1G", "--size", "1G", "--zone-size", "1M"}, "null:"}});
}

TEST(Usage, InvalidShapesAreRefusedAndNoFileIsMade) {
    const TemporaryFolder folder;
    const auto file = folder / "x";
    const auto create = [&file](std::vector<std::string> rest) {
        rest.insert(rest.begin(), {"create", file});
        return rest;
    };
    expect_refused(
        {{create({"--size", "0", "--zone-size", "1M"}), "size"},
         {create({"--size", "1G", "--zone-size", "0"}), "zone size"},
         {create({"--size", "1G", "--zone-size", "5000"}), "5000"},
         {create({"--size", "1G", "--zone-size", "2G"}), "larger"},
         {create({"--size", "1000", "--zone-size", "4K"}), "1000"},
         {create({"--size", "1G", "--zone-size", "1M", "--zone-capacity", "2M"}), "capacity"},
         {create({"--size", "1G", "--zone-size", "1M", "--zone-capacity", "0"}), "capacity"},
         {create({"--size", "1G", "--zone-size", "1M", "--conventional", "1025"}), "conventional"},
         {create({"--size", "1G", "--zone-size", "1M", "--max-open", "5", "--max-active", "4"}),
          "open"},
         {create({"--size", "1G", "--zone-size", "1M", "--block-size", "4096",
                  "--physical-block-size", "512"}),
          "block"}});
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace zonebridge::test
