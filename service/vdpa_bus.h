// The kernel's vDPA bus, by netlink: adds, removes and finds devices, as iproute2's "vdpa dev"
// does.
//
// Threads: one at a time. add() and remove() wait for the kernel, which sends the device's back end
// requests meanwhile: never call them on the thread that answers those.
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

/// A device as the bus reports it.
struct VdpaDevice {
    std::string management;  ///< The management device that made it: "vduse".
    std::uint32_t virtio_id = 0;
};

class VdpaBus {
  public:
    /// Finding devices needs no privilege. The error says which module the kernel lacks.
    [[nodiscard]] static tl::expected<VdpaBus, Error> open();

    /// Adds the device `name` of the management device `management`, and returns when the driver
    /// that the kernel chose has finished probing, with or without success. EEXIST if the bus has
    /// the name already.
    [[nodiscard]] tl::expected<void, Error> add(const std::string& management,
                                                const std::string& name);
    /// Removes the device, once its driver has released it. A missing device is no error.
    [[nodiscard]] tl::expected<void, Error> remove(const std::string& name);
    /// Empty if the bus has no device of that name.
    [[nodiscard]] tl::expected<std::optional<VdpaDevice>, Error> find(const std::string& name);

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
