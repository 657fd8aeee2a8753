// Checks the host and the options before a session opens.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "virtio/vduse/device.h"
#include "virtio/vduse/session.h"

namespace zonebridge::virtio::vduse {
namespace {

constexpr std::size_t longest_name = 63;

/// The running kernel has VDUSE; nothing if its modules can't be read.
std::optional<bool> kernel_has_vduse() {
    utsname kernel{};
    if (::uname(&kernel) != 0) return std::nullopt;
    std::optional<bool> known;
    for (const char* const list : {"modules.dep", "modules.builtin"}) {
        std::ifstream lines(fmt::format("/lib/modules/{}/{}", kernel.release, list));
        if (!lines) continue;
        known = known.value_or(false);
        for (std::string line; std::getline(lines, line);)
            if (line.find("/vduse.ko") < line.find(':')) known = true;
    }
    return known;
}

}  // namespace

std::optional<std::string> missing() {
    if (::access(control_path, R_OK | W_OK) == 0) return std::nullopt;
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return fmt::format(
            "{} can't be opened ({}): creating VDUSE devices needs root, or the permission to open "
            "it",
            control_path, std::strerror(errno));
    if (::access("/sys/module/vduse", F_OK) == 0)
        return fmt::format(
            "the kernel's module vduse is loaded, but there is no {}: is /dev a devtmpfs, and does "
            "this container see it?",
            control_path);
    if (const auto has = kernel_has_vduse(); has && !*has)
        return std::string(
            "this kernel has no VDUSE: VDUSE needs CONFIG_VDPA_USER (Linux 5.15 or newer)");
    return std::string("the kernel's module vduse is not loaded; load it with: modprobe vduse");
}

WaitLimits fitting(WaitLimits limits, std::chrono::seconds message_timeout) {
    if (message_timeout.count() == 0) return limits;
    // A message may arrive while the session waits between two messages, and then has to wait
    // itself.
    const std::chrono::milliseconds most = message_timeout;
    return {std::min(limits.message, most * 2 / 3), std::min(limits.between, most / 6)};
}

std::optional<std::string> bad_name(std::string_view name) {
    constexpr std::string_view good =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    if (name.empty() || name.size() > longest_name || name.front() == '.' ||
        name.find_first_not_of(good) != std::string_view::npos || name == "control")
        return fmt::format(
            "\"{}\" is not a name for a VDUSE device: a name has 1 to {} of the characters A-Z a-z "
            "0-9 _ . -, does not start with a dot, and is not \"control\"",
            name, longest_name);
    return std::nullopt;
}

}  // namespace zonebridge::virtio::vduse
