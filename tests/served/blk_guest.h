// A virtio-blk driver's session with a served disk, negotiated and running.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include <gtest/gtest.h>

#include "tests/driver/blk.h"
#include "tests/served/served_disk.h"

namespace zonebridge::test {

namespace blk = driver::blk;

inline constexpr std::uint32_t piece_sectors = piece / 512;
inline constexpr std::uint64_t zoned_driver =
    blk::f_zoned | blk::f_flush | blk::f_mq | blk::f_config_wce;

class BlkGuest {
  public:
    /// `features`: device features to accept, in addition to the ring features.
    explicit BlkGuest(const ServedDisk& served, std::uint64_t features = zoned_driver,
                      const driver::BlkOptions& options = {})
        : BlkGuest(served, wanted(features), options) {}

    BlkGuest(const ServedDisk& served, const driver::Wanted& wanted,
             const driver::BlkOptions& options)
        : BlkGuest(served.socket(), wanted, options) {}
    BlkGuest(const std::string& socket, const driver::Wanted& wanted,
             const driver::BlkOptions& options)
        : front_end(must(driver::Connection::to(socket))) {
        const auto size = (driver::BlkInitiator::memory_needed(options) + 0x3FFFFF) & ~0x1FFFFFull;
        must(memory.add(0, size));
        must(front_end.negotiate(wanted));
        must(front_end.share(memory));
        must(front_end.keep_record(options.queues, options.ring.size));
        blk.emplace(must(driver::BlkInitiator::start(front_end, memory, options)));
    }

    static driver::Wanted wanted(std::uint64_t features) {
        auto all = Guest::everything();
        all.features |= features;
        return all;
    }

    /// Goes on with the next server, with the first `queues` queues.
    void resume(const ServedDisk& served, std::size_t queues = 256) {
        resume(served.socket(), queues);
    }
    void resume(const std::string& socket, std::size_t queues = 256) {
        must(front_end.resume(must(driver::Connection::to(socket)), memory, queues));
    }

    std::uint64_t number(std::uint32_t offset, std::uint32_t width) {
        const auto bytes = must(front_end.config(offset, width));
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data(), width);
        return value;
    }
    std::uint64_t pointer(std::uint32_t zone_number) {
        return must(blk->report(ServedDisk::lba(zone_number), 128)).at(0).write_pointer;
    }
    /// Submits `count` consecutive writes from `sector` on to `queue`: the n-th has
    /// bytes_of(piece, first_seed + n).
    void submit_writes(std::uint64_t sector, std::uint32_t count, std::uint16_t queue = 0,
                       std::uint32_t first_seed = 0) {
        for (std::uint32_t i = 0; i < count; ++i)
            must(blk->add({.type = blk::out,
                           .sector = sector + i * piece_sectors,
                           .data_out = bytes_of(piece, first_seed + i)},
                          queue));
        blk->submit(queue);
    }
    void expect_ok(std::uint16_t queue, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto result = must(blk->wait(queue));
            ASSERT_TRUE(result.ok()) << "queue " << queue << ": " << int{result.status};
        }
    }
    void expect_pieces(std::uint32_t zone_number, std::uint32_t first_seed, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto got =
                must(blk->read(ServedDisk::lba(zone_number) + i * piece_sectors, piece));
            ASSERT_TRUE(got.ok()) << int{got.status};
            ASSERT_EQ(got.data, bytes_of(piece, first_seed + i))
                << "zone " << zone_number << " piece " << i;
        }
    }

    driver::SharedMemory memory;
    driver::FrontEnd front_end;
    std::optional<driver::BlkInitiator> blk;
};

}  // namespace zonebridge::test
