// The commands of the table that the target supports.
#pragma once

#include <vector>

#include "zbc/commands.h"

namespace zonebridge::test {

[[nodiscard]] inline std::vector<zbc::CommandInfo> target_commands() {
    std::vector<zbc::CommandInfo> commands;
    for (const auto& info : zbc::all_commands())
        if (info.target) commands.push_back(info);
    return commands;
}

}  // namespace zonebridge::test
