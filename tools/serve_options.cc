#include "tools/serve_options.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <grp.h>
#include <limits>
#include <string_view>
#include <vector>

#include <climits>
#include <fmt/format.h>

#include "tools/selection.h"
#include "tools/verb.h"
#include "virtio/vduse/kernel_device.h"
#include "zbc/allowed.h"

namespace zonebridge::tools {
namespace {

using Arguments = std::shared_ptr<ServeArguments>;

/// The error of `text` if it is no number from 1 to `most`.
template <typename Number>
std::optional<std::string> take_count(const std::string& text, Number most,
                                      std::optional<Number>& count) {
    const auto number = parse_number(text);
    if (!number || *number == 0 || *number > most)
        return fmt::format("'{}' is not a number from 1 to {}", text, most);
    count = static_cast<Number>(*number);
    return std::nullopt;
}

/// The error of "N=DEVICE", if any.
std::optional<std::string> take_lun(const std::string& text,
                                    std::vector<service::ServeOptions::Lun>& luns) {
    auto lun = parse_numbered_device(text);
    if (!lun) return lun.error();
    luns.push_back({lun->first, std::move(lun->second)});
    return std::nullopt;
}

/// The disks, and the kind of device that the guest sees.
void add_disks(CLI::App& app, const Arguments& options) {
    require(add_device(app, options->device, DiskClient::Access::write), false);
    add_parsed(app, "--virtio", "scsi|blk",
               "The device that the guest sees: scsi, a zoned SCSI disk, or blk, a virtio-blk disk "
               "(--vduse: always blk)",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text == "scsi")
                       options->guest_device = service::GuestDeviceKind::scsi;
                   else if (text == "blk")
                       options->guest_device = service::GuestDeviceKind::blk;
                   else
                       return fmt::format(
                           "'{}' is not a device that this version serves: give scsi or blk", text);
                   return std::nullopt;
               });
    add_parsed(
        app, "--lun", "N=DEVICE",
        "scsi: serve a disk with this logical unit number, 0 to 255; DEVICE is LUN 0 (repeatable)",
        [options](const std::string& text) { return take_lun(text, options->serve.luns); },
        Repeat::yes);
    add_flag(app, "--read-only", options->serve.disk.read_only, "The guest can't change the disk");
    add_flag(app, "--translate", options->serve.disk.translate,
             "scsi: translate SCSI disks, too, instead of passing them through to the guest");
    add_parsed(
        app, "--allow", "COMMAND",
        "scsi: also pass this SCSI command to disks that are passed through (repeatable)",
        [options](const std::string& text) -> std::optional<std::string> {
            if (const auto known = zbc::parse_allowed(text); !known) return known.error().message;
            options->serve.disk.allow.push_back(text);
            return std::nullopt;
        },
        Repeat::yes);
    add_parsed(app, "--urswrz", "0|1",
               "scsi: whether reads past a write pointer succeed on a translated disk (default: as "
               "on the disk itself)",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text != "0" && text != "1")
                       return fmt::format("'{}' is neither 0 nor 1", text);
                   options->serve.disk.reads_past_pointer = text == "1";
                   return std::nullopt;
               });
}

/// Options for testing zoned software.
void add_trials(CLI::App& app, const Arguments& options) {
    add_flag(app, "--explain", options->serve.explain,
             "Log why each request was refused: its zone, the write pointer, the broken rule");
    add_parsed(
        app, "--fault", "RULE",
        "Make the disk misbehave on purpose, e.g. zone=7,state=read-only,after=100 (repeatable)",
        [options](const std::string& text) -> std::optional<std::string> {
            auto rule = fault::parse_rule(text);
            if (!rule) return std::move(rule.error());
            options->serve.disk.faults.push_back(std::move(*rule));
            return std::nullopt;
        },
        Repeat::yes);
}

/// The guest's connection, and the control socket.
void add_ways_in(CLI::App& app, const Arguments& options) {
    add_path(app, "--socket,--socket-path", options->serve.socket,
             "vhost-user: listen at this path");
    add_parsed(app, "--fd", "N", "vhost-user: use this inherited socket, listening or connected",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto number = parse_number(text);
                   if (!number || *number > INT_MAX)
                       return fmt::format("'{}' is not a file descriptor's number", text);
                   options->serve.fd = static_cast<int>(*number);
                   return std::nullopt;
               });
    add_parsed(app, "--vduse", "NAME", "VDUSE: make a kernel device of this name",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (auto wrong = virtio::vduse::bad_name(text)) return wrong;
                   options->vduse = text;
                   return std::nullopt;
               });
    add_parsed(app, "--attach", "host|guest",
               "With --vduse, where the disk appears: host, as /dev/vdX on this host (the "
               "default), or guest, as /dev/vhost-vdpa-N for a virtual machine",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text == "host")
                       options->attach = service::VdpaAttach::host;
                   else if (text == "guest")
                       options->attach = service::VdpaAttach::guest;
                   else
                       return fmt::format("'{}' is neither host nor guest", text);
                   return std::nullopt;
               });
    add_path(app, "--control", options->serve.control,
             "scsi: listen at this path for 'zonebridge lun', which adds and removes disks");
}

/// The error of `text` if it is no mode like "0660".
std::optional<std::string> take_mode(const std::string& text, std::optional<mode_t>& mode) {
    constexpr mode_t most = 0777;
    mode_t value = 0;
    const auto octal = [](char character) { return character >= '0' && character <= '7'; };
    if (text.empty() || text.size() > 4 || !std::all_of(text.begin(), text.end(), octal))
        return fmt::format("'{}' is not a mode, three octal digits", text);
    for (const auto character : text) value = value * 8 + static_cast<mode_t>(character - '0');
    if (value > most) return fmt::format("'{}' is not a mode from 0000 to 0777", text);
    mode = value;
    return std::nullopt;
}

/// The error of `text` if it is neither a group's name nor its number.
std::optional<std::string> take_group(const std::string& text, std::optional<gid_t>& number) {
    std::vector<char> strings(1024);
    group entry{};
    group* found = nullptr;
    int error = ERANGE;
    while (error == ERANGE && strings.size() < 1u << 20) {
        strings.resize(strings.size() * 2);
        error = ::getgrnam_r(text.c_str(), &entry, strings.data(), strings.size(), &found);
    }
    if (found != nullptr) {
        number = entry.gr_gid;
        return std::nullopt;
    }
    const auto given = parse_number(text);
    // The largest number means "no group" to the kernel.
    if (!given || *given >= std::numeric_limits<gid_t>::max())
        return fmt::format("there is no group '{}'", text);
    number = static_cast<gid_t>(*given);
    return std::nullopt;
}

/// Who may connect, and what happens to those who do.
void add_access(CLI::App& app, const Arguments& options) {
    add_parsed(
        app, "--socket-mode", "MODE",
        "The mode of the files of --socket and --control (default: 0600, this user only)",
        [options](const std::string& text) { return take_mode(text, options->socket_mode); });
    add_parsed(
        app, "--socket-group", "GROUP",
        "The group of these files; its members may also use --control (mode, if not given: 0660)",
        [options](const std::string& text) { return take_group(text, options->socket_group); });
    add_parsed(
        app, "--first-message", "SECONDS",
        fmt::format("vhost-user: disconnect a front end that sends no valid message for so long "
                    "(default: {}; 0: never)",
                    service::VhostUserOptions::usual_first_message.count()),
        [options](const std::string& text) -> std::optional<std::string> {
            constexpr std::uint64_t most = 86'400;
            const auto number = parse_number(text);
            if (!number || *number > most)
                return fmt::format("'{}' is not a number of seconds from 0 to {}", text, most);
            options->first_message = std::chrono::seconds(*number);
            return std::nullopt;
        });
    add_parsed(app, "--second-front-end", "wait|refuse",
               "vhost-user: whether a front end that connects while another is served waits for "
               "its turn (the default) or is disconnected",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text == "wait")
                       options->second_front_end = service::SecondFrontEnd::waits;
                   else if (text == "refuse")
                       options->second_front_end = service::SecondFrontEnd::is_refused;
                   else
                       return fmt::format("'{}' is neither wait nor refuse", text);
                   return std::nullopt;
               });
}

/// What a guest could still do that has taken the server over.
void add_sandbox(CLI::App& app, const Arguments& options) {
    using Mode = service::SandboxOptions::Mode;
    add_parsed(app, "--sandbox", "on|require|off",
               "Give up, after the start, all rights that the server does not need: on, those that "
               "this system lets it give up (the default); require, all of them, else no start",
               [options](const std::string& text) -> std::optional<std::string> {
                   auto& mode = options->serve.sandbox.mode;
                   if (text == "on")
                       mode = Mode::on;
                   else if (text == "require")
                       mode = Mode::require;
                   else if (text == "off")
                       mode = Mode::off;
                   else
                       return fmt::format("'{}' is neither on, require nor off", text);
                   return std::nullopt;
               });
    add_parsed(app, "--user", "USER[:GROUP]",
               "After the start, run as this user, by name or number, with only this group",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto user = service::parse_run_as(text);
                   if (!user) return user.error();
                   options->serve.sandbox.run_as = *user;
                   return std::nullopt;
               });
    add_path(app, "--lun-root", options->serve.sandbox.lun_root,
             "With --control: disks that are added later must be in or below this folder");
}

void add_threads(CLI::App& app, const Arguments& options) {
    add_parsed(app, "--queues", "N",
               fmt::format("Request queues offered to the guest (default: {}; --vduse: as many as "
                           "CPUs)",
                           service::ServeOptions::default_queues),
               [options](const std::string& text) -> std::optional<std::string> {
                   return take_count(text, service::ServeOptions::most_queues, options->queues);
               });
    add_parsed(
        app, "--workers", "N", "Threads that run the queues (default: as many as CPUs, or queues)",
        [options](const std::string& text) -> std::optional<std::string> {
            return take_count(text, service::ServeOptions::most_workers, options->serve.workers);
        });
    add_parsed(app, "--spin", "auto|off|USEC",
               fmt::format("How long an idle worker polls for more requests before it sleeps "
                           "(default: auto, {} us where a CPU is spare)",
                           service::Spin::usual.count()),
               [options](const std::string& text) -> std::optional<std::string> {
                   constexpr std::uint64_t most = service::Spin::most.count();
                   const auto number = parse_number(text);
                   if (text == "auto")
                       options->serve.spin.reset();
                   else if (text == "off")
                       options->serve.spin = std::chrono::microseconds{0};
                   else if (number && *number <= most)
                       options->serve.spin = std::chrono::microseconds{*number};
                   else
                       return fmt::format(
                           "'{}' is not auto, off or a number of microseconds from 0 to {}", text,
                           most);
                   return std::nullopt;
               });
}

}  // namespace

void add_serve_options(CLI::App& app, const Arguments& options) {
    add_disks(app, options);
    add_ways_in(app, options);
    add_access(app, options);
    add_sandbox(app, options);
    add_threads(app, options);
    add_trials(app, options);
    add_flag(app, "--print-capabilities", options->print_capabilities,
             "Print what this program can do, in JSON, and exit");
}

}  // namespace zonebridge::tools
