// A virtio-scsi device whose queues are on two controllers, each with a loop of its own. The test's
// thread turns both loops, one after the other, so that the test decides the order of events. The
// units are mocks that keep commands in flight.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "tests/unit/virtio/ring_pair.h"
#include "transports/ring.h"
#include "virtio-scsi/controller.h"

namespace zonebridge::virtio_scsi {

using driver::Block;
using virtio::number;
using virtio::RingPair;

class TwoWorkers : public testing::Test {
  protected:
    static constexpr std::size_t workers = 2;
    static constexpr std::size_t queue_count = 6;  // control, event and four request queues
    static constexpr std::uint16_t unit_lun = 0;
    static constexpr std::uint16_t other_lun = 3;

    /// A command or function that was sent, and the buffer for its response.
    struct Sent {
        std::uint16_t queue;
        Block in;
    };

    TwoWorkers() {
        std::vector<Controller*> all;
        for (auto& loop : loops) {
            auto made = Ring::create();
            if (!made) throw std::runtime_error(made.error().message);
            loop = std::move(*made);
            const std::array units{Unit{unit_lun, &unit}, Unit{other_lun, &other, true}};
            auto opened = Controller::open(*loop, units);
            if (!opened) throw std::runtime_error(opened.error().message);
            controllers.at(all.size()) = std::move(*opened);
            all.push_back(controllers.at(all.size()).get());
        }
        for (auto* controller : all) {
            controller->join(all);
            controller->set_features(feature_hotplug | feature_change);
        }
        for (std::uint16_t i = 0; i < queue_count; ++i) {
            rings.push_back(std::make_unique<RingPair>(
                driver::RingOptions{.size = 32, .event_index = true, .indirect_entries = 24}));
            worker_of(i).attach(i, *rings[i]->queue);
        }
    }

    Controller& worker_of(std::size_t queue) { return *controllers.at(queue % workers); }

    /// A turn of that worker's loop, which completes requests. It takes no chains: send() and
    /// manage() do.
    void turn(std::size_t worker) {
        auto& controller = *controllers.at(worker);
        ASSERT_TRUE(loops.at(worker)->turn(Loop::Wait::poll));
        controller.complete();
        publish(worker);
        if (controller.published()) publish(worker);
    }
    void publish(std::size_t worker) {
        for (auto i = worker; i < queue_count; i += workers) (void)rings[i]->queue->publish();
    }
    /// Turns both workers often enough for messages between them that lead to further messages.
    void settle() {
        for (int i = 0; i < 8; ++i)
            for (std::size_t worker = 0; worker < workers; ++worker) turn(worker);
    }

    /// Queues a command without letting the worker take it.
    Sent add(std::uint16_t queue, std::uint16_t lun, std::uint64_t id) {
        auto& pair = *rings.at(queue);
        const auto out = pair.shared.allocate(head_size, 1);
        const auto address = encode_address({0, lun, false});
        std::memcpy(out.host, address.data(), address.size());
        std::memcpy(out.host + 8, &id, sizeof id);
        const auto in = pair.shared.allocate(response_size);
        std::memset(in.host, 0xEE, in.size);
        EXPECT_TRUE(pair.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)pair.ring->publish();
        return {queue, in};
    }
    Sent send(std::uint16_t queue, std::uint16_t lun, std::uint64_t id) {
        const auto sent = add(queue, lun, id);
        EXPECT_TRUE(worker_of(queue).take(queue));
        return sent;
    }
    Sent manage(TaskFunction function, std::uint16_t lun = 0, std::uint64_t id = 0) {
        auto& pair = *rings.at(control_queue);
        const auto out = pair.shared.allocate(TaskManagement::size);
        out.host[4] = static_cast<std::byte>(function);
        const auto address = encode_address({0, lun, false});
        std::memcpy(out.host + 8, address.data(), address.size());
        std::memcpy(out.host + 16, &id, sizeof id);
        const auto in = pair.shared.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(pair.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)pair.ring->publish();
        EXPECT_TRUE(worker_of(control_queue).take(control_queue));
        return {control_queue, in};
    }
    /// The function's response, if the driver sees one. Only one function may be in flight.
    std::optional<Response> response(const Sent& function) {
        if (!rings.at(control_queue)->ring->take_used()) return std::nullopt;
        return static_cast<Response>(function.in.host[0]);
    }
    /// The number of commands of that queue that completed since the last call.
    std::size_t answered(std::uint16_t queue) {
        std::size_t count = 0;
        while (rings.at(queue)->ring->take_used()) ++count;
        return count;
    }
    static std::uint8_t status(const Sent& sent) {
        return static_cast<std::uint8_t>(sent.in.host[10]);
    }
    static std::uint8_t additional_code(const Sent& sent) {
        return static_cast<std::uint8_t>(sent.in.host[ResponseHeader::size + 12]);
    }

    Block post_event_buffer() {
        auto& pair = *rings.at(event_queue);
        const auto in = pair.shared.allocate(Event::size);
        std::memset(in.host, 0xEE, in.size);
        EXPECT_TRUE(pair.ring->add(std::array{driver::from_device(in)}));
        (void)pair.ring->publish();
        return in;
    }

    ScriptedUnit unit;
    ScriptedUnit other;
    std::vector<std::unique_ptr<RingPair>> rings;
    std::array<std::unique_ptr<Ring>, workers> loops;
    std::array<std::unique_ptr<Controller>, workers> controllers;
};

}  // namespace zonebridge::virtio_scsi
