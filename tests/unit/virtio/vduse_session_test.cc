// A VDUSE session and a kernel that is played: requests and answers go over a socket pair, and the ioctl()
// of this program answers what the session asks about its device. What a real kernel makes of the answers
// is tests/guest/vduse.sh's.
#include <cstdarg>
#include <cstring>
#include <linux/vduse.h>
#include <memory>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/driver/front_end.h"
#include "tests/driver/shared_memory.h"
#include "tests/unit/support/temporary.h"
#include "tests/unit/virtio/echo_backend.h"
#include "virtio/device_status.h"
#include "virtio/ring.h"
#include "virtio/vduse/queues.h"

namespace {

/// What the kernel knows of the one device.
struct Kernel {
    int device = -1;
    std::uint64_t features = 0;
    int memory = -1;
    std::uint64_t memory_size = 0;
    vduse_vq_info queue{};
};
Kernel kernel;

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
            if (entry.start >= kernel.memory_size) {
                errno = EINVAL;
                return -1;
            }
            entry.offset = 0;
            entry.start = 0;
            entry.last = kernel.memory_size - 1;
            entry.perm = VDUSE_ACCESS_RW;
            return ::dup(kernel.memory);
        }
        case VDUSE_VQ_SETUP:
        case VDUSE_VQ_SETUP_KICKFD:
        case VDUSE_VQ_INJECT_IRQ:
            return 0;
        default:
            errno = ENOTTY;
            return -1;
    }
}

}  // namespace

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
    std::va_list arguments;
    va_start(arguments, request);
    auto* const argument = va_arg(arguments, void*);
    va_end(arguments);
    if (fd == kernel.device) return answer(request, argument);
    return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

namespace zonebridge::virtio::vduse {
namespace {

constexpr std::chrono::milliseconds patience{20'000};  // ends a test that hangs

class VduseSession : public testing::Test {
  protected:
    static constexpr std::uint64_t memory_size = 0x100000;
    static constexpr std::uint16_t queue_size = 16;
    static constexpr auto good = VDUSE_REQ_RESULT_OK;
    static constexpr auto failed = VDUSE_REQ_RESULT_FAILED;

    VduseSession() : stop_(make_event_fd()) {
        EXPECT_TRUE(memory_.add(0, memory_size));
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        kernel_side_ = UniqueFd(pair[0]);
        config_.resize(60);
        const auto features =
            (backend_.features() & ~EchoBackend::refused_feature) | feature::access_platform;
        kernel = {.device = pair[1],
                  .features = features,
                  .memory = memory_.regions()[0].fd,
                  .memory_size = memory_size,
                  .queue = {}};
        DeviceOptions options;
        options.name = "disk";
        options.queue_size = queue_size;
        options.config = config_;
        options.state_folder = folder_ / "state";
        options.limits = {.message = std::chrono::milliseconds{20},
                          .between = std::chrono::milliseconds{20}};
        const Shape shape{.name = options.name,
                          .device_id = options.device_id,
                          .vendor_id = options.vendor_id,
                          .features = features,
                          .queues = EchoBackend::queues,
                          .queue_size = queue_size,
                          .config = config_};
        auto record = Record::open(options.state_folder, options.name).value();
        EXPECT_TRUE(record.write(shape));
        auto inflight = record.area(shape).value();
        session_ = std::make_unique<LiveSession>(
            LiveSession::Parts{.options = options,
                               .control = Control(UniqueFd(::eventfd(0, EFD_CLOEXEC))),
                               .record = std::move(record),
                               .node = Node(UniqueFd(pair[1])),
                               .inflight = std::move(inflight),
                               .resumed = false},
            shape, backend_, [this](std::string_view line) {
                const std::lock_guard guard(lock_);
                log_ += line;
                log_ += '\n';
            });
        EXPECT_TRUE(session_->prepare());
        thread_ = std::thread([this] { (void)session_->run(stop_.get()); });
    }
    ~VduseSession() override {
        backend_.hang(false);
        signal_event(stop_);
        thread_.join();
        session_.reset();
        kernel = {};
    }

    /// A message of the kernel's; the answer's result.
    std::uint32_t ask(vduse_dev_request request) {
        request.request_id = ++asked_;
        EXPECT_EQ(::write(kernel_side_.get(), &request, sizeof request),
                  static_cast<ssize_t>(sizeof request));
        pollfd wait{kernel_side_.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&wait, 1, static_cast<int>(patience.count())), 1) << "no answer";
        answer_ = {};
        EXPECT_EQ(::read(kernel_side_.get(), &answer_, sizeof answer_),
                  static_cast<ssize_t>(sizeof answer_));
        EXPECT_EQ(answer_.request_id, asked_);
        return answer_.result;
    }
    std::uint32_t set_status(unsigned status) {
        vduse_dev_request request{};
        request.type = VDUSE_SET_STATUS;
        request.s.status = static_cast<std::uint8_t>(status);
        return ask(request);
    }
    std::uint32_t queue_state() {
        vduse_dev_request request{};
        request.type = VDUSE_GET_VQ_STATE;
        return ask(request);
    }
    std::uint32_t change_memory() {
        vduse_dev_request request{};
        request.type = VDUSE_UPDATE_IOTLB;
        request.iova.start = 0;
        request.iova.last = memory_size - 1;
        return ask(request);
    }

    /// A driver with one request that the disk does not give back.
    void start_and_hang() {
        backend_.hold(true);
        backend_.hang(true);
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
        ASSERT_EQ(set_status(device_status::features_ok), good);
        ASSERT_EQ(set_status(device_status::features_ok | device_status::driver_ok), good);
        const auto end = std::chrono::steady_clock::now() + patience;
        while (backend_.held() == 0 && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        ASSERT_EQ(backend_.held(), 1U) << log();
    }
    std::string log() {
        const std::lock_guard guard(lock_);
        return log_;
    }

    EchoBackend backend_;
    driver::SharedMemory memory_;
    std::unique_ptr<driver::Ring> ring_;
    test::TemporaryFolder folder_;
    std::vector<std::byte> config_;
    UniqueFd kernel_side_;
    UniqueFd stop_;
    std::uint32_t asked_ = 0;
    vduse_dev_response answer_{};
    std::mutex lock_;
    std::string log_;
    std::unique_ptr<LiveSession> session_;
    std::thread thread_;
};

TEST_F(VduseSession, AResetIsAnsweredThoughTheDiskHangs) {
    start_and_hang();
    EXPECT_EQ(set_status(0), failed);
    EXPECT_NE(log().find("1 requests are still at the disk"), std::string::npos) << log();
    EXPECT_NE(log().find("told that the reset failed"), std::string::npos) << log();
    EXPECT_EQ(set_status(device_status::acknowledge), failed);
    EXPECT_EQ(set_status(device_status::features_ok), failed)
        << "the next driver's memory would be the disk's to write to";
    EXPECT_EQ(change_memory(), good) << "the kernel may unmap what it likes";
    EXPECT_EQ(backend_.held(), 1U);

    backend_.hang(false);
    EXPECT_EQ(set_status(device_status::acknowledge), good) << "the reset is done by then";
    EXPECT_EQ(set_status(device_status::features_ok), good);
    EXPECT_TRUE(backend_.called("memory 0"));
}

TEST_F(VduseSession, ASuspensionIsAnsweredThoughTheDiskHangs) {
    start_and_hang();
    EXPECT_EQ(queue_state(), failed);
    EXPECT_EQ(queue_state(), failed);
    EXPECT_NE(log().find("could not be stopped"), std::string::npos) << log();
    backend_.hang(false);
    EXPECT_EQ(queue_state(), good);
    EXPECT_EQ(answer_.vq_state.split.avail_index, 1U);
}

TEST_F(VduseSession, AChangeOfMemoryIsAnsweredThoughTheDiskHangs) {
    start_and_hang();
    EXPECT_EQ(change_memory(), failed);
    EXPECT_NE(log().find("until the driver resets it"), std::string::npos) << log();
    backend_.hang(false);
    EXPECT_EQ(set_status(0), good);
    EXPECT_EQ(set_status(device_status::features_ok), good);
}

TEST(VduseLimits, AreSmallerThanTheKernelsTimeout) {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    const WaitLimits usual;
    EXPECT_LT(usual.message + usual.between, seconds{30});
    EXPECT_EQ(fitting(usual, seconds{0}).message, usual.message);
    EXPECT_EQ(fitting(usual, seconds{30}).message, usual.message);
    const auto small = fitting(usual, seconds{6});
    EXPECT_EQ(small.message, seconds{4});
    EXPECT_EQ(small.between, seconds{1});
}

}  // namespace
}  // namespace zonebridge::virtio::vduse
