#include "tests/contract/settings.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/size.h"

namespace zonebridge::contract {
namespace {

using Outcome = tl::expected<void, std::string>;

tl::expected<std::uint32_t, std::string> number(const std::string& text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return tl::unexpected(fmt::format("'{}' is no number", text));
    return value;
}

/// "size=48M zone-size=3M capacity=2M conventional=2 max-open=3 max-active=5 ..."
tl::expected<emulated::Shape, std::string> parse_shape(const std::string& text) {
    emulated::Shape shape;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const auto equals = word.find('=');
        if (equals == std::string::npos)
            return tl::unexpected(fmt::format("'{}' is not NAME=VALUE", word));
        const auto name = word.substr(0, equals);
        const auto rest = word.substr(equals + 1);
        if (name == "model") {
            const auto model = parse_model(rest);
            if (!model) return tl::unexpected(fmt::format("'{}' is no model", rest));
            shape.model = *model;
            continue;
        }
        const auto value = parse_size(rest);
        if (!value) return tl::unexpected(value.error());
        const auto small = static_cast<std::uint32_t>(*value);
        if (name == "size")
            shape.size = *value;
        else if (name == "zone-size")
            shape.zone_size = *value;
        else if (name == "capacity")
            shape.zone_capacity = *value;
        else if (name == "conventional")
            shape.conventional = small;
        else if (name == "max-open")
            shape.max_open = small;
        else if (name == "max-active")
            shape.max_active = small;
        else if (name == "block")
            shape.logical_block_size = small;
        else if (name == "physical")
            shape.physical_block_size = small;
        else
            return tl::unexpected(fmt::format("'{}' is nothing a disk has", name));
    }
    return shape;
}

Outcome take_data_path(Settings& settings, const std::string& word) {
    if (word == "any")
        settings.data_path = DataPath::any;
    else if (word == "ioctl")
        settings.data_path = DataPath::ioctl;
    else if (word == "io_uring")
        settings.data_path = DataPath::io_uring;
    else
        return tl::unexpected(fmt::format("'{}' is no data path", word));
    return {};
}

Outcome take(Settings& settings, const std::string& option, const std::string& value) {
    if (option == "--device") {
        settings.device = value;
    } else if (option == "--label") {
        settings.label = value;
    } else if (option == "--data-path") {
        return take_data_path(settings, value);
    } else if (option == "--fault") {
        settings.faults.push_back(value);
    } else if (option == "--vanish") {
        settings.vanish = value;
    } else if (option == "--table") {
        settings.table = value;
    } else if (option == "--emulated") {
        auto shape = parse_shape(value);
        if (!shape) return tl::unexpected(shape.error());
        settings.shape = *shape;
    } else if (option == "--file") {
        const auto size = parse_size(value);
        if (!size) return tl::unexpected(size.error());
        settings.file_size = *size;
    } else if (option == "--offline-zone" || option == "--read-only-zone" ||
               option == "--time-limit") {
        const auto found = number(value);
        if (!found) return tl::unexpected(found.error());
        if (option == "--time-limit")
            settings.time_limit = *found;
        else
            (option == "--offline-zone" ? settings.offline : settings.read_only).push_back(*found);
    } else {
        return tl::unexpected(fmt::format("unknown option {}", option));
    }
    return {};
}

Settings& kept() {
    static Settings one;
    return one;
}

}  // namespace

const char* const usage = R"(usage: contract_test --device DEVICE [options] [GoogleTest's options]

Holds an open device against the contract of the storage seam. WHATEVER THE DEVICE HOLDS IS
DESTROYED.

  --device DEVICE       as `zonebridge` takes it: block:/dev/nullb0, scsi:/dev/sg0, nvme:/dev/ng0n1
  --emulated SHAPE      a new emulated disk instead, for example 'size=48M zone-size=3M
                        capacity=2M conventional=2 max-open=3 max-active=5 block=4096 model=host-aware'
  --file SIZE           a new plain file instead, by block:
  --data-path PATH      any, ioctl or io_uring
  --offline-zone N      this zone is offline (repeatable)
  --read-only-zone N    this zone is read only (repeatable)
  --fault RULE          the device misbehaves so, as `zonebridge serve --fault` has it (repeatable)
  --explained           what it refuses is explained, to nobody (layers/trace)
  --vanish COMMAND      takes the device away; the last test runs it while requests are in flight
  --label NAME          the device's name in the table
  --table FILE          FILE gets one more row: how many tests passed, failed, were skipped and why
  --lines               print PASS, FAIL and SKIP lines, as tests/guest/suite counts them
  --time-limit SECONDS  a test that takes longer hangs, and takes the program down (default 120)
)";

tl::expected<Settings, std::string> parse(const std::vector<std::string>& arguments) {
    Settings settings;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& option = arguments[i];
        if (option == "--help") {
            settings.help = true;
            return settings;
        }
        if (option == "--lines") {
            settings.lines = true;
            continue;
        }
        if (option == "--explained") {
            settings.explained = true;
            continue;
        }
        if (i + 1 == arguments.size())
            return tl::unexpected(fmt::format("{} needs a value, or is unknown", option));
        if (auto taken = take(settings, option, arguments[++i]); !taken)
            return tl::unexpected(fmt::format("{}: {}", option, taken.error()));
    }
    const auto named =
        !settings.device.empty() + settings.shape.has_value() + settings.file_size.has_value();
    if (named != 1) return tl::unexpected(std::string("name one device; --help tells how"));
    return settings;
}

tl::expected<void, std::string> make_device(Settings& settings,
                                            const test::TemporaryFolder& folder) {
    if (settings.shape) {
        const auto path = folder / "disk";
        if (auto made = emulated::create(path, *settings.shape); !made)
            return tl::unexpected(made.error().message);
        settings.device = "emulated:" + path;
    } else if (settings.file_size) {
        const auto path = folder / "file";
        std::ofstream file(path);
        std::error_code error;
        std::filesystem::resize_file(path, *settings.file_size, error);
        if (!file || error) return tl::unexpected(fmt::format("{}: {}", path, error.message()));
        settings.device = "block:" + path;
    }
    if (settings.label.empty()) settings.label = settings.device;
    return {};
}

const Settings& settings() {
    return kept();
}

void keep(Settings settings) {
    kept() = std::move(settings);
}

}  // namespace zonebridge::contract
