// zonebridge lun: adds disks to a running server, and removes them.
#include <filesystem>
#include <memory>
#include <unistd.h>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/size.h"
#include "tools/control_client.h"
#include "tools/files.h"
#include "tools/verb.h"
#include "tools/zones.h"
#include "transports/device_name.h"

namespace zonebridge::tools {
namespace {

using Command = service::ControlRequest::Command;

struct LunOptions {
    service::ControlRequest request;
    std::optional<std::string> socket;
    bool now = false;
    bool json = false;
    CLI::App* list = nullptr;
    CLI::App* add = nullptr;
    CLI::App* remove = nullptr;
    CLI::App* refresh = nullptr;
};

/// The device's name for a program with another working directory.
std::string absolute(const std::string& device) {
    const auto name = parse_device_name(device);
    if (!name || name->kind == DeviceName::Kind::null) return device;
    std::error_code failed;
    const auto path = std::filesystem::absolute(name->path, failed).string();
    if (failed) return device;
    if (name->kind == DeviceName::Kind::path) return path;
    return fmt::format("{}:{}", prefix_word(name->kind), path);
}

std::string in_words(const service::ControlLun& lun) {
    return fmt::format("LUN {}: {} ({}{}{}{})", lun.number, one_line(lun.device),
                       describe_disk(lun.size, lun.model, lun.zone_count, lun.zone_size),
                       lun.passed_through ? ", passed through" : "",
                       lun.read_only ? ", read-only" : "",
                       lun.removing ? ", being removed: the disk still holds commands" : "");
}

void print_list(Output& out, const service::ControlAnswer& answer, bool as_json) {
    if (as_json) {
        out.print("{}\n", to_json(answer.luns));
        return;
    }
    for (const auto& lun : answer.luns) out.print("{}\n", in_words(lun));
    if (answer.luns.empty()) out.write("no disk is served at the moment\n");
}

/// The refreshed disk and its change in size.
std::string change_of(const service::ControlLun& lun) {
    if (!lun.size_before || *lun.size_before == lun.size) return "its size did not change";
    return fmt::format("it was {}, and is {} now", readable_size(*lun.size_before),
                       readable_size(lun.size));
}

std::optional<Command> chosen(const LunOptions& options) {
    if (options.list->parsed()) return Command::list;
    if (options.add->parsed()) return Command::add;
    if (options.remove->parsed()) return Command::remove;
    if (options.refresh->parsed()) return Command::refresh;
    return std::nullopt;
}

Outcome run(LunOptions options) {
    const auto command = chosen(options);
    if (!command)
        return tl::unexpected(
            misuse("no command is given: give one of list, add, remove, refresh"));
    auto& request = options.request;
    request.command = *command;
    request.device = absolute(request.device);
    if (options.now) request.removal = service::Removal::now;
    if (const auto possible = check_passing(request.options.translate, request.options.allow);
        !possible)
        return possible;
    const auto answer = ask_server(*options.socket, request);
    if (!answer) return tl::unexpected(answer.error());
    Output out(STDOUT_FILENO);
    switch (request.command) {
        case Command::list:
            print_list(out, *answer, options.json);
            break;
        case Command::add:
            for (const auto& lun : answer->luns) out.print("added {}\n", in_words(lun));
            break;
        case Command::remove:
            out.print("removed LUN {}\n", request.lun);
            break;
        case Command::refresh:
            for (const auto& lun : answer->luns)
                out.print("refreshed {}; {}\n", in_words(lun), change_of(lun));
            break;
    }
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

void add_socket(CLI::App& app, LunOptions& options) {
    require(add_path(app, "--socket", options.socket,
                     "The server's control socket: the path given to its --control"));
}

void add_number(CLI::App& app, LunOptions& options) {
    require(add_parsed(app, "N", "", "The disk's logical unit number",
                       [&options](const std::string& text) -> std::optional<std::string> {
                           const auto number = parse_lun_number(text);
                           if (!number) return number.error();
                           options.request.lun = *number;
                           return std::nullopt;
                       }));
}

}  // namespace

Verb add_lun(CLI::App& program) {
    auto options = std::make_shared<LunOptions>();
    auto* app = add_verb(program, "lun", "Add disks to a running server, and remove them",
                         {"zonebridge lun list --socket /run/control.sock",
                          "zonebridge lun add 2=disk.img --socket /run/control.sock",
                          "zonebridge lun remove 2 --socket /run/control.sock",
                          "zonebridge lun refresh 0 --socket /run/control.sock"});
    app->require_subcommand(0, 1);
    const auto part = [&](const std::string& name, const std::string& description,
                          const std::string& example) {
        auto* const made = add_verb(*app, name, description, {example}, "lun");
        add_socket(*made, *options);
        return made;
    };
    options->list = part("list", "List the disks that are served",
                         "zonebridge lun list --socket /run/control.sock --json");
    add_flag(*options->list, "--json", options->json, "Print one JSON document");

    auto* const add = options->add =
        part("add", "Serve one more disk, and tell the guest",
             "zonebridge lun add 2=/dev/sg1 --socket /run/control.sock");
    auto& how = options->request.options;
    require(add_parsed(*add, "N=DEVICE", "",
                       "The logical unit number, 0 to 255, and the disk, named as for 'serve'",
                       [options](const std::string& text) -> std::optional<std::string> {
                           auto lun = parse_numbered_device(text);
                           if (!lun) return lun.error();
                           options->request.lun = lun->first;
                           options->request.device = std::move(lun->second);
                           return std::nullopt;
                       }));
    add_flag(*add, "--read-only", how.read_only, "The guest can't change the disk");
    add_flag(*add, "--translate", how.translate,
             "Translate a SCSI disk, too, instead of passing it through to the guest");
    add_parsed(
        *add, "--allow", "COMMAND",
        "Also pass this SCSI command to a disk that is passed through (repeatable)",
        [options](const std::string& text) -> std::optional<std::string> {
            options->request.options.allow.push_back(text);
            return std::nullopt;
        },
        Repeat::yes);
    add_flag(*add, "--force", how.force,
             "Serve the disk even if it is partitioned or open elsewhere");
    add_flag(*add, "--accept-loss", how.accept_loss,
             "Serve an emulated disk even if it has lost data");

    options->remove = part("remove", "Take a disk from the guest, and close it",
                           "zonebridge lun remove 2 --socket /run/control.sock");
    add_number(*options->remove, *options);
    add_flag(*options->remove, "--now", options->now,
             "Do not wait for the guest to write out its cached data");

    options->refresh = part("refresh", "Reopen a disk whose size changed, and tell the guest",
                            "zonebridge lun refresh 0 --socket /run/control.sock");
    add_number(*options->refresh, *options);
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
