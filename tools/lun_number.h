// What `serve` and `lun` take in common on the command line: logical unit numbers, and how the disks
// behind them are reached.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "tools/failure.h"

namespace zonebridge::tools {

/// "2". The errors of both are sentence parts that name `text`.
[[nodiscard]] tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text);
/// "2=DEVICE", with a DEVICE that could be opened by its name.
[[nodiscard]] tl::expected<std::pair<std::uint16_t, std::string>, std::string>
parse_numbered_device(const std::string& text);

/// What --translate has to do with --allow.
[[nodiscard]] Outcome check_passing(bool translate, const std::vector<std::string>& allow);

}  // namespace zonebridge::tools
