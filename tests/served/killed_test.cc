// The server is killed at any instant under drivers that remember what they were told: the answers stay
// true.

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/served/lasting.h"

namespace zonebridge::test {
namespace {

/// The number of kills in each of the tests below.
unsigned kills() {
    const char* const wanted = std::getenv("ZONEBRIDGE_KILLS");
    return wanted == nullptr ? 25 : static_cast<unsigned>(std::stoul(wanted));
}

void sleep_a_little(std::minstd_rand& random) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
}

/// The zones that a driver believes to have: what it was told is what is there.
class ModelZones {
  public:
    /// Seeds of the pieces in a zone; full: finished.
    struct Written {
        std::vector<std::uint32_t> pieces;
        bool full = false;
    };
    enum class Step : std::uint8_t { write, finish, reset };

    /// The next step of a zone: mostly writes, sometimes a finish, and a reset when it is full.
    Step next(std::uint64_t key, std::minstd_rand& random) {
        const auto& its = zones_[key];
        if (its.full || its.pieces.size() >= 12) return Step::reset;
        return its.pieces.size() > 4 && random() % 4 == 0 ? Step::finish : Step::write;
    }
    /// The step was answered as done.
    void done(std::uint64_t key, Step step, std::uint32_t seed) {
        auto& its = zones_[key];
        if (step == Step::write) its.pieces.push_back(seed);
        if (step == Step::finish) its.full = true;
        if (step == Step::reset) its = {};
    }
    Written& operator[](std::uint64_t key) { return zones_[key]; }

  private:
    std::map<std::uint64_t, Written> zones_;
};

/// A virtio-blk driver without flushes, whose answers are promises, on four queues. Each of six
/// zones has one write or action in flight, one zone up to four appends.
class KilledBlk {
  public:
    static constexpr std::uint32_t step_zones = 6, append_zone = zone + step_zones;

    void submit() {
        for (std::uint32_t number = zone; number < zone + step_zones; ++number) {
            const auto at = ServedDisk::lba(number);
            const auto step = model.next(number, random);
            driver::BlkRequest request{.type = blk::out};
            const auto data = bytes_of(piece, ++seed);
            request.sector = at;
            if (step == ModelZones::Step::write) {
                request.sector += model[number].pieces.size() * piece_sectors;
                request.data_out = data;
            } else {
                request.type = step == ModelZones::Step::finish ? blk::finish : blk::reset;
            }
            add(request, {number, step, seed});
        }
        for (int i = 0; i < 4; ++i) {
            const auto data = bytes_of(piece, ++seed);
            add({.type = blk::append,
                 .sector = ServedDisk::lba(append_zone),
                 .data_out = data,
                 .tail = blk::append_tail_linux},
                {append_zone, ModelZones::Step::write, seed});
        }
        for (std::uint16_t queue = 0; queue < lasting_queues; ++queue) guest.blk->submit(queue);
    }
    void take_answers() {
        for (std::uint16_t queue = 0; queue < lasting_queues; ++queue) {
            for (; left.at(queue) != 0; --left.at(queue)) {
                const auto answer = must(guest.blk->wait(queue));
                const auto sent = in_flight.extract(answer.id).mapped();
                if (sent.zone_number != append_zone) {
                    ASSERT_EQ(answer.status, blk::ok) << "zone " << sent.zone_number;
                    model.done(sent.zone_number, sent.step, sent.seed);
                } else if (answer.ok()) {
                    ASSERT_TRUE(placed.emplace(answer.append_sector, sent.seed).second);
                } else {
                    ASSERT_EQ(answer.status, blk::io_error);
                    unplaced.insert(sent.seed);
                    ++errors;
                }
            }
        }
    }
    void restart() {
        served.kill();
        served.start();
        guest.resume(served);
    }
    void check() {
        for (std::uint32_t number = zone; number < zone + step_zones; ++number) {
            const auto& its = model[number];
            if (!its.full) {
                ASSERT_EQ(guest.pointer(number),
                          ServedDisk::lba(number) + its.pieces.size() * piece_sectors);
            }
            for (std::size_t i = 0; i < its.pieces.size(); ++i)
                ASSERT_EQ(
                    must(guest.blk->read(ServedDisk::lba(number) + i * piece_sectors, piece)).data,
                    bytes_of(piece, its.pieces[i]))
                    << "zone " << number << " piece " << i;
        }
        // Every append that was answered is where the answer said, and every other at most once.
        const auto start = ServedDisk::lba(append_zone);
        const auto end = guest.pointer(append_zone);
        std::set<std::uint32_t> seen;
        for (auto at = start; at < end; at += piece_sectors) {
            const auto got = must(guest.blk->read(at, piece)).data;
            if (const auto known = placed.find(at); known != placed.end()) {
                ASSERT_EQ(got, bytes_of(piece, known->second)) << at;
                continue;
            }
            const auto which = std::find_if(unplaced.begin(), unplaced.end(),
                                            [&](auto one) { return got == bytes_of(piece, one); });
            ASSERT_NE(which, unplaced.end()) << "nobody appended what is at " << at;
            ASSERT_TRUE(seen.insert(*which).second) << "appended twice: " << *which;
        }
        ASSERT_TRUE(placed.empty() || placed.rbegin()->first < end) << "an append is lost";
        if (end - start > 64 * piece_sectors) {
            ASSERT_TRUE(must(guest.blk->act(blk::reset, start)).ok());
            placed.clear();
            unplaced.clear();
        }
    }

    struct Sent {
        std::uint32_t zone_number;
        ModelZones::Step step;
        std::uint32_t seed;
    };
    void add(const driver::BlkRequest& request, const Sent& sent) {
        const auto queue = static_cast<std::uint16_t>(random() % lasting_queues);
        in_flight[must(guest.blk->add(request, queue))] = sent;
        ++left.at(queue);
    }

    ServedDisk served{lasting_workers(), "blk"};
    BlkGuest guest{served, lasting(blk::f_zoned | blk::f_mq), lasting_blk()};
    std::minstd_rand random{7};
    std::uint32_t seed = 0;
    ModelZones model;
    std::map<std::uint64_t, Sent> in_flight;  // by the request's number
    std::array<int, lasting_queues> left{};
    std::map<std::uint64_t, std::uint32_t> placed;  // seeds of appends, by their sector
    std::set<std::uint32_t> unplaced;
    unsigned errors = 0;
};

TEST(Killed, ABlkDriversAnswersAreTrueAtWhateverInstantTheServerDies) {
    KilledBlk blk;
    for (unsigned i = 0; i < kills(); ++i) {
        for (auto rounds = blk.random() % 3; rounds != 0; --rounds) {
            blk.submit();
            ASSERT_NO_FATAL_FAILURE(blk.take_answers());
        }
        blk.submit();
        sleep_a_little(blk.random);
        blk.restart();
        if (blk.random() % 3 == 0) {
            // Once more, perhaps while the first requests are judged.
            sleep_a_little(blk.random);
            blk.restart();
            ++i;
        }
        ASSERT_NO_FATAL_FAILURE(blk.take_answers()) << "kill " << i;
        ASSERT_NO_FATAL_FAILURE(blk.check()) << "kill " << i;
    }
    std::printf("%u kills, %u appends with an error\n", kills(), blk.errors);
}

/// A virtio-scsi initiator without a write cache, with two units on four queues.
class KilledScsi {
  public:
    static constexpr std::uint32_t step_zones = 4;
    static constexpr std::uint16_t units = 2;
    static constexpr std::uint32_t power_on = 0x062900;

    KilledScsi() { begin(); }

    /// Takes the unit attentions, and switches the caches off, as a driver has to after each.
    void begin() {
        for (std::uint16_t lun = 0; lun < units; ++lun) {
            while (
                !must(guest.scsi->run({.cdb = std::vector<std::uint8_t>(6), .address = {0, lun}}))
                     .good())
                continue;
            std::vector<std::byte> list(24);
            list[4] = std::byte{0x08};
            list[5] = std::byte{0x12};
            ASSERT_TRUE(
                must(guest.scsi->run(
                         {.cdb = {0x15, 0x10, 0, 0, 24, 0}, .data_out = list, .address = {0, lun}}))
                    .good());
        }
    }
    static std::uint64_t key(std::uint16_t lun, std::uint32_t number) {
        return std::uint64_t{lun} << 32 | number;
    }
    void submit() {
        for (std::uint16_t lun = 0; lun < units; ++lun) {
            for (std::uint32_t number = zone; number < zone + step_zones; ++number) {
                const auto at = ServedDisk::lba(number);
                const auto step = model.next(key(lun, number), random);
                const auto data = bytes_of(piece, ++seed);
                driver::ScsiCommand command;
                command.address = {0, lun};
                if (step == ModelZones::Step::write) {
                    const auto behind = model[key(lun, number)].pieces.size() * piece_blocks;
                    command.cdb = driver::cdb16(0x8A, 0, at + behind, piece_blocks);
                    command.data_out = data;
                } else {
                    command.cdb =
                        driver::cdb16(0x94, step == ModelZones::Step::finish ? 2 : 4, at, 0);
                }
                const auto queue = static_cast<std::uint16_t>(random() % lasting_queues);
                in_flight[must(guest.scsi->add(command, queue))] = {key(lun, number), step, seed};
                ++left.at(queue);
            }
        }
        for (std::uint16_t queue = 0; queue < lasting_queues; ++queue) guest.scsi->submit(queue);
    }
    void take_answers() {
        for (std::uint16_t queue = 0; queue < lasting_queues; ++queue) {
            for (; left.at(queue) != 0; --left.at(queue)) {
                const auto answer = must(guest.scsi->wait(queue));
                const auto sent = in_flight.extract(answer.id).mapped();
                // The dead server had not taken this command: it is the next server's first one.
                if (answer.sense_code() == power_on) continue;
                ASSERT_TRUE(answer.good()) << "zone " << sent.key << ": " << answer.text();
                model.done(sent.key, sent.step, sent.seed);
            }
        }
    }
    void restart() {
        served.kill();
        served.start();
        guest.resume(served);
    }
    void check() {
        for (std::uint16_t lun = 0; lun < units; ++lun) {
            for (std::uint32_t number = zone; number < zone + step_zones; ++number) {
                const auto& its = model[key(lun, number)];
                for (std::size_t i = 0; i < its.pieces.size(); ++i)
                    ASSERT_EQ(must(guest.scsi->run(
                                       {.cdb = driver::cdb16(
                                            0x88, 0, ServedDisk::lba(number) + i * piece_blocks,
                                            piece_blocks),
                                        .data_in_length = piece,
                                        .address = {0, lun}}))
                                  .data,
                              bytes_of(piece, its.pieces[i]))
                        << "unit " << lun << " zone " << number << " piece " << i;
            }
        }
    }

    struct Sent {
        std::uint64_t key;
        ModelZones::Step step;
        std::uint32_t seed;
    };
    Disk second{{"--size", "64M", "--zone-size", "4M", "--conventional", "2", "--max-open", "8"}};
    ServedDisk served{{"--queues", "4", "--workers", "3", "--lun", "1=" + second.path()}};
    Guest guest{served,
                {.request_queues = lasting_queues, .max_transfer = 1u << 18, .depth = 64},
                lasting(0)};
    std::minstd_rand random{11};
    std::uint32_t seed = 0;
    ModelZones model;
    std::map<std::uint64_t, Sent> in_flight;  // by the command's tag
    std::array<int, lasting_queues> left{};
};

TEST(Killed, AScsiInitiatorsAnswersAreTrueAtWhateverInstantTheServerDies) {
    KilledScsi scsi;
    for (unsigned i = 0; i < kills(); ++i) {
        for (auto rounds = scsi.random() % 3; rounds != 0; --rounds) {
            scsi.submit();
            ASSERT_NO_FATAL_FAILURE(scsi.take_answers());
        }
        scsi.submit();
        sleep_a_little(scsi.random);
        scsi.restart();
        if (scsi.random() % 3 == 0) {
            sleep_a_little(scsi.random);
            scsi.restart();
            ++i;
        }
        ASSERT_NO_FATAL_FAILURE(scsi.take_answers()) << "kill " << i;
        ASSERT_NO_FATAL_FAILURE(scsi.begin()) << "kill " << i;
        ASSERT_NO_FATAL_FAILURE(scsi.check()) << "kill " << i;
    }
}

}  // namespace
}  // namespace zonebridge::test
