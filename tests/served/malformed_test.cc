// Malformed messages and rings end their session; the next session finds the disk unchanged.

#include <chrono>
#include <fcntl.h>
#include <functional>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

using driver::pack;
namespace message = driver::message;

constexpr std::uint32_t late_zone = zone + 1;

void expect_healthy(const ServedDisk& served) {
    Guest guest(served);
    const auto got = must(guest.scsi->read(ServedDisk::lba(zone), 8, ServedDisk::block));
    ASSERT_TRUE(got.good()) << got.text();
    EXPECT_EQ(got.data, bytes_of(4096, 5));
}

struct Fault {
    const char* name;
    std::function<void(Guest&)> act;
};

void raw_chain(Guest& guest, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
               std::uint16_t next) {
    auto& queue = guest.scsi->request(0);
    queue.ring.write_descriptor(0, address, length, flags, next);
    queue.ring.make_available(0);
    queue.kick();
}

const Fault malformed[] = {
    {"an unknown message", [](Guest& guest) { (void)guest.front_end.connection().send(999, {}); }},
    {"half a message",
     [](Guest& guest) {
         const auto bytes = pack(std::uint32_t{1});
         (void)guest.front_end.connection().send_raw(bytes);
         guest.front_end.connection().close();
     }},
    {"an oversized payload",
     [](Guest& guest) {
         const auto bytes = pack(std::uint32_t{5}, std::uint32_t{1}, std::uint32_t{0xFFFFFFFF});
         (void)guest.front_end.connection().send_raw(bytes);
     }},
    {"memory in a descriptor that is not a file",
     [](Guest& guest) {
         int ends[2];
         ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
         (void)guest.front_end.connection().send(
             message::set_mem_table,
             pack(std::uint32_t{1}, std::uint32_t{0}, std::uint64_t{0}, std::uint64_t{4096},
                  std::uint64_t{0}, std::uint64_t{0}),
             std::array{ends[0]});
         ::close(ends[0]);
         ::close(ends[1]);
     }},
    {"memory beyond the end of its file",
     [](Guest& guest) {
         auto region = guest.memory.regions()[0];
         region.size = std::uint64_t{1} << 40;
         (void)guest.front_end.add_region(region);
     }},
    {"memory truncated while in use",
     [](Guest& guest) {
         ASSERT_EQ(::ftruncate(guest.memory.regions()[0].fd, 0), 0);
         guest.scsi->request(0).kick();
     }},
    {"a head out of range",
     [](Guest& guest) {
         auto& queue = guest.scsi->request(0);
         queue.ring.make_available(9999);
         queue.kick();
     }},
    {"an available index far ahead",
     [](Guest& guest) {
         auto& queue = guest.scsi->request(0);
         queue.ring.set_available_index(
             static_cast<std::uint16_t>(queue.ring.available_index() + 1000));
         queue.kick();
     }},
    {"a buffer outside memory",
     [](Guest& guest) { raw_chain(guest, std::uint64_t{1} << 50, 64, 0, 0); }},
    {"a chain with a loop", [](Guest& guest) { raw_chain(guest, 0, 64, 1, 0); }},
    {"a request that is too short", [](Guest& guest) { raw_chain(guest, 0, 8, 0, 0); }},
};

class Malformed : public testing::TestWithParam<Fault> {};

TEST_P(Malformed, EndsOnlyItsSession) {
    ServedDisk served;
    {
        Guest first(served);
        ASSERT_TRUE(must(first.scsi->write(ServedDisk::lba(zone), bytes_of(4096, 5), 512)).good());
    }
    {
        Guest guest(served);
        GetParam().act(guest);
        if (guest.front_end.connection().fd() >= 0) {
            EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
        }
    }
    expect_healthy(served);
    EXPECT_EQ(served.stop(), 0);
}

/// Fills queue 0's ring with commands that take the disk long, waits until the server has taken
/// them all, and makes one more chain available.
void overfill(Guest& guest) {
    auto& queue = guest.scsi->request(0);
    const auto completed = queue.ring.used_index();
    for (std::uint16_t i = 0; i < queue.ring.size(); ++i)
        (void)guest.queue_write(ServedDisk::lba(late_zone) + 8 * i, bytes_of(4096, i));
    guest.scsi->submit();
    const auto limit = std::chrono::steady_clock::now() + driver::patience;
    while (queue.ring.available_event() != queue.ring.available_index() &&
           std::chrono::steady_clock::now() < limit)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    ASSERT_EQ(queue.ring.available_event(), queue.ring.available_index())
        << "the server did not take all chains";
    ASSERT_EQ(queue.ring.used_index(), completed) << "some commands have completed already";
    queue.ring.make_available(0);
    queue.kick();
}

driver::ScsiOptions small_ring() {
    driver::ScsiOptions options;
    options.ring = {.size = 16, .event_index = true, .indirect_entries = 8};
    options.max_transfer = 4096;
    return options;
}

std::vector<std::string> late(const std::string& time) {
    return {"--fault", "zone=" + std::to_string(late_zone) + ",latency=" + time};
}

TEST(MalformedRing, MoreChainsInFlightThanDescriptorsEndTheSession) {
    ServedDisk served(late("1s"), "scsi", {}, ServedDisk::Log::kept);
    {
        Guest guest(served, small_ring());
        ASSERT_NO_FATAL_FAILURE(overfill(guest));
        EXPECT_TRUE(guest.scsi->request(0).wait_error());
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    {
        Guest next(served);
        ASSERT_TRUE(must(next.scsi->write(ServedDisk::lba(zone), bytes_of(4096, 5), 512)).good());
    }
    expect_healthy(served);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("more chains are made available"), std::string::npos);
}

TEST(MalformedRing, MoreChainsInFlightThanDescriptorsDoNotDelayAStop) {
    ServedDisk served(late("1s"));
    Guest guest(served, small_ring());
    ASSERT_NO_FATAL_FAILURE(overfill(guest));
    EXPECT_EQ(served.stop(), 0);
}

// For GoogleTest's messages.
void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

INSTANTIATE_TEST_SUITE_P(Peers, Malformed, testing::ValuesIn(malformed), [](const auto& info) {
    std::string name = info.param.name;
    for (auto& character : name)
        if (character == ' ') character = '_';
    return name;
});

}  // namespace
}  // namespace zonebridge::test
