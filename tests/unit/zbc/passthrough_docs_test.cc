// docs/passthrough.md has one row for every known command, in the right table, with its name for
// --allow and its time limit.

#include <fstream>
#include <sstream>

#include "tests/unit/zbc/support.h"
#include "zbc/commands.h"

namespace zonebridge::zbc::test {
namespace {

struct DocumentRow {
    bool by_default = false;
    std::string text;
};

std::vector<DocumentRow> rows() {
    std::ifstream file(ZONEBRIDGE_SOURCE "/docs/passthrough.md");
    std::vector<DocumentRow> rows;
    std::string heading;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## ")) heading = line.substr(3);
        const auto passes = heading == "What passes";
        if (line.starts_with("| ") && (passes || heading == "What has to be allowed"))
            rows.push_back({passes, line});
    }
    return rows;
}

/// Whether `word` is one of the words of `text`.
bool has_word(const std::string& text, const std::string& word) {
    std::istringstream words(text);
    for (std::string next; words >> next;) {
        while (!next.empty() && (next.back() == ',' || next.back() == ';')) next.pop_back();
        if (next == word) return true;
    }
    return false;
}

std::string limit_words(std::uint32_t limit_ms) {
    const auto seconds = limit_ms / 1000;
    if (seconds % 86400 == 0) return fmt::format("{} days", seconds / 86400);
    return seconds % 60 == 0 && seconds > 120 ? fmt::format("{} min", seconds / 60)
                                              : fmt::format("{} s", seconds);
}

TEST(PassthroughDocs, EveryCommandHasExactlyOneRow) {
    const auto all = rows();
    ASSERT_GT(all.size(), 50U);
    for (const auto& command : all_commands()) {
        const auto code = command.action
                              ? fmt::format("{:02X}h/{:02X}h", command.opcode, *command.action)
                              : fmt::format("{:02X}h", command.opcode);
        std::size_t found = 0;
        for (const auto& row : all) {
            // Only the first two cells: the text of another row may mention the command.
            const auto cells = row.text.substr(0, row.text.find(" | ", row.text.find(" | ") + 3));
            if (!has_word(cells, code)) continue;
            ++found;
            EXPECT_EQ(row.by_default, command.passing != Passing::if_allowed) << command.name;
            EXPECT_NE(row.text.find(limit_words(command.limit_ms)), std::string::npos)
                << command.name << " has " << limit_words(command.limit_ms);
            if (!row.by_default) {
                EXPECT_NE(row.text.find(fmt::format("`{}`", command.allow_name)), std::string::npos)
                    << command.name;
            }
        }
        EXPECT_EQ(found, 1U) << command.name << " " << code;
    }
}

TEST(PassthroughDocs, TheManualPageListsEveryNameOfAllow) {
    std::ifstream file(ZONEBRIDGE_SOURCE "/docs/man/zonebridge-serve.1");
    std::stringstream text;
    text << file.rdbuf();
    for (const auto& command : all_commands()) {
        if (command.passing != Passing::if_allowed) continue;
        std::string line = "\n.BR ";
        for (const auto letter : command.allow_name)
            line += letter == '-' ? "\\-" : std::string(1, letter);
        EXPECT_NE(text.str().find(line + " "), std::string::npos) << command.allow_name;
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
