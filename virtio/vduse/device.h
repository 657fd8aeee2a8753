// The kernel's side of VDUSE, call by call (linux/vduse.h, API version 0): the control node that
// makes and ends devices, and one device's node.
//
// Threads: belongs to one thread; the descriptor may be shared for interrupts.
// Ownership: a Node shares its descriptor with whoever injects interrupts.
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

#include "virtio/unique_fd.h"

namespace zonebridge::virtio::vduse {

inline constexpr const char* control_path = "/dev/vduse/control";

/// What the kernel's device is made from, and what has to be the same when another process goes on
/// with it.
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
    /// Over a descriptor of /dev/vduse/control, or of what stands in for the kernel.
    explicit Control(UniqueFd fd) noexcept : fd_(std::move(fd)) {}

    /// False: there is a device of that name.
    [[nodiscard]] tl::expected<bool, std::string> create(const Shape& shape) const;
    /// False: it is on the vDPA bus, or a process has it open.
    [[nodiscard]] tl::expected<bool, std::string> destroy(const std::string& name) const;

  private:
    UniqueFd fd_;
};

class Node {
  public:
    /// Opens /dev/vduse/NAME, which one process at a time can.
    [[nodiscard]] static tl::expected<Node, std::string> open(const std::string& name);
    /// Over a descriptor of /dev/vduse/NAME, or of what stands in for the kernel.
    explicit Node(UniqueFd fd) : fd_(std::make_shared<const UniqueFd>(std::move(fd))) {}

    /// For poll: readable while a request waits; an error once the kernel gave the device up.
    [[nodiscard]] int fd() const noexcept { return fd_->get(); }
    [[nodiscard]] const SharedFd& shared() const noexcept { return fd_; }

    /// The next request, if one waits.
    [[nodiscard]] tl::expected<std::optional<vduse_dev_request>, std::string> next() const;
    /// False: nobody waits for that answer any more.
    [[nodiscard]] tl::expected<bool, std::string> answer(const vduse_dev_response& response) const;

    [[nodiscard]] tl::expected<void, std::string> set_up_queue(std::uint16_t index,
                                                               std::uint16_t size) const;
    /// The kernel forgets it with each reset.
    [[nodiscard]] tl::expected<void, std::string> set_kick(std::uint16_t index, int eventfd) const;
    [[nodiscard]] tl::expected<vduse_vq_info, std::string> queue(std::uint16_t index) const;
    /// What the driver accepted; valid once it said so.
    [[nodiscard]] tl::expected<std::uint64_t, std::string> features() const;
    /// An interrupt of a queue; false while the driver would not get it.
    [[nodiscard]] bool interrupt(std::uint16_t index) const noexcept;
    /// New contents for the whole configuration space, and the interrupt that tells of it.
    [[nodiscard]] tl::expected<void, std::string> set_config(
        std::span<const std::byte> config) const;

  private:
    SharedFd fd_;
};

}  // namespace zonebridge::virtio::vduse
