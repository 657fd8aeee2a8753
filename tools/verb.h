// A verb: its part of the command line, and its function.
//
// Ownership: a Verb borrows its CLI::App, which the program's top one owns. `run` and the options'
// callbacks share the parsed options.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "tools/disk_client.h"
#include "tools/failure.h"
#include "tools/selection.h"

// Declared only: including CLI11 adds seconds to a file's compile time.
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace zonebridge::tools {

struct Verb {
    CLI::App* app = nullptr;
    std::function<Outcome()> run;
};

/// Each is defined in the file of its name.
[[nodiscard]] Verb add_create(CLI::App& program);
[[nodiscard]] Verb add_info(CLI::App& program);
[[nodiscard]] Verb add_report(CLI::App& program);
[[nodiscard]] std::vector<Verb> add_actions(CLI::App& program);  ///< open, close, finish, reset
[[nodiscard]] Verb add_read(CLI::App& program);
[[nodiscard]] Verb add_write(CLI::App& program);
[[nodiscard]] Verb add_append(CLI::App& program);
[[nodiscard]] Verb add_serve(CLI::App& program);
[[nodiscard]] Verb add_lun(CLI::App& program);
[[nodiscard]] Verb add_list(CLI::App& program);
[[nodiscard]] Verb add_bench(CLI::App& program);

// ---- Options that several verbs have. A bad value is refused while the command line is parsed.

/// A subcommand with its description and, below its help, examples (one a line). `manual`: the name
/// of its manual page if that differs from the verb's.
[[nodiscard]] CLI::App* add_verb(CLI::App& program, const std::string& name,
                                 const std::string& description,
                                 const std::vector<std::string>& examples,
                                 const std::string& manual = {});
CLI::Option* add_flag(CLI::App& app, const std::string& name, bool& flag, const std::string& help);
/// Makes the option required, or optional although add_device made it required.
void require(CLI::Option* option, bool required = true);
/// The positional DEVICE: required, and checked for a valid device name. Also adds --data-path and,
/// for verbs that write, --force and --accept-loss.
CLI::Option* add_device(CLI::App& app, DeviceArguments& device, DiskClient::Access access);
CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& bytes,
                      const std::string& help);
CLI::Option* add_size(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& bytes,
                      const std::string& help);
CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<std::uint32_t>& value,
                        const std::string& help);
CLI::Option* add_zones(CLI::App& app, const std::string& name, std::optional<ZoneRange>& zones,
                       const std::string& help);
/// A path that is not empty.
CLI::Option* add_path(CLI::App& app, const std::string& name, std::optional<std::string>& path,
                      const std::string& help);

/// Parses an option's value; returns the error, if any.
using ParseValue = std::function<std::optional<std::string>(const std::string&)>;
enum class Repeat { no, yes };

CLI::Option* add_parsed(CLI::App& app, const std::string& name, const std::string& metavar,
                        const std::string& help, ParseValue parse, Repeat repeat = Repeat::no);

// ---- What `serve` and `lun` share: logical unit numbers, and how their disks are reached.

/// "2". The errors of both parsers are sentence parts that name `text`.
[[nodiscard]] tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text);
/// "2=DEVICE", with a DEVICE that is a valid device name.
[[nodiscard]] tl::expected<std::pair<std::uint16_t, std::string>, std::string>
parse_numbered_device(const std::string& text);

/// Refuses --allow together with --translate.
[[nodiscard]] Outcome check_passing(bool translate, const std::vector<std::string>& allow);

}  // namespace zonebridge::tools
