// The system calls of VDUSE (linux/vduse.h, API version 0): the control node that makes and
// destroys devices, and one device's node.
//
// Threads: belongs to one thread; the descriptor may be shared for interrupts.
// Ownership: a Node shares its descriptor with the notifiers that inject interrupts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <linux/vduse.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/unique_fd.h"

namespace zonebridge::virtio::vduse {

inline constexpr const char* control_path = "/dev/vduse/control";

/// The parameters of the kernel's device; another process can take the device over only if all are
/// equal.
struct Shape {
    std::string name;
    std::uint32_t device_id = 0;
    std::uint32_t vendor_id = 0;
    std::uint64_t features = 0;
    std::uint16_t queues = 0;
    std::uint16_t queue_size = 0;
    std::span<const std::byte> config;
};

class Control {
  public:
    /// Opens /dev/vduse/control and agrees on the version.
    [[nodiscard]] static tl::expected<Control, std::string> open();
    /// Over a descriptor of /dev/vduse/control, or of a substitute in tests.
    explicit Control(UniqueFd fd) noexcept : fd_(std::move(fd)) {}

    /// False: a device of that name exists.
    [[nodiscard]] tl::expected<bool, std::string> create(const Shape& shape) const;
    /// False: the device is on the vDPA bus, or a process has it open.
    [[nodiscard]] tl::expected<bool, std::string> destroy(const std::string& name) const;

  private:
    UniqueFd fd_;
};

class Node {
  public:
    /// Opens /dev/vduse/NAME, which only one process at a time can.
    [[nodiscard]] static tl::expected<Node, std::string> open(const std::string& name);
    /// Over a descriptor of /dev/vduse/NAME, or of a substitute in tests.
    explicit Node(UniqueFd fd) : fd_(std::make_shared<const UniqueFd>(std::move(fd))) {}

    /// For poll: readable while a request is pending; an error once the kernel gave the device up.
    [[nodiscard]] int fd() const noexcept { return fd_->get(); }
    [[nodiscard]] const SharedFd& shared() const noexcept { return fd_; }

    /// The next pending request, if any.
    [[nodiscard]] tl::expected<std::optional<vduse_dev_request>, std::string> next() const;
    /// False: the kernel does not wait for that answer any more.
    [[nodiscard]] tl::expected<bool, std::string> answer(const vduse_dev_response& response) const;

    [[nodiscard]] tl::expected<void, std::string> set_up_queue(std::uint16_t index,
                                                               std::uint16_t size) const;
    /// Sets the kick descriptor, which the kernel drops at each reset.
    [[nodiscard]] tl::expected<void, std::string> set_kick(std::uint16_t index, int eventfd) const;
    [[nodiscard]] tl::expected<vduse_vq_info, std::string> queue(std::uint16_t index) const;
    /// The features that the driver accepted; valid from FEATURES_OK on.
    [[nodiscard]] tl::expected<std::uint64_t, std::string> features() const;
    /// Injects a queue's interrupt; false while the driver would not receive it.
    [[nodiscard]] bool interrupt(std::uint16_t index) const noexcept;
    /// Replaces the whole configuration space and injects the configuration interrupt.
    [[nodiscard]] tl::expected<void, std::string> set_config(
        std::span<const std::byte> config) const;

  private:
    SharedFd fd_;
};

}  // namespace zonebridge::virtio::vduse
