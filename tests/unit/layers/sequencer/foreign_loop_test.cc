// A program that sleeps in its own poll() on Loop::fd(). The descriptor must wake the program
// whenever the sequencer has a request to issue.
#include <array>
#include <cerrno>
#include <poll.h>
#include <vector>

#include <gtest/gtest.h>

#include "layers/sequencer/sequencer.h"
#include "tests/unit/layers/sequencer/bare_device.h"
#include "tests/unit/layers/sequencer/user.h"
#include "tests/unit/support/machine_disk.h"
#include "transports/ring.h"

namespace zonebridge::test {
namespace {

class ForeignLoop : public testing::Test {
  protected:
    ForeignLoop() {
        auto ring = Ring::create(512, Loop::Use::polled);
        if (!ring) throw std::runtime_error(ring.error().message);
        ring_ = std::move(*ring);
        auto machine = std::make_unique<MachineDisk>();
        machine_ = machine.get();
        auto device = std::make_unique<BareDevice>(std::move(machine), Support::absent);
        device_ = device.get();
        auto sequenced = sequence(std::move(device));
        if (!sequenced) throw std::runtime_error(sequenced.error().message);
        disk_ = std::move(*sequenced);
        queue_ = std::move(disk_->open_queue(*ring_, {.depth = 16}).value());
    }
    ~ForeignLoop() override { queue_.reset(); }

    void submit(Request request) {
        request.tag = submitted_++;
        ASSERT_EQ(queue_->submit({&request, 1}), 1U);
    }
    Request write(std::uint32_t zone, std::uint64_t block) {
        Request request;
        request.operation = Operation::write;
        request.offset = disk_->limits().layout.start_of(zone) + block * data_.size();
        request.length = data_.size();
        request.data = {&piece_, 1};
        return request;
    }
    /// Acts on `zones` zones, starting with zone 3.
    Request act(Operation operation, std::uint64_t zones) {
        Request request;
        request.operation = operation;
        request.offset = disk_->limits().layout.start_of(3);
        request.length = zones * disk_->limits().layout.zone_size();
        return request;
    }
    static Request act_all(Operation operation) {
        Request request;
        request.operation = operation;
        request.scope = Scope::all;
        return request;
    }
    /// Sleeps in poll() as a program would, and turns the loop after each wake-up.
    void wait_for_all() {
        pollfd waiting{ring_->fd().value(), POLLIN, 0};
        for (std::size_t done = 0; done < submitted_;) {
            const auto woken = ::poll(&waiting, 1, 10'000);
            if (woken < 0 && errno == EINTR) continue;
            ASSERT_EQ(woken, 1) << "asleep with " << submitted_ - done << " in flight";
            ASSERT_TRUE(ring_->turn(Loop::Wait::poll));
            std::array<Completion, 16> some;
            const auto reaped = queue_->reap(some);
            for (const auto& each : std::span(some).first(reaped))
                EXPECT_EQ(each.status.code, StatusCode::ok) << "request " << each.tag;
            done += reaped;
        }
        submitted_ = 0;
    }

    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Transport> disk_;
    BareDevice* device_ = nullptr;  // owned by the sequencer
    MachineDisk* machine_ = nullptr;
    std::unique_ptr<Queue> queue_;
    std::vector<std::uint8_t> data_ = std::vector<std::uint8_t>(4096, 0x5A);
    iovec piece_{data_.data(), data_.size()};
    std::size_t submitted_ = 0;
};

TEST_F(ForeignLoop, IsWokenForTheNextWriteOfAZone) {
    submit(write(3, 0));
    // The action keeps the later writes from joining the first.
    submit(act(Operation::close, 1));
    submit(write(3, 1));
    submit(write(3, 2));
    wait_for_all();
    EXPECT_GE(device_->writes, 2U);
    EXPECT_EQ(device_->collisions, 0U);
}

TEST_F(ForeignLoop, IsWokenForActionsOnManyZones) {
    for (const std::uint32_t zone : {3, 4, 5}) submit(write(zone, 0));
    submit(act(Operation::finish, 3));
    submit(act_all(Operation::reset));
    for (const std::uint32_t zone : {3, 4, 5}) submit(write(zone, 0));
    wait_for_all();
    EXPECT_EQ(device_->collisions, 0U);
}

TEST_F(ForeignLoop, IsWokenIfTheDiskBeginsOneRequestATurn) {
    machine_->take_at_most = 1;
    for (const std::uint32_t zone : {3, 4, 5, 6})
        for (std::uint64_t block = 0; block < 4; ++block) submit(write(zone, block));
    wait_for_all();
    EXPECT_EQ(device_->collisions, 0U);
}

}  // namespace
}  // namespace zonebridge::test
