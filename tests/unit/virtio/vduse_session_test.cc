// A VDUSE session with a simulated kernel: messages go over a socket pair. tests/guest/vduse.sh uses a
// real kernel.
#include <linux/vduse.h>
#include <memory>
#include <mutex>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/virtio/simulated_kernel.h"
#include "virtio/ring.h"
#include "virtio/vduse/session.h"

namespace zonebridge::virtio::vduse {
namespace {

constexpr std::chrono::milliseconds patience{20'000};  // ends a test that hangs

class VduseSession : public SimulatedDevice {
  protected:
    static constexpr auto good = VDUSE_REQ_RESULT_OK;
    static constexpr auto failed = VDUSE_REQ_RESULT_FAILED;

    VduseSession() : stop_(make_event_fd()) {
        session_ = std::make_unique<Session>(make_device(),
                                             WaitLimits{.message = std::chrono::milliseconds{20},
                                                        .between = std::chrono::milliseconds{20}},
                                             backend_, [this](std::string_view line) {
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
    }

    /// Sends the kernel's message and returns the result of the session's answer.
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

    /// Starts a driver with one request that the disk never completes.
    void start_and_hang() {
        backend_.hold(true);
        backend_.hang(true);
        make_ready();
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

    UniqueFd stop_;
    std::uint32_t asked_ = 0;
    vduse_dev_response answer_{};
    std::mutex lock_;
    std::string log_;
    std::unique_ptr<Session> session_;
    std::thread thread_;
};

TEST_F(VduseSession, AResetIsAnsweredWhileTheDiskHangs) {
    start_and_hang();
    EXPECT_EQ(set_status(0), failed);
    EXPECT_NE(log().find("1 requests are still at the disk"), std::string::npos) << log();
    EXPECT_NE(log().find("told that the reset failed"), std::string::npos) << log();
    EXPECT_EQ(set_status(device_status::acknowledge), failed);
    EXPECT_EQ(set_status(device_status::features_ok), failed)
        << "the disk could still write to the next driver's memory";
    EXPECT_EQ(change_memory(), good) << "the kernel may unmap any memory";
    EXPECT_EQ(backend_.held(), 1U);

    backend_.hang(false);
    EXPECT_EQ(set_status(device_status::acknowledge), good) << "the reset has completed by then";
    EXPECT_EQ(set_status(device_status::features_ok), good);
    EXPECT_TRUE(backend_.called("memory 0"));
}

TEST_F(VduseSession, ASuspensionIsAnsweredWhileTheDiskHangs) {
    start_and_hang();
    EXPECT_EQ(queue_state(), failed);
    EXPECT_EQ(queue_state(), failed);
    EXPECT_NE(log().find("could not be stopped"), std::string::npos) << log();
    backend_.hang(false);
    EXPECT_EQ(queue_state(), good);
    EXPECT_EQ(answer_.vq_state.split.avail_index, 1U);
}

TEST_F(VduseSession, AChangeOfMemoryIsAnsweredWhileTheDiskHangs) {
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
