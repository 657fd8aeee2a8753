// Requests that a dead server took, and that the disk may have carried out or not: how the next
// server answers them.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/unit/virtio-blk/bench.h"
#include "virtio/inflight.h"

namespace zonebridge::virtio_blk {

class BlkLost : public testing::Test {
  protected:
    static constexpr std::uint16_t size = 16;
    static constexpr std::uint64_t at = zone * Bench::zone_sectors;

    void begin(BlockDevice::Mode mode = {.zoned = true, .write_through = false}) {
        bench.emplace(test::MachineDiskShape{}, mode);
        begin_record();
    }
    void begin_record() {
        auto fd = virtio::InflightArea::make(1, size);
        ASSERT_TRUE(fd) << fd.error();
        auto mapped = virtio::InflightArea::map(fd->get(), 0,
                                                virtio::InflightArea::size_for(1, size), 1, size);
        ASSERT_TRUE(mapped) << mapped.error();
        area = std::move(*mapped);
        pair = std::make_unique<virtio::RingPair>(driver::RingOptions{.size = size}, area.get());
    }
    void lose(std::uint64_t sector, const Bytes& data) { lose_request(blk::out, sector, data, 1); }
    void lose_append(std::uint64_t sector, const Bytes& data) {
        lose_request(blk::append, sector, data, blk::append_tail_linux);
    }
    void lose_action(std::uint32_t type, std::uint64_t sector) {
        lose_request(type, sector, Bytes(100), 1);
    }
    /// The bytes behind an action's header are ignored.
    void lose_request(std::uint32_t type, std::uint64_t sector, const Bytes& data,
                      std::uint32_t tail) {
        const auto head = blk::header(type, sector);
        const auto out = pair->shared.allocate(head.size() + data.size(), 1);
        std::memcpy(out.host, head.data(), head.size());
        std::memcpy(out.host + head.size(), data.data(), data.size());
        const auto in = pair->shared.allocate(tail, 1);
        // The buffers do not split at the end of the header.
        const driver::Buffer chain[] = {
            {out.address, 100, false},
            {out.address + 100, static_cast<std::uint32_t>(out.size - 100), false},
            driver::from_device(in)};
        ASSERT_TRUE(pair->ring->add(chain));
        (void)pair->ring->publish();
        ASSERT_EQ(pair->pop(), virtio::PopResult::chain);
        lost.push_back(in);
    }
    /// The statuses from the next server, in the order in which the requests were taken.
    std::vector<std::uint8_t> recover(virtio::Lost how = virtio::Lost::judge) {
        bench->disk.taken.clear();
        auto again = virtio::VirtQueue::create(*pair->memory, pair->config(area.get()));
        if (!again) throw std::runtime_error(again.error());
        bench->device->attach(1, *again);
        EXPECT_EQ(bench->device->in_flight(1), lost.size());
        EXPECT_TRUE(bench->disk.taken.empty()) << "before all rings are there";
        bench->device->recover(how);
        bench->turn();
        (void)again->publish();
        std::vector<std::uint8_t> statuses;
        for (const auto& in : lost) {
            EXPECT_TRUE(pair->ring->take_used());
            statuses.push_back(static_cast<std::uint8_t>(in.host[in.size - 1]));
        }
        EXPECT_FALSE(bench->device->recovering());
        EXPECT_EQ(bench->device->in_flight(1), 0U);
        bench->device->detach(1);
        return statuses;
    }
    std::size_t taken(Operation operation) const {
        return static_cast<std::size_t>(
            std::count_if(bench->disk.taken.begin(), bench->disk.taken.end(),
                          [&](const auto& one) { return one.operation == operation; }));
    }

    std::optional<Bench> bench;
    std::shared_ptr<const virtio::InflightArea> area;
    std::unique_ptr<virtio::RingPair> pair;
    std::vector<driver::Block> lost;
    /// The sector that the append of that number was answered with.
    std::uint64_t appended(std::size_t number) const {
        std::uint64_t sector = 0;
        std::memcpy(&sector, lost.at(number).host, sizeof sector);
        return sector;
    }

    Bytes data = pattern(8192, 3);
    using Statuses = std::vector<std::uint8_t>;
};

}  // namespace zonebridge::virtio_blk
