// A virtio-scsi device on several workers, driven without a session: functions in flight while
// queues stop or memory changes, and units that are added and removed while commands run. A mock
// unit keeps commands in flight.
#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "service/scsi_backend.h"
#include "tests/unit/service/direct_driver.h"
#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "virtio/ring.h"

namespace zonebridge::service {

using driver::Block;
using virtio_scsi::Event;
using virtio_scsi::Response;
using virtio_scsi::ScriptedUnit;
using virtio_scsi::TaskFunction;
using virtio_scsi::test_unit_ready;
using zbc::Attention;

inline constexpr std::uint16_t request_queues = 4;
inline constexpr std::uint16_t all_queues = virtio_scsi::first_request_queue + request_queues;
inline constexpr std::uint8_t read_10 = 0x28;

class ScsiOnWorkers : public ::testing::TestWithParam<unsigned> {
  protected:
    static constexpr std::uint64_t features =
        virtio::feature::version_1 | virtio::feature::event_index | virtio_scsi::feature_hotplug |
        virtio_scsi::feature_change;

    ScsiOnWorkers() {
        must(memory.add(0x100000, 0x400000));
        must(more.add(std::uint64_t{1} << 32, 0x100000));
        workers = must(start_workers(GetParam(), Spin({}),
                                     [](const Error& error) { FAIL() << error.message; }));
        backend = must(ScsiBackend::open(workers, {{0, &unit}}, request_queues));
        for (std::uint16_t i = 0; i < all_queues; ++i)
            queues.push_back(std::make_unique<driver::Queue>(
                i, memory, driver::RingOptions{.size = 64, .event_index = true}));
        start_all();
    }
    ~ScsiOnWorkers() override {
        unit.complete_all();
        for (std::uint16_t i = 0; i < all_queues; ++i) stop(i);
        backend.reset();
    }

    void start_all() {
        must(backend->set_memory(table({&memory}), later()));
        must(backend->set_features(features));
        for (std::uint16_t i = 0; i < all_queues; ++i) start(i);
    }
    void start(std::uint16_t index) {
        if (running.at(index)) return;
        auto made = setup(*queues.at(index), features);
        made.ring.base = bases.at(index);
        made.look_at_once = true;
        must(backend->start_queue(index, made));
        running.at(index) = true;
    }
    void stop(std::uint16_t index) {
        if (!running.at(index)) return;
        bases.at(index) = must(backend->stop_queue(index, later()));
        running.at(index) = false;
        EXPECT_EQ(queues.at(index)->ring.used_index(), bases.at(index))
            << "queue " << index << ": not every chain that was taken completed";
    }

    /// Queues a command and kicks; returns the response's buffer.
    Block send(std::uint16_t queue, std::uint8_t opcode = test_unit_ready, std::uint16_t lun = 0,
               std::uint64_t id = 1) {
        const auto out = memory.allocate(virtio_scsi::head_size, 16);
        std::memset(out.host, 0, out.size);
        const auto address = virtio_scsi::encode_address({0, lun, false});
        std::memcpy(out.host, address.data(), address.size());
        std::memcpy(out.host + 8, &id, sizeof id);
        out.host[virtio_scsi::RequestHeader::size] = std::byte{opcode};
        if (opcode == read_10) out.host[virtio_scsi::RequestHeader::size + 8] = std::byte{1};
        const auto in = memory.allocate(virtio_scsi::response_size + 512);
        EXPECT_TRUE(queues.at(queue)->ring.add(
            std::array{driver::to_device(out), driver::from_device(in)}));
        queues.at(queue)->submit();
        return in;
    }
    static std::uint32_t sense_code(const Block& in) {
        const auto* const sense = in.host + virtio_scsi::ResponseHeader::size;
        return static_cast<std::uint32_t>(sense[2]) << 16 |
               static_cast<std::uint32_t>(sense[12]) << 8 | static_cast<std::uint32_t>(sense[13]);
    }
    static std::uint8_t status(const Block& in) { return static_cast<std::uint8_t>(in.host[10]); }

    /// Queues a function and kicks; returns the response's buffer.
    Block manage(TaskFunction function, std::uint16_t lun = 0, std::uint64_t id = 0) {
        const auto out = memory.allocate(virtio_scsi::TaskManagement::size);
        std::memset(out.host, 0, out.size);
        out.host[4] = static_cast<std::byte>(function);
        const auto address = virtio_scsi::encode_address({0, lun, false});
        std::memcpy(out.host + 8, address.data(), address.size());
        std::memcpy(out.host + 16, &id, sizeof id);
        const auto in = memory.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(
            queues.at(0)->ring.add(std::array{driver::to_device(out), driver::from_device(in)}));
        queues.at(0)->submit();
        return in;
    }
    void wait(std::uint16_t queue) { (void)must(queues.at(queue)->wait_used()); }
    static Response response(const Block& function) {
        return static_cast<Response>(function.host[0]);
    }
    void wait_until_waiting(const ScriptedUnit& at, std::size_t count) {
        while (at.waiting() != count) std::this_thread::yield();
    }

    /// Runs `call` on another thread, as the session would, and completes commands until it
    /// returns.
    void completing(const std::function<void()>& call) {
        auto done = std::async(std::launch::async, call);
        while (done.wait_for(std::chrono::milliseconds{1}) != std::future_status::ready)
            unit.complete_all();
        done.get();
    }

    Block post_event_buffer() {
        const auto in = memory.allocate(Event::size);
        EXPECT_TRUE(queues.at(1)->ring.add(std::array{driver::from_device(in)}));
        queues.at(1)->submit();
        return in;
    }
    static std::uint32_t number(const Block& in, std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, in.host + at, sizeof value);
        return value;
    }

    driver::SharedMemory memory, more;
    ScriptedUnit unit;
    Workers workers;
    std::unique_ptr<ScsiBackend> backend;
    std::vector<std::unique_ptr<driver::Queue>> queues;
    std::array<std::uint16_t, all_queues> bases{};
    std::array<bool, all_queues> running{};
};

}  // namespace zonebridge::service
