// Which of the kernel's drivers has a device of the vDPA bus, and what it made of it, by sysfs: the
// host's own disk (virtio_vdpa), or a node for a virtual machine (vhost_vdpa).
//
// Threads: any; every call looks anew. bind() waits for the drivers, which ask the device's back
// end questions: as service/vdpa_bus.h.
// Ownership: plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::service {

/// Who gets the device.
enum class VdpaAttach : std::uint8_t {
    host,   ///< This host's kernel: /dev/vdb.
    guest,  ///< A virtual machine monitor: /dev/vhost-vdpa-0.
};

/// "host", "guest": as the command line says it.
[[nodiscard]] std::string_view to_string(VdpaAttach attach) noexcept;
[[nodiscard]] VdpaAttach other(VdpaAttach attach) noexcept;

class VdpaDriver {
  public:
    VdpaDriver(const std::string& name, VdpaAttach attach,
               const std::filesystem::path& sysfs = "/sys");

    /// The driver that is wanted: "virtio_vdpa" or "vhost_vdpa".
    [[nodiscard]] std::string_view wanted() const noexcept;
    /// The driver that has the device.
    [[nodiscard]] std::optional<std::string> bound() const;
    /// Gives the device to the wanted driver, and to no other from then on. Fails, with advice, if
    /// that is not loaded or does not take it.
    [[nodiscard]] tl::expected<void, Error> bind() const;

    /// The device node that the driver made: a block device, or what QEMU opens.
    [[nodiscard]] std::optional<std::string> node() const;
    /// While there is no node: why there will be none, if that is settled already.
    [[nodiscard]] std::optional<std::string> refusal() const;
    /// Why there is none yet, after waiting for long enough.
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
