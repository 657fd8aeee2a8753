// `zonebridge lun` adds disks to a served controller, removes and reopens them, while a driver has
// commands in flight.

#include <array>
#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

using driver::ScsiAddress;
using driver::ScsiResult;

constexpr std::uint32_t block = ServedDisk::block;
constexpr std::uint64_t zone_blocks = ServedDisk::zone_blocks;
constexpr std::uint16_t lun_queues = 4;

constexpr std::uint32_t power_on = 0x062900;
constexpr std::uint32_t capacity_changed = 0x062A09;
constexpr std::uint32_t inquiry_changed = 0x063F03;
constexpr std::uint32_t luns_changed = 0x063F0E;
constexpr std::uint32_t no_such_unit = 0x052500;

constexpr std::uint64_t f_hotplug = 1 << 1;
constexpr std::uint64_t f_change = 1 << 2;

constexpr std::uint32_t transport_reset = 1;
constexpr std::uint32_t rescan = 1;
constexpr std::uint32_t removed = 2;
constexpr std::uint32_t parameter_change = 3;

/// A server with LUN 0 and a control socket, and another disk to add.
class Luns : public ::testing::Test {
  protected:
    explicit Luns(std::uint64_t features = f_hotplug | f_change)
        : guest_(std::make_unique<Guest>(served, options(), wanted(features))) {
        must(guest().scsi->post_event_buffers(16));
    }

    static driver::ScsiOptions options() {
        driver::ScsiOptions options;
        options.request_queues = lun_queues;
        options.depth = 64;
        return options;
    }
    static driver::Wanted wanted(std::uint64_t features) {
        auto all = Guest::everything();
        all.features |= features;
        return all;
    }

    Guest& guest() { return *guest_; }
    driver::ScsiInitiator& scsi() { return *guest_->scsi; }

    std::vector<std::string> lun(std::vector<std::string> words) const {
        words.insert(words.begin(), "lun");
        words.insert(words.end(), {"--socket", control});
        return words;
    }
    /// Runs `zonebridge lun` while the test goes on.
    std::future<Result> in_background(const std::vector<std::string>& words) const {
        return std::async(std::launch::async, [all = lun(words)] { return zonebridge(all); });
    }

    ScsiResult run(std::uint16_t number, std::vector<std::uint8_t> cdb, std::uint16_t queue = 0) {
        return must(scsi().run({.cdb = std::move(cdb), .address = {0, number}}, queue));
    }
    ScsiResult test_unit_ready(std::uint16_t number, std::uint16_t queue = 0) {
        return run(number, std::vector<std::uint8_t>(6), queue);
    }
    /// Queues a READ(16) of one piece.
    void add_read(std::uint16_t number, std::uint64_t lba, std::uint16_t queue) {
        (void)must(scsi().add({.cdb = driver::cdb16(0x88, 0, lba, piece_blocks),
                               .data_in_length = piece,
                               .address = {0, number}},
                              queue));
    }
    void add_write(std::uint16_t number, std::uint64_t lba, std::uint32_t seed,
                   std::uint16_t queue = 0) {
        const auto data = bytes_of(piece, seed);
        (void)must(scsi().add({.cdb = driver::cdb16(0x8A, 0, lba, piece_blocks),
                               .data_out = data,
                               .address = {0, number}},
                              queue));
    }
    ScsiResult write(std::uint16_t number, std::uint64_t lba, std::uint32_t seed) {
        add_write(number, lba, seed);
        scsi().submit();
        return must(scsi().wait());
    }
    /// The LUNs that REPORT LUNS lists.
    std::vector<int> reported() {
        std::vector<std::uint8_t> bytes(12);
        bytes[0] = 0xA0;
        bytes[8] = 0x08;  // 2048 bytes
        const auto answer = must(scsi().run({.cdb = bytes, .data_in_length = 2048}));
        EXPECT_TRUE(answer.good()) << answer.text();
        std::vector<int> numbers;
        for (std::size_t at = 8; at + 8 <= answer.data.size(); at += 8)
            numbers.push_back(std::to_integer<int>(answer.data[at + 1]));
        return numbers;
    }
    void expect_event(std::uint32_t event, std::uint8_t number, std::uint32_t reason) {
        const auto got = must(scsi().wait_event());
        EXPECT_EQ(got.event, event);
        EXPECT_EQ(got.address, (std::array<std::uint8_t, 8>{1, 0, 0, number, 0, 0, 0, 0}));
        EXPECT_EQ(got.reason, reason) << std::hex << got.reason;
    }

    Disk other;
    const std::string control = other / "control";
    ServedDisk served{{"--control", control, "--queues", "4", "--workers", "2"}};

  private:
    std::unique_ptr<Guest> guest_;
};

TEST_F(Luns, AnAddedLunIsAnnouncedAndAnswersOnEveryQueue) {
    EXPECT_EQ(test_unit_ready(9).sense_code(), no_such_unit);
    done(lun({"add", "9=" + other.path()}));
    expect_event(transport_reset, 9, rescan);
    EXPECT_EQ(reported(), (std::vector{0, 9}));
    EXPECT_EQ(test_unit_ready(9).sense_code(), power_on);
    for (std::uint16_t queue = 0; queue < lun_queues; ++queue)
        EXPECT_TRUE(test_unit_ready(9, queue).good()) << queue;
    EXPECT_TRUE(write(9, 2 * zone_blocks, 1).good());
    EXPECT_TRUE(test_unit_ready(0).good()) << "the other LUN is not affected";
}

TEST_F(Luns, ARemovalIsAnnouncedAndWaitsUntilTheGuestIsIdle) {
    done(lun({"add", "1=" + other.path()}));
    expect_event(transport_reset, 1, rescan);
    (void)test_unit_ready(1);
    auto gone = in_background({"remove", "1"});
    expect_event(transport_reset, 1, removed);
    EXPECT_TRUE(write(1, 2 * zone_blocks, 1).good()) << "the guest can still write";
    EXPECT_EQ(gone.get().status, 0);
    EXPECT_EQ(reported(), (std::vector{0}));
    for (std::uint16_t queue = 0; queue < lun_queues; ++queue)
        EXPECT_EQ(test_unit_ready(1, queue).sense_code(), no_such_unit) << queue;
    EXPECT_TRUE(test_unit_ready(0).good());
    EXPECT_EQ(other.zone(2)["write_pointer"], (8U << 20) + piece) << "flushed and closed";
}

TEST_F(Luns, TheOnlyLunCanBeRemovedAndAddedAgain) {
    ASSERT_TRUE(write(0, 2 * zone_blocks, 1).good());
    done(lun({"remove", "0", "--now"}));
    expect_event(transport_reset, 0, removed);
    EXPECT_EQ(test_unit_ready(0).sense_code(), no_such_unit);
    EXPECT_EQ(reported(), std::vector<int>{});
    done(lun({"add", "0=" + served.disk.path()}));
    expect_event(transport_reset, 0, rescan);
    EXPECT_EQ(test_unit_ready(0).sense_code(), power_on);
    EXPECT_EQ(guest().pointer(2), 2 * zone_blocks + piece_blocks);
}

TEST_F(Luns, WritesInFlightGoOnWhileOtherLunsAreAddedAndRemoved) {
    constexpr std::uint32_t rounds = 24;
    constexpr std::uint32_t batch = 8;
    auto changes = std::async(std::launch::async, [this] {
        for (int i = 0; i < 6; ++i) {
            if (zonebridge(lun({"add", "1=" + other.path()})).status != 0) return false;
            if (zonebridge(lun({"remove", "1", "--now"})).status != 0) return false;
        }
        return true;
    });
    std::uint32_t round = 0;
    for (; changes.wait_for(std::chrono::seconds{0}) != std::future_status::ready; ++round) {
        if (round == rounds) {
            ASSERT_TRUE(must(scsi().zone_action(4, 0, true)).good());  // resets all
            round = 0;
        }
        for (std::uint16_t queue = 0; queue < lun_queues; ++queue) {
            for (std::uint32_t i = 0; i < batch; ++i)
                add_write(0, (2 + queue) * zone_blocks + (round * batch + i) * piece_blocks,
                          round * batch + i, queue);
            scsi().submit(queue);
        }
        for (std::uint16_t queue = 0; queue < lun_queues; ++queue)
            for (std::uint32_t i = 0; i < batch; ++i) {
                const auto result = must(scsi().wait(queue));
                ASSERT_TRUE(result.good()) << result.text();
            }
    }
    EXPECT_TRUE(changes.get());
    for (std::uint16_t queue = 0; queue < lun_queues; ++queue)
        EXPECT_EQ(guest().pointer(2 + queue),
                  (2 + queue) * zone_blocks + round * batch * piece_blocks);
}

TEST_F(Luns, ARemovalDuringWritesCompletesAllAndKeepsTheSuccessfulOnes) {
    done(lun({"add", "1=" + other.path()}));
    for (int turn = 0; turn < 3; ++turn) {
        if (turn != 0) done(lun({"add", "1=" + other.path()}));
        (void)test_unit_ready(1);
        const auto zone = static_cast<std::uint32_t>(2 + turn);
        std::uint32_t good = 0;
        std::uint32_t sent = 0;
        auto gone = in_background({"remove", "1", "--now"});
        bool refused = false;
        while (!refused && sent < zone_blocks / piece_blocks) {
            for (int i = 0; i < 16; ++i, ++sent)
                add_write(1, zone * zone_blocks + sent * piece_blocks, sent);
            scsi().submit();
            for (int i = 0; i < 16; ++i) {
                const auto result = must(scsi().wait());
                if (result.good()) {
                    ASSERT_FALSE(refused) << "a write succeeded after the removal";
                    ++good;
                    continue;
                }
                ASSERT_EQ(result.sense_code(), no_such_unit) << result.text();
                refused = true;
            }
        }
        EXPECT_EQ(gone.get().status, 0);
        EXPECT_EQ(test_unit_ready(1).sense_code(), no_such_unit);
        const auto state = other.zone(zone);
        if (good < zone_blocks / piece_blocks) {
            EXPECT_EQ(state["write_pointer"], (zone * zone_blocks + good * piece_blocks) * block);
        } else {
            EXPECT_EQ(state["state"], "full");
        }
        if (good != 0) {
            EXPECT_EQ(
                done({"read", other.path(), "--offset",
                      std::to_string((zone * zone_blocks + (good - 1) * piece_blocks) * block),
                      "--length", std::to_string(piece)}),
                pattern(piece, good - 1));
        }
    }
}

TEST_F(Luns, ARefreshDuringReadsCompletesAllOfThem) {
    done(lun({"add", "1=" + other.path()}));
    (void)test_unit_ready(1);
    ASSERT_TRUE(write(1, 2 * zone_blocks, 7).good());
    auto refreshed = std::async(std::launch::async, [this] {
        for (int i = 0; i < 5; ++i)
            if (zonebridge(lun({"refresh", "1"})).status != 0) return false;
        return true;
    });
    std::uint32_t attentions = 0;
    while (refreshed.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
        for (std::uint16_t queue = 0; queue < lun_queues; ++queue) {
            for (int i = 0; i < 8; ++i) add_read(1, 2 * zone_blocks, queue);
            scsi().submit(queue);
        }
        for (std::uint16_t queue = 0; queue < lun_queues; ++queue)
            for (int i = 0; i < 8; ++i) {
                const auto result = must(scsi().wait(queue));
                if (!result.good()) {
                    ASSERT_EQ(result.sense_code(), power_on) << result.text();
                    ++attentions;
                    continue;
                }
                ASSERT_EQ(result.data, bytes_of(piece, 7));
            }
    }
    EXPECT_TRUE(refreshed.get());
    EXPECT_LE(attentions, 5U) << "at most one for each refresh";
    // The attention is not lost: without commands in flight, the next command gets it.
    done(lun({"refresh", "1"}));
    EXPECT_EQ(test_unit_ready(1).sense_code(), power_on);
    EXPECT_TRUE(test_unit_ready(1).good());
    EXPECT_EQ(reported(), (std::vector{0, 1}));
}

TEST_F(Luns, ADiskThatGrewIsReportedByEvents) {
    write_file(other / "file", std::string(1 << 20, 'x'));
    done(lun({"add", "1=block:" + (other / "file")}));
    expect_event(transport_reset, 1, rescan);
    (void)test_unit_ready(1);
    std::filesystem::resize_file(other / "file", 2 << 20);
    done(lun({"refresh", "1"}));
    // The size of a plain file is part of its identity.
    expect_event(parameter_change, 1, 0x3F | 0x03 << 8);
    expect_event(parameter_change, 1, 0x2A | 0x09 << 8);
    EXPECT_EQ(test_unit_ready(1).sense_code(), power_on);
    std::vector<std::uint8_t> capacity(10);
    capacity[0] = 0x25;
    auto answer = must(scsi().run({.cdb = capacity, .data_in_length = 8, .address = {0, 1}}));
    while (answer.sense_code() == capacity_changed || answer.sense_code() == inquiry_changed)
        answer = must(scsi().run({.cdb = capacity, .data_in_length = 8, .address = {0, 1}}));
    ASSERT_TRUE(answer.good()) << answer.text();
    EXPECT_EQ(answer.data[2], std::byte{((2 << 20) / 512 - 1) >> 8});
}

TEST_F(Luns, ADiskThatCannotBeReopenedIsRemoved) {
    write_file(other / "file", std::string(1 << 20, 'x'));
    done(lun({"add", "1=block:" + (other / "file")}));
    expect_event(transport_reset, 1, rescan);
    std::filesystem::remove(other / "file");
    EXPECT_NE(failed(lun({"refresh", "1"})).find("LUN 1 was removed"), std::string::npos);
    expect_event(transport_reset, 1, removed);
    EXPECT_EQ(test_unit_ready(1).sense_code(), no_such_unit);
    EXPECT_TRUE(test_unit_ready(0).good());
}

class LunsWithoutEvents : public Luns {
  protected:
    LunsWithoutEvents() : Luns(0) {}
};

TEST_F(LunsWithoutEvents, ChangesOfLunsAreReportedByUnitAttentions) {
    done(lun({"add", "1=" + other.path()}));
    EXPECT_EQ(test_unit_ready(0).sense_code(), luns_changed);
    EXPECT_TRUE(test_unit_ready(0).good());
    EXPECT_EQ(reported(), (std::vector{0, 1}));
    done(lun({"remove", "1", "--now"}));
    EXPECT_EQ(test_unit_ready(0).sense_code(), luns_changed);
    EXPECT_TRUE(test_unit_ready(0).good());
}

TEST_F(Luns, AStopDuringWritesToTwoLunsLeavesBothClean) {
    done(lun({"add", "1=" + other.path()}));
    (void)test_unit_ready(1);
    for (std::uint32_t i = 0; i < 24; ++i) {
        add_write(0, 2 * zone_blocks + i * piece_blocks, i, 0);
        add_write(1, 2 * zone_blocks + i * piece_blocks, i, 1);
    }
    scsi().submit(0);
    scsi().submit(1);
    EXPECT_EQ(served.stop(), 0);
    // The writes that were taken were completed in the order in which they were sent, so there are
    // no holes.
    for (const auto* disk : {&served.disk, &other}) {
        const auto written =
            disk->zone(2)["write_pointer"].get<std::uint64_t>() - 2 * zone_blocks * block;
        ASSERT_EQ(written % piece, 0U);
        for (std::uint32_t i = 0; i < written / piece; ++i)
            EXPECT_EQ(done({"read", disk->path(), "--offset",
                            std::to_string(2 * zone_blocks * block + i * piece), "--length",
                            std::to_string(piece)}),
                      pattern(piece, i));
        done({"reset", disk->path(), "--all"});  // no process holds the disk
    }
}

TEST_F(Luns, AStopDuringARemovalDoesNotWaitForTheGuest) {
    done(lun({"add", "1=" + other.path()}));
    expect_event(transport_reset, 1, rescan);
    auto gone = in_background({"remove", "1"});
    expect_event(transport_reset, 1, removed);
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(gone.get().status, 0) << "the remove command still gets its answer";
    done({"reset", other.path(), "--all"});
}

TEST_F(Luns, FlushedDataOfSeveralLunsSurviveAKilledServer) {
    done(lun({"add", "1=" + other.path()}));
    (void)test_unit_ready(1);
    for (std::uint32_t i = 0; i < 4; ++i)
        for (std::uint16_t number : {0, 1})
            ASSERT_TRUE(write(number, 2 * zone_blocks + i * piece_blocks, i).good());
    std::vector<std::uint8_t> flush(10);
    flush[0] = 0x35;
    for (std::uint16_t number : {0, 1}) ASSERT_TRUE(run(number, flush).good());
    for (std::uint32_t i = 4; i < 20; ++i)
        for (std::uint16_t number : {0, 1})
            add_write(number, 2 * zone_blocks + i * piece_blocks, i, number);
    scsi().submit(0);
    scsi().submit(1);
    served.kill();
    served.start();
    EXPECT_EQ(json_of(lun({"list", "--json"}))["luns"].size(), 1U)
        << "added LUNs do not outlive the server";
    done(lun({"add", "1=" + other.path()}));
    Guest next(served, options(), wanted(f_hotplug | f_change));
    for (std::uint16_t number : {0, 1}) {
        (void)must(next.scsi->run({.cdb = std::vector<std::uint8_t>(6), .address = {0, number}}));
        for (std::uint32_t i = 0; i < 4; ++i) {
            const auto got = must(next.scsi->run(
                {.cdb = driver::cdb16(0x88, 0, 2 * zone_blocks + i * piece_blocks, piece_blocks),
                 .data_in_length = piece,
                 .address = {0, number}}));
            ASSERT_TRUE(got.good()) << got.text();
            EXPECT_EQ(got.data, bytes_of(piece, i));
        }
    }
}

}  // namespace
}  // namespace zonebridge::test
