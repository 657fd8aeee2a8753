// The kernel driver of a vDPA device and the node that the driver made, from sysfs: the host's own
// disk (virtio_vdpa), or a node for a virtual machine (vhost_vdpa).
//
// Threads: any; every call reads sysfs again. bind() waits for the drivers, which send the device's
// back end requests: see service/vdpa_bus.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::service {

/// The user of the device.
enum class VdpaAttach : std::uint8_t {
    host,   ///< This host's kernel: /dev/vdb.
    guest,  ///< A virtual machine monitor: /dev/vhost-vdpa-0.
};

/// "host", "guest", as on the command line.
[[nodiscard]] std::string_view to_string(VdpaAttach attach) noexcept;
[[nodiscard]] VdpaAttach other(VdpaAttach attach) noexcept;

class VdpaDriver {
  public:
    VdpaDriver(const std::string& name, VdpaAttach attach,
               const std::filesystem::path& sysfs = "/sys");

    /// The driver for `attach`: "virtio_vdpa" or "vhost_vdpa".
    [[nodiscard]] std::string_view wanted() const noexcept;
    /// The driver that the device is bound to.
    [[nodiscard]] std::optional<std::string> bound() const;
    /// Binds the device to the wanted driver, and to no other from then on. Fails, with advice, if
    /// that driver is not loaded or refuses the device.
    [[nodiscard]] tl::expected<void, Error> bind() const;

    /// The node that the driver made: a block device, or the character device that QEMU opens.
    [[nodiscard]] std::optional<std::string> node() const;
    /// While there is no node: why there will be none, if that is certain already.
    [[nodiscard]] std::optional<std::string> refusal() const;
    /// Why there is no node yet, after a long wait.
    [[nodiscard]] std::string delay() const;

  private:
    [[nodiscard]] std::optional<std::filesystem::path> virtio_device() const;
    [[nodiscard]] tl::expected<void, Error> write(const std::filesystem::path& attribute,
                                                  std::string_view value) const;

    std::string name_;
    VdpaAttach attach_;
    std::filesystem::path sysfs_;
    std::filesystem::path device_;
};

}  // namespace zonebridge::service
