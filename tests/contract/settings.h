// The contract suite's command line: the device, how to reach it, and which of its zones are known
// to be read-only or offline.
//
// Threads: main sets the settings up once; then they are only read.
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
    std::vector<std::uint32_t> offline;    ///< Zones that are offline.
    std::vector<std::uint32_t> read_only;  ///< Zones that are read-only.
    std::vector<std::string> faults;       ///< Rules for layers/fault.
    bool explained = false;                ///< Whether layers/trace is above the device.
    std::string vanish;                    ///< The command that removes the device.
    std::string table;                     ///< The file that gets this run's row; may be empty.
    bool lines = false;                    ///< PASS/FAIL/SKIP lines instead of GoogleTest's own.
    bool help = false;
    unsigned time_limit = 120;  ///< Seconds until a test that hangs ends the program.

    // A device that is made for this run.
    std::optional<emulated::Shape> shape;
    std::optional<std::uint64_t> file_size;
};

extern const char* const usage;

/// Parses the arguments that GoogleTest left; the error is one line.
[[nodiscard]] tl::expected<Settings, std::string> parse(const std::vector<std::string>& arguments);

/// Makes the file that `settings` describes, and sets it as the device.
[[nodiscard]] tl::expected<void, std::string> make_device(Settings& settings,
                                                          const test::TemporaryFolder& folder);

/// The settings that main stored with keep().
[[nodiscard]] const Settings& settings();
void keep(Settings settings);

}  // namespace zonebridge::contract
