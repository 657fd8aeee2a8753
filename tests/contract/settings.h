// What the contract suite was told on its command line: which device, how to reach it, and what is
// known to be broken about it.
//
// Threads: set up once by main, then only read.
// Ownership: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/support/temporary.h"
#include "transports/device.h"
#include "transports/emulated/emulated.h"

namespace zonebridge::contract {

struct Settings {
    std::string device;  ///< As open_device takes it.
    std::string label;   ///< The device's name in the table and in the lines of checks.
    DataPath data_path = DataPath::any;
    std::vector<std::uint32_t> offline;    ///< Zones that are.
    std::vector<std::uint32_t> read_only;  ///< Zones that are.
    std::vector<std::string> faults;       ///< What layers/fault does to it.
    bool explained = false;                ///< layers/trace over it.
    std::string vanish;                    ///< The command that takes the device away.
    std::string table;                     ///< The file that gets this run's row; may be empty.
    bool lines = false;                    ///< PASS/FAIL/SKIP lines instead of GoogleTest's own.
    bool help = false;
    unsigned time_limit = 120;  ///< Seconds until a test that hangs takes the program down.

    // A device made for this run alone.
    std::optional<emulated::Shape> shape;
    std::optional<std::uint64_t> file_size;
};

extern const char* const usage;

/// Takes what GoogleTest left of the command line; the error is one line.
[[nodiscard]] tl::expected<Settings, std::string> parse(const std::vector<std::string>& arguments);

/// Makes the file that `settings` asks for, and names it as the device.
[[nodiscard]] tl::expected<void, std::string> make_device(Settings& settings,
                                                          const test::TemporaryFolder& folder);

/// What main keeps for all tests.
[[nodiscard]] const Settings& settings();
void keep(Settings settings);

}  // namespace zonebridge::contract
