// The kernel's vDPA bus, by netlink: devices are added to it, removed and looked up, as iproute2's
// "vdpa dev" does it.
//
// Threads: one at a time. Adding and removing wait for the kernel, which asks the device's back end
// questions meanwhile: never call them on the thread that answers those.
// Ownership: a VdpaBus owns its netlink socket.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "zone/status.h"

struct nl_sock;

namespace zonebridge::service {

/// What the bus tells of a device.
struct VdpaDevice {
    std::string management;  ///< The management device it was made by: "vduse".
    std::uint32_t virtio_id = 0;
};

class VdpaBus {
  public:
    /// Looking needs no privilege. The error says which module the kernel lacks.
    [[nodiscard]] static tl::expected<VdpaBus, Error> open();

    /// Adds the device `name` of the management device `management`, and returns when the driver
    /// that the kernel chose has finished probing it, well or badly. A bus that has the name already
    /// is EEXIST.
    [[nodiscard]] tl::expected<void, Error> add(const std::string& management,
                                                const std::string& name);
    /// Removes it, once its driver let go of it. A device that is not there is no error.
    [[nodiscard]] tl::expected<void, Error> remove(const std::string& name);
    /// Empty if the bus has no device of that name.
    [[nodiscard]] tl::expected<std::optional<VdpaDevice>, Error> find(const std::string& name);

    /// The socket.
    [[nodiscard]] int fd() const noexcept;

  private:
    struct Free {
        void operator()(nl_sock* socket) const noexcept;
    };
    using Socket = std::unique_ptr<nl_sock, Free>;

    VdpaBus(Socket socket, int family) noexcept : socket_(std::move(socket)), family_(family) {}

    Socket socket_;
    int family_;
};

}  // namespace zonebridge::service
