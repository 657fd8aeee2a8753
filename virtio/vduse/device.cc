#include "virtio/vduse/device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace zonebridge::virtio::vduse {
namespace {

// The ring alignment; virtio needs no more.
constexpr std::uint32_t ring_alignment = 4096;

tl::unexpected<std::string> failed(const std::string& what) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

/// A struct with a flexible array behind it, in one buffer as the kernel expects.
template <typename Head>
std::vector<std::byte> joined(const Head& head, std::size_t head_bytes,
                              std::span<const std::byte> tail) {
    std::vector<std::byte> bytes(std::max(sizeof head, head_bytes + tail.size()));
    std::memcpy(bytes.data(), &head, head_bytes);
    std::copy(tail.begin(), tail.end(), bytes.begin() + static_cast<std::ptrdiff_t>(head_bytes));
    return bytes;
}

}  // namespace

tl::expected<Control, std::string> Control::open() {
    UniqueFd fd(::open(control_path, O_RDWR | O_CLOEXEC));
    if (!fd) return failed(fmt::format("can't open {}", control_path));
    std::uint64_t version = 0;
    if (::ioctl(fd.get(), VDUSE_SET_API_VERSION, &version) != 0)
        return failed("the kernel's VDUSE does not support version 0 of its interface");
    return Control(std::move(fd));
}

tl::expected<bool, std::string> Control::create(const Shape& shape) const {
    vduse_dev_config head{};
    shape.name.copy(head.name, sizeof head.name - 1);
    head.vendor_id = shape.vendor_id;
    head.device_id = shape.device_id;
    head.features = shape.features;
    head.vq_num = shape.queues;
    head.vq_align = ring_alignment;
    head.config_size = static_cast<std::uint32_t>(shape.config.size());
    const auto bytes = joined(head, offsetof(vduse_dev_config, config), shape.config);
    if (::ioctl(fd_.get(), VDUSE_CREATE_DEV, bytes.data()) == 0) return true;
    if (errno == EEXIST) return false;
    if (errno == EINVAL)
        return tl::unexpected(
            fmt::format("the kernel refuses a VDUSE device {} of type {} with features {:#x}",
                        shape.name, shape.device_id, shape.features));
    return failed(fmt::format("can't create the VDUSE device {}", shape.name));
}

tl::expected<bool, std::string> Control::destroy(const std::string& name) const {
    char bytes[VDUSE_NAME_MAX] = {};
    name.copy(bytes, sizeof bytes - 1);
    if (::ioctl(fd_.get(), VDUSE_DESTROY_DEV, bytes) == 0) return true;
    if (errno == EBUSY) return false;
    return failed(fmt::format("can't remove the VDUSE device {}", name));
}

tl::expected<Node, std::string> Node::open(const std::string& name) {
    const auto path = fmt::format("/dev/vduse/{}", name);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (fd) return Node(std::move(fd));
    if (errno == EBUSY)
        return tl::unexpected(fmt::format(
            "another process serves {}; choose another name, or stop that process", path));
    return failed(fmt::format("can't open {}", path));
}

tl::expected<std::optional<vduse_dev_request>, std::string> Node::next() const {
    vduse_dev_request request{};
    const auto got = ::read(fd(), &request, sizeof request);
    if (got == static_cast<ssize_t>(sizeof request)) return request;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got >= 0)
        return tl::unexpected(
            fmt::format("the kernel's request has {} bytes, not {}", got, sizeof request));
    return failed("can't read the kernel's requests");
}

tl::expected<bool, std::string> Node::answer(const vduse_dev_response& response) const {
    for (;;) {
        const auto put = ::write(fd(), &response, sizeof response);
        if (put == static_cast<ssize_t>(sizeof response)) return true;
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == ENOENT) return false;
        return failed("can't answer the kernel");
    }
}

tl::expected<void, std::string> Node::set_up_queue(std::uint16_t index, std::uint16_t size) const {
    vduse_vq_config config{};
    config.index = index;
    config.max_size = size;
    if (::ioctl(fd(), VDUSE_VQ_SETUP, &config) != 0)
        return failed(fmt::format("can't set up queue {}", index));
    return {};
}

tl::expected<void, std::string> Node::set_kick(std::uint16_t index, int eventfd) const {
    vduse_vq_eventfd kick{};
    kick.index = index;
    kick.fd = eventfd;
    if (::ioctl(fd(), VDUSE_VQ_SETUP_KICKFD, &kick) != 0)
        return failed(fmt::format("can't set up the notifications of queue {}", index));
    return {};
}

tl::expected<vduse_vq_info, std::string> Node::queue(std::uint16_t index) const {
    vduse_vq_info info{};
    info.index = index;
    if (::ioctl(fd(), VDUSE_VQ_GET_INFO, &info) != 0)
        return failed(fmt::format("can't read the state of queue {}", index));
    return info;
}

tl::expected<std::uint64_t, std::string> Node::features() const {
    std::uint64_t features = 0;
    if (::ioctl(fd(), VDUSE_DEV_GET_FEATURES, &features) != 0)
        return failed("can't read which features the driver accepted");
    return features;
}

bool Node::interrupt(std::uint16_t index) const noexcept {
    const std::uint32_t number = index;
    return ::ioctl(fd(), VDUSE_VQ_INJECT_IRQ, &number) == 0;
}

tl::expected<void, std::string> Node::set_config(std::span<const std::byte> config) const {
    vduse_config_data head{};
    head.length = static_cast<std::uint32_t>(config.size());
    const auto bytes = joined(head, offsetof(vduse_config_data, buffer), config);
    if (::ioctl(fd(), VDUSE_DEV_SET_CONFIG, bytes.data()) != 0)
        return failed("can't change the configuration space");
    // Refused while there is no driver.
    (void)::ioctl(fd(), VDUSE_DEV_INJECT_CONFIG_IRQ);
    return {};
}

}  // namespace zonebridge::virtio::vduse
