// A test bench: the device between a driver's ring and a disk in memory, on one thread. Only the
// kernel is missing.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/blk.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/virtio/ring_pair.h"
#include "virtio-blk/config.h"
#include "virtio-blk/device.h"

namespace zonebridge::virtio_blk {

namespace blk = driver::blk;
using Bytes = std::vector<std::byte>;

inline Bytes pattern(std::size_t size, unsigned seed = 1) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(seed * 37 + i * 11 + i / 251);
    return bytes;
}

/// A response, with all bytes that the device may write.
struct Answer {
    std::uint8_t status = 0xEE;
    Bytes data;
    std::uint64_t append_sector = 0;
    std::uint32_t used_length = 0;
};

class Bench {
  public:
    static constexpr std::uint64_t zone_sectors = 128;  // 64 KiB
    static constexpr std::uint32_t first_sequential = 2;

    explicit Bench(const test::MachineDiskShape& shape = {},
                   BlockDevice::Mode mode = {.zoned = true, .write_through = false},
                   Support append = Support::emulated)
        : disk(with_append(shape, append)), config(make_config(disk.limits(), 1)) {
        open(mode);
        device->attach(0, *ring.queue);
    }

    void open(BlockDevice::Mode mode) {
        auto opened = BlockDevice::open(
            loop, disk, {.id = "ZB-0001", .max_append = config.max_append_sectors * sector_size});
        if (!opened) throw std::runtime_error(opened.error().message);
        device = std::move(*opened);
        device->set_mode(mode);
    }

    static std::uint64_t sector(std::uint32_t zone) { return zone * zone_sectors; }

    struct Queued {
        driver::Block in;  // data and tail
        std::uint32_t data_length;
        std::uint32_t tail;
        std::uint16_t head;
    };
    /// Puts a request on the ring without a turn of the device. `cut_out` and `cut_in`, if not 0,
    /// are the offsets where the readable and the writable bytes are split into two buffers.
    Queued add(const driver::BlkRequest& request, std::size_t cut_out = 0, std::size_t cut_in = 0) {
        const auto head = blk::header(request.type, request.sector);
        const auto out = ring.shared.allocate(head.size() + request.data_out.size(), 1);
        std::memcpy(out.host, head.data(), head.size());
        if (!request.data_out.empty())
            std::memcpy(out.host + head.size(), request.data_out.data(), request.data_out.size());
        const auto in = ring.shared.allocate(request.data_in_length + request.tail, 1);
        std::memset(in.host, 0xEE, in.size);
        std::vector<driver::Buffer> chain;
        const auto push = [&](const driver::Block& block, std::size_t cut, bool writes) {
            const auto piece = [&](std::size_t from, std::size_t to) {
                if (from != to)
                    chain.push_back(
                        {block.address + from, static_cast<std::uint32_t>(to - from), writes});
            };
            piece(0, cut);
            piece(cut, block.size);
        };
        push(out, cut_out == 0 ? head.size() : cut_out, false);
        push(in, cut_in == 0 ? request.data_in_length : cut_in, true);
        const auto at = ring.ring->add(chain);
        if (!at) throw std::runtime_error("the ring is full");
        (void)ring.ring->publish();
        return {in, request.data_in_length, request.tail, *at};
    }

    static Answer answer_of(const Queued& queued, std::uint32_t used_length) {
        Answer answer;
        answer.used_length = used_length;
        answer.status = static_cast<std::uint8_t>(queued.in.host[queued.in.size - 1]);
        answer.data.assign(queued.in.host, queued.in.host + queued.data_length);
        if (queued.tail >= blk::append_tail)
            std::memcpy(&answer.append_sector, queued.in.host + queued.data_length, 8);
        return answer;
    }

    /// Lets the device take the available requests and complete what it can.
    void turn() {
        (void)device->take(0);
        do {
            (void)loop.turn(Loop::Wait::poll);
            device->complete();
        } while (loop.ready() && ++turns_ % 1024 != 0);
        (void)ring.queue->publish();
    }

    Answer run(const driver::BlkRequest& request, std::size_t cut_out = 0, std::size_t cut_in = 0) {
        const auto queued = add(request, cut_out, cut_in);
        turn();
        const auto used = ring.ring->take_used();
        EXPECT_TRUE(used) << "no completion of a request of type " << request.type;
        return used ? answer_of(queued, used->length) : Answer{};
    }
    std::uint8_t act(std::uint32_t type, std::uint64_t sector) {
        return run({.type = type, .sector = sector}).status;
    }
    std::uint8_t write(std::uint64_t sector, const Bytes& data) {
        return run({.type = blk::out, .sector = sector, .data_out = data}).status;
    }
    Answer append(std::uint64_t sector, const Bytes& data,
                  std::uint32_t tail = blk::append_tail_linux) {
        return run({.type = blk::append, .sector = sector, .data_out = data, .tail = tail});
    }
    Answer read(std::uint64_t sector, std::uint32_t length) {
        return run({.type = blk::in, .sector = sector, .data_in_length = length});
    }

    test::HandLoop loop;
    test::MachineDisk disk;
    Config config;
    virtio::RingPair ring{{.size = 64, .event_index = true, .indirect_entries = 24}};
    std::unique_ptr<BlockDevice> device;

  private:
    static test::MachineDiskShape with_append(test::MachineDiskShape shape, Support append) {
        shape.append = append;
        return shape;
    }

    unsigned turns_ = 0;
};

/// The zone of most tests.
inline constexpr std::uint32_t zone = Bench::first_sequential;

}  // namespace zonebridge::virtio_blk
