// A front end that keeps the record of its requests in flight, for tests in which the server dies and
// another one goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {

inline constexpr std::uint16_t lasting_queues = 4;

inline driver::Wanted lasting(std::uint64_t features) {
    auto wanted = BlkGuest::wanted(features);
    wanted.protocol_features |= driver::bit::p_inflight;
    return wanted;
}

inline driver::BlkOptions lasting_blk() {
    return {.queues = lasting_queues, .max_transfer = 1u << 18, .depth = 64};
}

inline std::vector<std::string> lasting_workers() {
    return {"--queues", "4", "--workers", "3"};
}

}  // namespace zonebridge::test
