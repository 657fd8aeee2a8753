// The vDPA bus for a VDUSE server: it adds, finds and removes the server's own device and no other.
//
// A confined server asks another process, which has the capability CAP_NET_ADMIN, for each of these.
//
// Threads: one at a time. add() and remove() wait for the kernel: see service/vdpa_bus.h.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "service/vdpa_bus.h"
#include "zone/status.h"

namespace zonebridge::service {

class OwnDeviceBus {
  public:
    virtual ~OwnDeviceBus() = default;
    /// As VdpaBus::add, remove and find.
    [[nodiscard]] virtual tl::expected<void, Error> add() = 0;
    [[nodiscard]] virtual tl::expected<void, Error> remove() = 0;
    [[nodiscard]] virtual tl::expected<std::optional<VdpaDevice>, Error> find() = 0;
    /// The descriptor that the thread needs.
    [[nodiscard]] virtual int fd() const noexcept = 0;
};

/// For the device `name` of the management device `management`. With `in_process` false it forks: call
/// it on the main thread, while there is no other thread.
[[nodiscard]] tl::expected<std::unique_ptr<OwnDeviceBus>, Error> open_own_device_bus(
    const std::string& management, const std::string& name, bool in_process);

}  // namespace zonebridge::service
