// The program's help, and that the manual pages agree with it.
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

const std::string manual = ZONEBRIDGE_SOURCE "/docs/man/";

/// The subcommands that a help text lists.
std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream help(text);
    static const std::regex entry("^  ([a-z]+)  +.*");
    auto below = false;
    for (std::string line; std::getline(help, line);) {
        if (line.rfind("Subcommands:", 0) == 0) below = true;
        std::smatch match;
        if (below && std::regex_match(line, match, entry)) found.push_back(match[1]);
        if (below && line.empty()) break;
    }
    return found;
}

std::vector<std::string> verbs() {
    return words_of(done({"--help"}));
}

/// A verb's help, followed by that of each of its subcommands.
std::string help_of(const std::string& verb) {
    auto help = done({verb, "--help"});
    for (const auto& part : words_of(help)) help += done({verb, part, "--help"});
    return help;
}

/// A page's text without roff's escapes for dashes and fonts.
std::string page(const std::string& name) {
    auto text = read_file(manual + name + ".1");
    text = std::regex_replace(text, std::regex(R"(\\f[BIRP])"), "");
    return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

TEST(Help, VersionPrintsTheVersion) {
    EXPECT_TRUE(std::regex_match(done({"--version"}), std::regex("zonebridge [0-9.]+\n")));
}

TEST(Help, EveryVerbIsListed) {
    const auto all = verbs();
    const std::set<std::string> found(all.begin(), all.end());
    for (const auto* verb : {"list", "create", "info", "report", "open", "close", "finish", "reset",
                             "read", "write", "append", "serve", "lun", "bench"})
        EXPECT_TRUE(found.contains(verb)) << verb;
}

TEST(Help, EveryVerbHasAHelpWithAnExample) {
    for (const auto& verb : verbs()) {
        const auto help = done({verb, "--help"});
        EXPECT_NE(help.find("Usage: zonebridge " + verb), std::string::npos) << help;
        EXPECT_NE(help.find("Example"), std::string::npos) << help;
        EXPECT_NE(help.find("  zonebridge " + verb + " "), std::string::npos) << help;
        EXPECT_EQ(done({verb, "-h"}), help);
    }
}

TEST(Manual, EveryVerbHasAPageWithEveryOption) {
    static const std::regex option("--[a-z][a-z-]*");
    for (const auto& verb : verbs()) {
        ASSERT_TRUE(std::filesystem::exists(manual + "zonebridge-" + verb + ".1")) << verb;
        const auto text = page("zonebridge-" + verb);
        const auto help = help_of(verb);
        for (std::sregex_iterator match(help.begin(), help.end(), option), end; match != end;
             ++match) {
            if (match->str() == "--help") continue;
            EXPECT_NE(text.find(match->str()), std::string::npos)
                << verb << "'s page lacks " << match->str();
        }
    }
}

TEST(Manual, TheMainPageNamesEveryVerbsPage) {
    const auto text = page("zonebridge");
    for (const auto& verb : verbs())
        EXPECT_NE(text.find("zonebridge-" + verb), std::string::npos) << verb;
}

TEST(Manual, EveryOptionInAPageIsInTheHelp) {
    for (const auto& verb : verbs()) {
        const auto text = page("zonebridge-" + verb);
        const auto help = help_of(verb);
        static const std::regex heading("\n\\.TP\n(?:\\.B |\\.BI |\\.BR )?(--[a-z-]+)");
        for (std::sregex_iterator match(text.begin(), text.end(), heading), end; match != end;
             ++match)
            EXPECT_NE(help.find((*match)[1].str()), std::string::npos)
                << verb << "'s page has " << (*match)[1].str();
    }
}

}  // namespace
}  // namespace zonebridge::test
