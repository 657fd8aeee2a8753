// Valid but unusual front ends: another order of messages, call descriptors that are set late,
// replaced while requests complete, or not used at all.

#include <array>
#include <chrono>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

namespace message = driver::message;
using driver::pack;

constexpr std::uint16_t blk_queues = 4;
constexpr std::uint64_t no_fd = 1u << 8;

std::vector<std::string> three_workers() {
    return {"--queues", "4", "--workers", "3"};
}

driver::BlkOptions options() {
    return {.queues = blk_queues, .max_transfer = 1u << 18, .depth = 32};
}

/// A completion, found by polling the used ring.
driver::Used polled(driver::Queue& queue) {
    const auto deadline = std::chrono::steady_clock::now() + driver::patience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (const auto used = queue.ring.take_used()) return *used;
        std::this_thread::yield();
    }
    throw std::runtime_error("no completion in time");
}

/// The buffers of a flush: a header and a status byte.
std::array<driver::Buffer, 2> flush_in(driver::SharedMemory& memory) {
    const auto head = memory.allocate(16, 64);
    const auto bytes = blk::header(blk::flush, 0);
    std::copy(bytes.begin(), bytes.end(), head.host);
    return {driver::to_device(head), driver::from_device(memory.allocate(1))};
}

TEST(FrontEnds, ACallDescriptorThatIsSetLateGetsAMissedCall) {
    ServedDisk served(three_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options());
    for (std::uint16_t index = 0; index < blk_queues; ++index) {
        auto& queue = guest.blk->queue(index);
        must(guest.front_end.tell(message::set_vring_call, pack(std::uint64_t{index} | no_fd)));
        ASSERT_FALSE(queue.ring.arm());
        ASSERT_TRUE(queue.ring.add(flush_in(guest.memory)));
        (void)queue.called();  // clears the call from when the descriptor was first set
        const std::array fds{queue.call_fd};
        const auto before = queue.ring.used_index();
        queue.submit();
        const auto deadline = std::chrono::steady_clock::now() + driver::patience;
        while (queue.ring.used_index() == before && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        EXPECT_FALSE(queue.called());
        must(guest.front_end.tell(message::set_vring_call, pack(std::uint64_t{index}), fds));
        EXPECT_TRUE(queue.wait_call()) << "a completion was published without a call";
        EXPECT_TRUE(queue.ring.take_used());
        must(queue.run(flush_in(guest.memory)));
    }
}

// QEMU replaces the call descriptor by one of its own to mask a vector or to emulate INTx.
TEST(FrontEnds, NoCallIsLostWhileCallDescriptorsAreReplaced) {
    ServedDisk served(three_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options());
    std::array<int, blk_queues> spare{};
    for (auto& fd : spare) fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (std::uint32_t round = 0; round < 150; ++round) {
        for (std::uint16_t index = 0; index < blk_queues; ++index)
            guest.submit_writes(ServedDisk::lba(zone + index) + round * piece_sectors, 1, index,
                                round);
        for (std::uint16_t index = 0; index < blk_queues; ++index) {
            auto& queue = guest.blk->queue(index);
            // From here on the test ignores the old descriptor and its count, like those of a
            // masked vector.
            std::swap(queue.call_fd, spare[index]);
            const std::array fds{queue.call_fd};
            must(guest.front_end.tell(message::set_vring_call, pack(std::uint64_t{index}), fds));
        }
        for (std::uint16_t index = 0; index < blk_queues; ++index) guest.expect_ok(index, 1);
    }
    for (std::uint16_t index = 0; index < blk_queues; ++index)
        guest.expect_pieces(zone + index, 0, 150);
    for (const int fd : spare) ::close(fd);
}

// A guest with INTx has one interrupt line, so all queues share one eventfd, whichever worker runs
// them.
TEST(FrontEnds, AllQueuesMayShareOneCallDescriptor) {
    ServedDisk served(three_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options());
    const auto& line = guest.blk->queue(0);
    for (std::uint16_t index = 0; index < blk_queues; ++index) {
        const std::array fds{line.call_fd};
        must(guest.front_end.tell(message::set_vring_call, pack(std::uint64_t{index}), fds));
    }
    std::uint32_t completed = 0;
    for (std::uint32_t round = 0; round < 50; ++round) {
        for (std::uint16_t index = 0; index < blk_queues; ++index)
            guest.submit_writes(ServedDisk::lba(zone + index) + round * 4 * piece_sectors, 4, index,
                                round * 4);
        for (int left = 4 * blk_queues; left != 0;) {
            // Like an interrupt handler: looks at every queue and arms it, whichever raised the
            // line.
            bool more = false;
            for (std::uint16_t index = 0; index < blk_queues; ++index) {
                auto& ring = guest.blk->queue(index).ring;
                while (guest.blk->queue(index).ring.in_flight() != 0) {
                    if (ring.used_index() ==
                        static_cast<std::uint16_t>(ring.available_index() - ring.in_flight()))
                        break;
                    ASSERT_TRUE(must(guest.blk->wait(index)).ok());
                    --left;
                    ++completed;
                }
                more = ring.arm() || more;
            }
            if (left != 0 && !more) {
                ASSERT_TRUE(line.wait_call()) << "no call for " << left;
            }
        }
    }
    EXPECT_EQ(completed, 50U * 4 * blk_queues);
    for (std::uint16_t index = 0; index < blk_queues; ++index)
        guest.expect_pieces(zone + index, 0, 200);
}

TEST(FrontEnds, APollingDriverGetsNoCallsAndEveryCompletion) {
    for (const auto features : {driver::bit::event_index, std::uint64_t{0}}) {
        ServedDisk served(three_workers(), "blk");
        auto wanted = BlkGuest::wanted(zoned_driver);
        wanted.features &= ~driver::bit::event_index;
        wanted.features |= features;
        BlkGuest guest(served, wanted, options());
        const auto chain = flush_in(guest.memory);
        for (std::uint16_t index = 0; index < blk_queues; ++index) {
            auto& queue = guest.blk->queue(index);
            (void)queue.called();
            queue.ring.disarm();
            for (int i = 0; i < 100; ++i) {
                ASSERT_TRUE(queue.ring.add(chain));
                queue.submit();
                (void)polled(queue);
            }
            if (features == 0) {
                EXPECT_FALSE(queue.called());
            }
        }
    }
}

TEST(FrontEnds, AQueueWithoutAKickDescriptorIsPolledBesideOthers) {
    ServedDisk served(three_workers(), "blk");
    BlkGuest guest(served, zoned_driver, options());
    must(guest.front_end.tell(message::set_vring_kick, pack(std::uint64_t{1} | no_fd)));
    for (std::uint32_t i = 0; i < 50; ++i) {
        for (std::uint16_t index = 0; index < blk_queues; ++index) {
            must(guest.blk->add({.type = blk::out,
                                 .sector = ServedDisk::lba(zone + index) + i * piece_sectors,
                                 .data_out = bytes_of(piece, i)},
                                index));
            if (index == 1)
                (void)guest.blk->queue(index).ring.publish();
            else
                guest.blk->submit(index);
        }
        for (std::uint16_t index = 0; index < blk_queues; ++index) guest.expect_ok(index, 1);
    }
    for (std::uint16_t index = 0; index < blk_queues; ++index)
        guest.expect_pieces(zone + index, 0, 50);
}

// Messages in the order of crosvm's source: the owner before the features, which are set in two
// steps; four protocol features; no requests for acknowledgement; no error descriptors; only the
// queues that the guest uses.
TEST(FrontEnds, CrosvmsOrderOfMessagesIsAccepted) {
    ServedDisk served({"--queues", "6", "--workers", "2"}, "blk");
    driver::FrontEnd front_end(must(driver::Connection::to(served.socket())));
    auto& connection = front_end.connection();
    const auto send = [&](std::uint32_t request, const driver::Bytes& payload = {},
                          std::span<const int> fds = {}) {
        must(connection.send(request, payload, fds));
    };
    send(message::set_owner);
    const auto offered = must(front_end.ask(message::get_features));
    ASSERT_NE(offered & blk::f_zoned, 0U);
    const auto protocol = must(front_end.ask(message::get_protocol_features));
    const auto accepted = driver::bit::p_config | driver::bit::p_mq | driver::bit::p_backend_req |
                          driver::bit::p_reply_ack;
    ASSERT_EQ(protocol & accepted, accepted);
    send(message::set_protocol_features, pack(accepted));
    std::array<int, 2> back{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, back.data()), 0);
    send(message::set_backend_req_fd, {}, std::array{back[1]});
    ::close(back[1]);
    EXPECT_EQ(must(front_end.ask(message::get_queue_num)), 6U);

    // crosvm forwards each read of the configuration, with the guest's offset and width.
    const auto whole = must(front_end.config(0, blk::config_bytes));
    for (std::uint32_t offset = 0; offset < blk::config_bytes; ++offset) {
        for (const std::uint32_t width : {1U, 2U, 4U, 8U}) {
            if (offset + width > blk::config_bytes) continue;
            const auto part = must(front_end.config(offset, width));
            ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + offset))
                << width << " at " << offset;
        }
    }

    const auto features = driver::bit::version_1 | driver::bit::protocol_features |
                          driver::bit::event_index | driver::bit::indirect | zoned_driver;
    driver::SharedMemory memory;
    must(memory.add(0, 8u << 20));
    std::uint32_t done = 0;
    for (int boot = 0; boot < 3; ++boot) {  // a guest that reboots keeps the connection
        send(message::set_features, pack(features & 0xFFFFFFFFu));
        send(message::set_features, pack(features));
        const auto& region = memory.regions()[0];
        send(message::set_mem_table,
             pack(std::uint32_t{1}, std::uint32_t{0}, region.guest_address, region.size,
                  static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(region.host)),
                  region.mmap_offset),
             std::array{region.fd});
        memory.reset();
        std::vector<std::unique_ptr<driver::Queue>> rings;
        for (const std::uint16_t index : {0, 1, 2, 3}) {
            auto& queue = *rings.emplace_back(std::make_unique<driver::Queue>(
                index, memory,
                driver::RingOptions{.size = 256, .event_index = true, .indirect_entries = 8}));
            const std::uint32_t number = index;
            send(message::set_vring_num, pack(number, std::uint32_t{256}));
            send(message::set_vring_addr,
                 pack(number, std::uint32_t{0}, queue.ring.descriptors_address(),
                      queue.ring.used_address(), queue.ring.available_address(), std::uint64_t{0}));
            send(message::set_vring_base, pack(number, std::uint32_t{0}));
            send(message::set_vring_call, pack(std::uint64_t{index}), std::array{queue.call_fd});
            send(message::set_vring_kick, pack(std::uint64_t{index}), std::array{queue.kick_fd});
            send(message::set_vring_enable, pack(number, std::uint32_t{1}));
        }
        for (int i = 0; i < 8; ++i) {
            for (const auto& queue : rings) {
                const auto head = memory.allocate(16, 64);
                const auto request = blk::header(blk::append, ServedDisk::lba(zone));
                std::copy(request.begin(), request.end(), head.host);
                const auto data = memory.allocate(4096, 4096);
                const auto tail = memory.allocate(blk::append_tail_linux);
                const std::array chain{driver::to_device(head), driver::to_device(data),
                                       driver::from_device(tail)};
                must(queue->run(chain));
                ASSERT_EQ(tail.host[blk::append_tail_linux - 1], std::byte{blk::ok});
                std::uint64_t sector = 0;
                std::memcpy(&sector, tail.host, sizeof sector);
                EXPECT_EQ(sector, ServedDisk::lba(zone) + 8 * done++);
            }
        }
        for (const auto& queue : rings) {
            send(message::set_vring_enable, pack(std::uint32_t{queue->index}, std::uint32_t{0}));
            EXPECT_EQ(must(front_end.stop(queue->index)), 8U);
        }
    }
    ::close(back[0]);
}

}  // namespace
}  // namespace zonebridge::test
