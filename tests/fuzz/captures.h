// The answers of real devices, as tests/fuzz/captures/capture.py wrote them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zonebridge::fuzz {

/// A command, and its data or, if it failed, its sense data.
struct Exchange {
    std::vector<std::uint8_t> sent;
    bool good = false;
    std::vector<std::uint8_t> bytes;
};

struct Capture {
    std::string name;  ///< The file's.
    std::vector<Exchange> exchanges;
};

/// Throws std::runtime_error for a text that is not a capture.
[[nodiscard]] std::vector<Exchange> parse_capture(std::string_view text);
/// All captures, in the order of their names; throws if there are none.
[[nodiscard]] std::vector<Capture> read_captures();

}  // namespace zonebridge::fuzz
