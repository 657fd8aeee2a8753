#include "tests/unit/virtio/simulated_kernel.h"

#include <cerrno>
#include <cstdarg>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "virtio/ring.h"

namespace zonebridge::virtio::vduse {

SimulatedKernel kernel;

namespace {

int refuse(int error) {
    errno = error;
    return -1;
}

int answer(unsigned long request, void* argument) {
    switch (request) {
        case VDUSE_DEV_GET_FEATURES:
            *static_cast<std::uint64_t*>(argument) = kernel.features;
            return 0;
        case VDUSE_VQ_GET_INFO: {
            auto& info = *static_cast<vduse_vq_info*>(argument);
            const auto index = info.index;
            info = index == 0 ? kernel.queue : vduse_vq_info{};
            info.index = index;
            return 0;
        }
        case VDUSE_IOTLB_GET_FD: {
            auto& entry = *static_cast<vduse_iotlb_entry*>(argument);
            if (entry.start >= kernel.memory_size) return refuse(EINVAL);
            entry.offset = 0;
            entry.start = 0;
            entry.last = kernel.memory_size - 1;
            entry.perm = VDUSE_ACCESS_RW;
            return ::dup(kernel.memory);
        }
        case VDUSE_DEV_SET_CONFIG:
        case VDUSE_DEV_INJECT_CONFIG_IRQ:
        case VDUSE_VQ_SETUP:
        case VDUSE_VQ_SETUP_KICKFD:
        case VDUSE_VQ_INJECT_IRQ:
            return 0;
        default:
            return refuse(ENOTTY);
    }
}

}  // namespace

SimulatedDevice::SimulatedDevice() {
    EXPECT_TRUE(memory_.add(0, memory_size));
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    kernel_side_ = UniqueFd(pair[0]);
    device_side_ = UniqueFd(pair[1]);
    config_.resize(60);
    kernel.device = pair[1];
    kernel.features =
        (backend_.features() & ~EchoBackend::refused_feature) | feature::access_platform;
    kernel.memory = memory_.regions()[0].fd;
    kernel.memory_size = memory_size;
}

KernelDevice SimulatedDevice::make_device() {
    const Shape shape{.name = "disk",
                      .device_id = 2,
                      .vendor_id = 5,
                      .features = kernel.features,
                      .queues = EchoBackend::queues,
                      .queue_size = queue_size,
                      .config = config_};
    auto control = make_event_fd();
    kernel.control = control.get();
    auto record = Record::open(folder_ / "state", shape.name).value();
    EXPECT_TRUE(record.write(shape));
    auto inflight = record.area(shape).value();
    return KernelDevice(shape, {.control = Control(std::move(control)),
                                .record = std::move(record),
                                .node = Node(std::move(device_side_)),
                                .inflight = std::move(inflight),
                                .resumed = false});
}

void SimulatedDevice::make_ready() {
    const auto block = memory_.allocate(4);
    const auto buffer = driver::to_device(block);
    ring_ = std::make_unique<driver::Ring>(
        memory_, driver::RingOptions{.size = queue_size, .event_index = true});
    ASSERT_TRUE(ring_->add(std::span(&buffer, 1)));
    (void)ring_->publish();
    kernel.queue.num = queue_size;
    // The ring has vhost-user's addresses, which are this process's own.
    const auto base = memory_.user_address(memory_.regions()[0].host);
    kernel.queue.desc_addr = ring_->descriptors_address() - base;
    kernel.queue.driver_addr = ring_->available_address() - base;
    kernel.queue.device_addr = ring_->used_address() - base;
    kernel.queue.ready = 1;
}

}  // namespace zonebridge::virtio::vduse

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
    using namespace zonebridge::virtio::vduse;
    std::va_list arguments;
    va_start(arguments, request);
    auto* const argument = va_arg(arguments, void*);
    va_end(arguments);
    if (fd == kernel.control && request == VDUSE_DESTROY_DEV)
        return kernel.on_bus ? refuse(EBUSY) : 0;
    if (fd == kernel.device) return answer(request, argument);
    return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}
