// The kernel's VDUSE device that this process serves, and the record of its requests in flight.
//
// The kernel keeps the device, and the record stays, when this process ends: the next process that
// opens the name takes over a device of the same shape. destroy() ends both.
//
// Threads: belongs to one thread.
// Ownership: owns the device's node, the record and the configuration space.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/inflight.h"
#include "virtio/vduse/device.h"
#include "virtio/vduse/record.h"

namespace zonebridge::virtio::vduse {

/// What this host lacks for VDUSE, with advice; nothing if it has all.
[[nodiscard]] std::optional<std::string> missing();

/// The error of an invalid device name.
[[nodiscard]] std::optional<std::string> bad_name(std::string_view name);

class KernelDevice {
    using Result = tl::expected<void, std::string>;

  public:
    struct Parts {
        Control control;
        Record record;
        Node node;
        std::shared_ptr<const InflightArea> inflight;
        bool resumed;
    };

    /// Makes the device, or takes over one of the same shape, with its record in `state_folder`.
    /// Destroys one of another shape if the device is unused; fails if it is in use.
    [[nodiscard]] static tl::expected<KernelDevice, std::string> open(
        const Shape& shape, const std::string& state_folder);
    KernelDevice(const Shape& shape, Parts parts);
    KernelDevice(KernelDevice&&) noexcept = default;
    KernelDevice& operator=(KernelDevice&&) = delete;

    /// The device existed already.
    [[nodiscard]] bool resumed() const noexcept { return resumed_; }
    [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
    [[nodiscard]] const std::shared_ptr<const InflightArea>& inflight() const noexcept {
        return inflight_;
    }

    /// The device was destroyed, or could not be opened again after destroy() failed.
    [[nodiscard]] bool gone() const noexcept { return !node_; }
    /// Requires that the device is not gone.
    [[nodiscard]] const Node& node() const noexcept { return *node_; }

    /// How long the kernel waits for an answer; 0 if that can't be read, or for ever.
    [[nodiscard]] std::chrono::seconds message_timeout() const;

    /// Replaces the configuration space by one of the same size.
    [[nodiscard]] Result set_config(std::vector<std::byte> config);
    /// Forgets the requests in flight. Requires that no queue runs.
    [[nodiscard]] Result clear_record() { return record_.clear(shape_); }

    /// Destroys the device and removes the record. Fails unless the device has left the vDPA bus;
    /// then the device is open again, or gone, and has no kick descriptors.
    [[nodiscard]] Result destroy();

  private:
    std::vector<std::byte> config_;
    Shape shape_;  // its config refers to config_
    Control control_;
    Record record_;
    std::optional<Node> node_;
    std::shared_ptr<const InflightArea> inflight_;
    bool resumed_;
};

}  // namespace zonebridge::virtio::vduse
