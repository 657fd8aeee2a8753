// The server of a disk is killed at any moment, with requests to several zones in flight. The next server
// has everything that was answered, and of every other request all or nothing.
#include <array>
#include <cstdlib>
#include <optional>
#include <random>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/served/blk_guest.h"

namespace zonebridge::test {
namespace {

constexpr std::uint8_t state_empty = 1;
constexpr std::uint8_t state_full = 14;

/// What one zone must hold, and the request to it that is not answered yet.
struct ExpectedZone {
    std::vector<std::uint32_t> pieces;  // their seeds
    bool finished = false;

    struct Request {
        std::uint32_t type = 0;
        std::uint32_t seed = 0;
        std::uint64_t id = 0;
    };
    std::optional<Request> pending;

    void apply(const Request& request) {
        if (request.type == blk::reset) {
            pieces.clear();
            finished = false;
        } else if (request.type == blk::finish) {
            finished = true;
        } else {
            pieces.push_back(request.seed);
        }
    }
    [[nodiscard]] bool is(const driver::BlkZone& found) const {
        if (finished) return found.state == state_full;
        if (found.state == state_full) return false;
        return found.write_pointer - found.start == pieces.size() * piece_sectors &&
               (found.state != state_empty || pieces.empty());
    }
};

class KilledServers {
  public:
    explicit KilledServers(std::uint64_t seed) : random_(seed) {}

    /// One life of the server, from its start to its kill. Expects what the life before left.
    void live() {
        BlkGuest guest(served_);
        check(guest);
        if (::testing::Test::HasFailure()) return;
        for (auto rounds = 1 + random_() % 12; rounds != 0; --rounds) {
            for (std::uint32_t i = 0; i < zones_.size(); ++i)
                if (!zones_[i].pending && random_() % 4 != 0) send(guest, i);
            guest.blk->submit();
            take_answers(guest, rounds != 1);
        }
        if (random_() % 2 == 0) ::usleep(static_cast<useconds_t>(random_() % 200));
        served_.kill();
        take_answers(guest, true);
        served_.start();
    }

    [[nodiscard]] std::uint64_t answered() const { return answered_; }
    [[nodiscard]] std::uint64_t interrupted() const { return interrupted_; }

  private:
    static std::uint64_t start_of(std::uint32_t index) { return ServedDisk::lba(zone + index); }

    void send(BlkGuest& guest, std::uint32_t index) {
        auto& expected = zones_[index];
        const auto choice = random_() % 20;
        ExpectedZone::Request request{blk::out, ++seed_, 0};
        if (expected.finished || expected.pieces.size() > 60 || choice < 3)
            request.type = blk::reset;
        else if (choice == 3)
            request.type = blk::finish;
        else if (choice < 8)
            request.type = blk::append;
        const auto writes = request.type == blk::out || request.type == blk::append;
        const auto data = writes ? bytes_of(piece, request.seed) : std::vector<std::byte>();
        const auto at = expected.pieces.size() * piece_sectors;
        request.id = must(
            guest.blk->add({.type = request.type,
                            .sector = start_of(index) + (request.type == blk::out ? at : 0),
                            .data_out = data,
                            .tail = request.type == blk::append ? blk::append_tail_linux : 1}));
        expected.pending = request;
    }

    /// `all`: those that come soon, else only those that are there.
    void take_answers(BlkGuest& guest, bool all) {
        while (const auto result = guest.blk->wait(0, std::chrono::milliseconds(all ? 2 : 0))) {
            ASSERT_TRUE(result->ok()) << int{result->status};
            for (auto& expected : zones_) {
                if (!expected.pending || expected.pending->id != result->id) continue;
                expected.apply(*expected.pending);
                expected.pending.reset();
                ++answered_;
            }
        }
    }

    void check(BlkGuest& guest) {
        ASSERT_TRUE(must(guest.blk->act(blk::flush)).ok());
        for (std::uint32_t i = 0; i < zones_.size(); ++i) {
            SCOPED_TRACE(fmt::format("zone {}", zone + i));
            auto& expected = zones_[i];
            const auto found = must(guest.blk->report(start_of(i), 128)).at(0);
            if (expected.pending) {
                ++interrupted_;
                auto done = expected;
                done.apply(*expected.pending);
                if (done.is(found)) expected = done;
                expected.pending.reset();
            }
            ASSERT_TRUE(expected.is(found))
                << "state " << int{found.state} << ", pointer " << found.write_pointer - found.start
                << ", expected " << expected.pieces.size() << " pieces"
                << (expected.finished ? ", finished" : "");
            for (std::size_t k = 0; k < expected.pieces.size(); ++k) {
                const auto got = must(guest.blk->read(start_of(i) + k * piece_sectors, piece));
                ASSERT_TRUE(got.ok()) << int{got.status};
                ASSERT_EQ(got.data, bytes_of(piece, expected.pieces[k])) << "piece " << k;
            }
        }
    }

    std::mt19937_64 random_;
    ServedDisk served_{{}, "blk", {}, ServedDisk::Log::kept};
    std::array<ExpectedZone, 6> zones_;
    std::uint32_t seed_ = 0;
    std::uint64_t answered_ = 0;
    std::uint64_t interrupted_ = 0;
};

// ZONEBRIDGE_RUNS=N kills N servers.
TEST(KilledServer, LosesNothingThatItAnswered) {
    const auto* many = std::getenv("ZONEBRIDGE_RUNS");
    const auto runs = many != nullptr ? std::strtoull(many, nullptr, 10) : 120;
    KilledServers killed(1);
    for (std::uint64_t i = 0; i < runs; ++i) {
        SCOPED_TRACE(fmt::format("life {}", i));
        killed.live();
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(killed.answered(), runs);
    EXPECT_GT(killed.interrupted(), 0U) << "no request was in flight when a server was killed";
    RecordProperty("answered", std::to_string(killed.answered()));
    RecordProperty("interrupted", std::to_string(killed.interrupted()));
    if (many != nullptr)
        fmt::print("{} servers killed, {} answers, {} requests interrupted, 0 lost\n", runs,
                   killed.answered(), killed.interrupted());
}

}  // namespace
}  // namespace zonebridge::test
