#include "service/vdpa_driver.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <system_error>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "transports/host/places.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

std::string status_in_words(unsigned status) {
    struct Bit {
        unsigned value;
        std::string_view word;
    };
    namespace bit = virtio::device_status;
    constexpr Bit bits[] = {{bit::acknowledge, "ACKNOWLEDGE"}, {bit::driver, "DRIVER"},
                            {bit::features_ok, "FEATURES_OK"}, {bit::driver_ok, "DRIVER_OK"},
                            {bit::needs_reset, "NEEDS_RESET"}, {bit::failed, "FAILED"}};
    std::string words;
    for (const auto& [value, word] : bits) {
        if ((status & value) == 0) continue;
        if (!words.empty()) words += ' ';
        words += word;
    }
    return fmt::format("{:#04x}{}{}", status, words.empty() ? "" : ": ", words);
}

std::optional<unsigned> status_of(const fs::path& virtio_device) {
    const auto text = host::first_line(virtio_device / "status");
    if (!text) return std::nullopt;
    // "0x0000000f"
    std::string_view digits = *text;
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    unsigned value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (parsed.ec != std::errc{}) return std::nullopt;
    return value;
}

}  // namespace

std::string_view to_string(VdpaAttach attach) noexcept {
    switch (attach) {
        case VdpaAttach::host:
            return "host";
        case VdpaAttach::guest:
            return "guest";
    }
    return {};
}

VdpaAttach other(VdpaAttach attach) noexcept {
    return attach == VdpaAttach::host ? VdpaAttach::guest : VdpaAttach::host;
}

VdpaDriver::VdpaDriver(const std::string& name, VdpaAttach attach, const fs::path& sysfs)
    : name_(name), attach_(attach), sysfs_(sysfs), device_(sysfs / "bus/vdpa/devices" / name) {}

std::string_view VdpaDriver::wanted() const noexcept {
    switch (attach_) {
        case VdpaAttach::host:
            return "virtio_vdpa";
        case VdpaAttach::guest:
            return "vhost_vdpa";
    }
    return {};
}

std::optional<std::string> VdpaDriver::bound() const {
    std::error_code failed;
    const auto target = fs::read_symlink(device_ / "driver", failed);
    if (failed) return std::nullopt;
    return target.filename().string();
}

tl::expected<void, Error> VdpaDriver::bind() const {
    const auto now = bound();
    if (now == wanted()) return {};
    if (!host::is_there(sysfs_ / "bus/vdpa/drivers" / wanted()))
        return tl::unexpected(Error{StatusCode::unsupported,
                                    fmt::format("{}: the device has no driver: this kernel's {} is "
                                                "not loaded; load it with 'modprobe {}'",
                                                name_, wanted(), wanted()),
                                    {}});
    if (auto told = write(device_ / "driver_override", wanted()); !told) return told;
    if (now)
        if (auto left = write(device_ / "driver/unbind", name_); !left) return left;
    // The override keeps other drivers from binding the device meanwhile.
    if (auto probed = write(sysfs_ / "bus/vdpa/drivers_probe", name_); !probed) return probed;
    if (bound() == wanted()) return {};
    return tl::unexpected(Error{
        StatusCode::unsupported,
        fmt::format("{}: the driver {} did not take the device; 'dmesg' says why", name_, wanted()),
        {}});
}

std::optional<std::string> VdpaDriver::node() const {
    switch (attach_) {
        case VdpaAttach::host: {
            const auto virtio = virtio_device();
            if (!virtio) return std::nullopt;
            const auto names = host::names_in(*virtio / "block");
            if (names.empty()) return std::nullopt;
            const auto path = *virtio / "block" / names.front();
            // The folder appears before the disk can be opened.
            const auto size = host::first_line(path / "size").value_or("0");
            if (size == "0") return std::nullopt;
            return host::node_path({}, path);
        }
        case VdpaAttach::guest:
            for (const auto& name : host::names_in(device_))
                if (name.starts_with("vhost-vdpa-")) return "/dev/" + name;
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<std::string> VdpaDriver::refusal() const {
    if (attach_ != VdpaAttach::host) return std::nullopt;
    const auto virtio = virtio_device();
    if (!virtio) return std::nullopt;
    const auto status = status_of(*virtio);
    if (!status || (*status & virtio::device_status::failed) == 0) return std::nullopt;
    return fmt::format(
        "{}: the kernel's virtio_blk gave up the device ({} has the status {}). A host-managed "
        "disk needs Linux 6.3 or newer with CONFIG_BLK_DEV_ZONED; 'dmesg' says what was wrong",
        name_, virtio->filename().string(), status_in_words(*status));
}

std::string VdpaDriver::delay() const {
    if (attach_ == VdpaAttach::guest)
        return fmt::format("{}: vhost_vdpa has the device, but no /dev/vhost-vdpa-N appears",
                           name_);
    const auto virtio = virtio_device();
    if (!virtio)
        return fmt::format(
            "{}: virtio_vdpa has the device, but made no virtio device for it; 'dmesg' says why",
            name_);
    if (!host::is_there(sysfs_ / "bus/virtio/drivers/virtio_blk"))
        return fmt::format(
            "{}: the virtio device is there, but this kernel's virtio_blk is not loaded; load it "
            "with 'modprobe virtio_blk'",
            name_);
    const auto status = status_of(*virtio);
    return fmt::format("{}: no disk appears ({} has the status {}); 'dmesg' says why", name_,
                       virtio->filename().string(), status ? status_in_words(*status) : "unknown");
}

std::optional<fs::path> VdpaDriver::virtio_device() const {
    for (const auto& name : host::names_in(device_))
        if (name.starts_with("virtio")) return device_ / name;
    return std::nullopt;
}

tl::expected<void, Error> VdpaDriver::write(const fs::path& attribute,
                                            std::string_view value) const {
    const UniqueFd file(::open(attribute.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), value.data(), value.size()) < 0) {
        const int error = errno;
        return tl::unexpected(
            os_failure(error, fmt::format("{}: can't give the device to {} (writing '{}' to {})",
                                          name_, wanted(), value, attribute.string())));
    }
    return {};
}

}  // namespace zonebridge::service
