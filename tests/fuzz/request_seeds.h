// Seeds for the targets that drive whole devices; together they contain every kind of request.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zonebridge::fuzz {

struct Seed {
    std::string name;
    std::vector<std::uint8_t> bytes;
};

[[nodiscard]] std::vector<Seed> scsi_target_seeds();
[[nodiscard]] std::vector<Seed> passthrough_plan_seeds();
[[nodiscard]] std::vector<Seed> blk_request_seeds();
[[nodiscard]] std::vector<Seed> virtio_chain_seeds();

}  // namespace zonebridge::fuzz
