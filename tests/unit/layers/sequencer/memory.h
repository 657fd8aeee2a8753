// A sequenced disk in memory whose parts a test can reach.
//
// Threads: one.
#pragma once

#include <memory>
#include <utility>

#include "layers/sequencer/sequencer.h"
#include "tests/unit/layers/sequencer/bare_device.h"
#include "tests/unit/layers/sequencer/user.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"

namespace zonebridge::test {

/// The size of a zone of Memory's disk, and the start of the zone of most tests.
inline constexpr std::uint64_t zone_size = 64 << 10;
inline constexpr std::uint64_t start = 3 * zone_size;

struct Memory {
    explicit Memory(MachineDiskShape shape = {}, Support append = Support::absent) {
        shape.append = append;
        auto below = std::make_unique<MachineDisk>(shape);
        disk = below.get();
        auto device = std::make_unique<BareDevice>(std::move(below), append);
        bare = device.get();
        transport = std::move(*sequence(std::move(device)));
    }

    MachineDisk* disk;
    BareDevice* bare;
    std::unique_ptr<Transport> transport;
    HandLoop loop;
};

inline constexpr std::uint64_t block = 4096;

}  // namespace zonebridge::test
