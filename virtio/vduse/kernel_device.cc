#include "virtio/vduse/kernel_device.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

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

/// Makes the device, or finds one of the same shape (then true).
tl::expected<bool, std::string> make_or_find(const Control& control, Record& record,
                                             const Shape& shape) {
    auto made = control.create(shape);
    if (!made) return tl::unexpected(std::move(made.error()));
    if (!*made && record.fits(shape)) return true;
    if (!*made) {
        // The device has another or an unknown shape: destroy it if it is unused.
        auto ended = control.destroy(shape.name);
        if (!ended) return tl::unexpected(std::move(ended.error()));
        if (!*ended)
            return tl::unexpected(fmt::format(
                "there is a VDUSE device {0} already, and it was not made for this disk with these "
                "options. Choose another name; or, if nothing needs it, take it off the vDPA bus "
                "(vdpa dev del {0}) and try again",
                shape.name));
        made = control.create(shape);
        if (!made) return tl::unexpected(std::move(made.error()));
        if (!*made)
            return tl::unexpected(
                fmt::format("another process made the VDUSE device {} just now", shape.name));
    }
    if (auto written = record.write(shape); !written) {
        (void)control.destroy(shape.name);
        return tl::unexpected(std::move(written.error()));
    }
    return false;
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

tl::expected<KernelDevice, std::string> KernelDevice::open(const Shape& shape,
                                                           const std::string& state_folder) {
    auto record = Record::open(state_folder, shape.name);
    if (!record) return tl::unexpected(std::move(record.error()));
    auto control = Control::open();
    if (!control) return tl::unexpected(std::move(control.error()));
    const auto resumed = make_or_find(*control, *record, shape);
    if (!resumed) return tl::unexpected(resumed.error());
    // Remove a device that was made in vain.
    const auto give_up = [&](std::string why) {
        if (!*resumed && control->destroy(shape.name).value_or(false)) record->remove();
        return tl::unexpected(std::move(why));
    };
    auto node = Node::open(shape.name);
    if (!node) return give_up(std::move(node.error()));
    auto inflight = record->area(shape);
    if (!inflight) return give_up(std::move(inflight.error()));
    return KernelDevice(shape, {.control = std::move(*control),
                                .record = std::move(*record),
                                .node = std::move(*node),
                                .inflight = std::move(*inflight),
                                .resumed = *resumed});
}

KernelDevice::KernelDevice(const Shape& shape, Parts parts)
    : config_(shape.config.begin(), shape.config.end()),
      shape_(shape),
      control_(std::move(parts.control)),
      record_(std::move(parts.record)),
      node_(std::move(parts.node)),
      inflight_(std::move(parts.inflight)),
      resumed_(parts.resumed) {
    shape_.config = config_;
}

std::chrono::seconds KernelDevice::message_timeout() const {
    std::ifstream file(fmt::format("/sys/class/vduse/{}/msg_timeout", shape_.name));
    unsigned seconds = 0;
    file >> seconds;
    return std::chrono::seconds{file ? seconds : 0};
}

KernelDevice::Result KernelDevice::set_config(std::vector<std::byte> config) {
    config_ = std::move(config);
    shape_.config = config_;
    return node_->set_config(config_);
}

KernelDevice::Result KernelDevice::destroy() {
    node_.reset();
    auto ended = control_.destroy(shape_.name);
    if (ended && *ended) {
        record_.remove();
        return {};
    }
    auto why = ended ? fmt::format(
                           "the VDUSE device {0} is still on the vDPA bus; take it off first (vdpa "
                           "dev del {0})",
                           shape_.name)
                     : ended.error();
    auto again = Node::open(shape_.name);
    if (!again) return tl::unexpected(why + "; and it can't be served any more: " + again.error());
    node_ = std::move(*again);
    return tl::unexpected(std::move(why));
}

}  // namespace zonebridge::virtio::vduse
