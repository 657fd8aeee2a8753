#include "tests/fuzz/captures.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace zonebridge::fuzz {
namespace {

std::vector<std::uint8_t> parse_bytes(std::istream& words) {
    std::vector<std::uint8_t> bytes;
    for (std::string word; words >> word;) {
        std::size_t end = 0;
        const auto value = std::stoul(word, &end, 16);
        if (word.size() != 2 || end != 2) throw std::runtime_error("not a byte: " + word);
        bytes.push_back(static_cast<std::uint8_t>(value));
    }
    return bytes;
}

void parse_line(std::istream& words, const std::string& first, std::vector<Exchange>& into) {
    if (first == "?") {
        into.push_back({parse_bytes(words), false, {}});
        return;
    }
    if (into.empty()) throw std::runtime_error("an answer without a command");
    auto& last = into.back();
    if (first == "!") {
        last.bytes = parse_bytes(words);
    } else if (first == "=") {
        std::size_t length = 0;
        if (!(words >> std::hex >> length)) throw std::runtime_error("a length is missing");
        last.good = true;
        last.bytes.resize(length);
    } else {
        const auto at = std::stoul(first, nullptr, 16);
        const auto bytes = parse_bytes(words);
        if (at > last.bytes.size() || bytes.size() > last.bytes.size() - at)
            throw std::runtime_error("data past the length, at " + first);
        std::copy(bytes.begin(), bytes.end(), last.bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }
}

}  // namespace

std::vector<Exchange> parse_capture(std::string_view text) {
    std::vector<Exchange> exchanges;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first;
        if (!(words >> first) || first == "#") continue;
        try {
            parse_line(words, first, exchanges);
        } catch (const std::logic_error&) {  // of stoul
            throw std::runtime_error("not a number: " + line);
        }
    }
    return exchanges;
}

std::vector<Capture> read_captures() {
    std::vector<Capture> captures;
    const std::filesystem::path folder = ZONEBRIDGE_SOURCE "/tests/fuzz/captures";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".txt") continue;
        std::ifstream file(entry.path());
        const std::string text(std::istreambuf_iterator<char>(file), {});
        try {
            captures.push_back({entry.path().stem().string(), parse_capture(text)});
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(entry.path().string() + ": " + error.what());
        }
        if (captures.back().exchanges.empty())
            throw std::runtime_error(entry.path().string() + ": no exchanges");
    }
    if (captures.empty()) throw std::runtime_error(folder.string() + " has no captures");
    std::sort(captures.begin(), captures.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return captures;
}

}  // namespace zonebridge::fuzz
