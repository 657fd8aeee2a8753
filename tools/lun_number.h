// Logical unit numbers on the command line.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace zonebridge::tools {

/// "2". The errors of both are sentence parts that name `text`.
[[nodiscard]] tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text);
/// "2=DEVICE", with a DEVICE that could be opened by its name.
[[nodiscard]] tl::expected<std::pair<std::uint16_t, std::string>, std::string>
parse_numbered_device(const std::string& text);

}  // namespace zonebridge::tools
