#include "tools/verb.h"

#include <limits>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/size.h"
#include "service/lun_table.h"
#include "tools/selection.h"
#include "transports/device_name.h"
#include "transports/open.h"

namespace zonebridge::tools {
namespace {

template <typename Target>
CLI::Option* size_option(CLI::App& app, const std::string& name, Target& target,
                         const std::string& help) {
    return add_parsed(app, name, "SIZE", help,
                      [&target](const std::string& text) -> std::optional<std::string> {
                          const auto size = parse_size(text);
                          if (!size) return size.error();
                          target = *size;
                          return std::nullopt;
                      });
}

std::optional<DataPath> parse_data_path(std::string_view word) {
    if (word == "any") return DataPath::any;
    if (word == "ioctl") return DataPath::ioctl;
    if (word == "io_uring") return DataPath::io_uring;
    return std::nullopt;
}

}  // namespace

CLI::App* add_verb(CLI::App& program, const std::string& name, const std::string& description,
                   const std::vector<std::string>& examples, const std::string& manual) {
    auto* app = program.add_subcommand(name, description);
    std::string footer = examples.size() == 1 ? "Example:" : "Examples:";
    for (const auto& example : examples) footer += "\n  " + example;
    footer += fmt::format("\n\nMore: man zonebridge-{}", manual.empty() ? name : manual);
    app->footer(footer);
    app->get_formatter()->label("REQUIRED", "(required)");
    return app;
}

CLI::Option* add_parsed(CLI::App& app, const std::string& name, const std::string& metavar,
                        const std::string& help, ParseValue parse, Repeat repeat) {
    const CLI::callback_t callback = [name, parse = std::move(parse),
                                      repeat](const CLI::results_t& values) {
        if (values.size() > 1 && repeat == Repeat::no)
            throw CLI::ValidationError(name, "is given more than once");
        for (const auto& value : values)
            if (const auto complaint = parse(value)) throw CLI::ValidationError(name, *complaint);
        return true;
    };
    // CLI11 would otherwise report the number of values in its own words.
    return app.add_option(name, callback, help)
        ->type_name(metavar)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
}

CLI::Option* add_flag(CLI::App& app, const std::string& name, bool& flag, const std::string& help) {
    return app.add_flag(name, flag, help);
}

void require(CLI::Option* option, bool required) {
    option->required(required);
}

CLI::Option* add_device(CLI::App& app, DeviceArguments& device, DiskClient::Access access) {
    auto* option =
        add_parsed(app, "DEVICE", "",
                   "A disk: a path, or emulated:PATH, block:PATH, scsi:PATH, nvme:PATH, null:SIZE",
                   [&device](const std::string& text) -> std::optional<std::string> {
                       if (const auto name = parse_device_name(text); !name)
                           return name.error().message;
                       device.name = text;
                       return std::nullopt;
                   })
            ->required();
    if (access == DiskClient::Access::write) {
        add_flag(app, "--force", device.force,
                 "Write even if the disk is partitioned or open elsewhere");
        add_flag(app, "--accept-loss", device.accept_loss,
                 "Write even if an emulated disk has lost data");
    }
    add_parsed(
        app, "--data-path", "any|ioctl|io_uring",
        "How SCSI and NVMe commands reach the kernel (default: the better one of those available)",
        [&device](const std::string& text) -> std::optional<std::string> {
            const auto path = parse_data_path(text);
            if (!path)
                return fmt::format("'{}' is not a data path: give any, ioctl or io_uring", text);
            device.data_path = *path;
            return std::nullopt;
        });
    return option;
}

CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& bytes,
                      const std::string& help) {
    return size_option(app, name, bytes, help);
}

CLI::Option* add_size(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& bytes,
                      const std::string& help) {
    return size_option(app, name, bytes, help);
}

CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<std::uint32_t>& value,
                        const std::string& help) {
    return add_parsed(app, name, "N", help,
                      [&value](const std::string& text) -> std::optional<std::string> {
                          const auto number = parse_number(text);
                          if (!number) return number.error();
                          constexpr auto largest = std::numeric_limits<std::uint32_t>::max();
                          if (*number > largest)
                              return fmt::format("'{}' is too large: at most {}", text, largest);
                          value = static_cast<std::uint32_t>(*number);
                          return std::nullopt;
                      });
}

CLI::Option* add_zones(CLI::App& app, const std::string& name, std::optional<ZoneRange>& zones,
                       const std::string& help) {
    return add_parsed(app, name, "N[-M]", help,
                      [&zones](const std::string& text) -> std::optional<std::string> {
                          const auto range = parse_zone_range(text);
                          if (!range) return range.error();
                          zones = *range;
                          return std::nullopt;
                      });
}

CLI::Option* add_path(CLI::App& app, const std::string& name, std::optional<std::string>& path,
                      const std::string& help) {
    return add_parsed(app, name, "FILE", help,
                      [&path](const std::string& text) -> std::optional<std::string> {
                          if (text.empty()) return "the file name is empty";
                          path = text;
                          return std::nullopt;
                      });
}

tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text) {
    const auto number = parse_number(text);
    if (!number || *number > service::LunTable::most_number)
        return tl::unexpected(
            fmt::format("'{}' is not a number from 0 to {}", text, service::LunTable::most_number));
    return static_cast<std::uint16_t>(*number);
}

tl::expected<std::pair<std::uint16_t, std::string>, std::string> parse_numbered_device(
    const std::string& text) {
    const auto equals = text.find('=');
    const auto number = parse_lun_number(text.substr(0, equals));
    if (equals == std::string::npos || !number)
        return tl::unexpected(fmt::format("'{}' is not N=DEVICE with a number from 0 to {}", text,
                                          service::LunTable::most_number));
    auto device = text.substr(equals + 1);
    if (const auto name = parse_device_name(device); !name)
        return tl::unexpected(name.error().message);
    return std::pair{*number, std::move(device)};
}

Outcome check_passing(bool translate, const std::vector<std::string>& allow) {
    if (!translate || allow.empty()) return {};
    return tl::unexpected(
        misuse("--allow works only on disks that are passed through, and with --translate no disk "
               "is: give only one of the two"));
}

}  // namespace zonebridge::tools
