// Seeds made from the answers of real devices.
#pragma once

#include <string>
#include <vector>

#include "tests/fuzz/captures.h"
#include "tests/fuzz/request_seeds.h"

namespace zonebridge::fuzz {

struct TargetSeed {
    std::string target;
    Seed seed;
};

/// The seeds of all targets that decode answers. Throws std::runtime_error if the project cannot read a
/// device's answers, or reads something wrong in them.
[[nodiscard]] std::vector<TargetSeed> capture_seeds(const std::vector<Capture>& captures);

}  // namespace zonebridge::fuzz
