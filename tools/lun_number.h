// Command line parts that `serve` and `lun` share: logical unit numbers, and how their disks are
// reached.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "tools/failure.h"

namespace zonebridge::tools {

/// "2". The errors of both functions are sentence parts that name `text`.
[[nodiscard]] tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text);
/// "2=DEVICE", with a DEVICE that is a valid device name.
[[nodiscard]] tl::expected<std::pair<std::uint16_t, std::string>, std::string>
parse_numbered_device(const std::string& text);

/// Refuses --allow together with --translate.
[[nodiscard]] Outcome check_passing(bool translate, const std::vector<std::string>& allow);

}  // namespace zonebridge::tools
