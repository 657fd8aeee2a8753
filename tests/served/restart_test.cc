// The server is killed with requests in flight and comes back: every request is answered once, and
// what was carried out is neither lost nor done again.

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "tests/served/lasting.h"

namespace zonebridge::test {
namespace {

/// The same with answers that come too late for the life of this server. Reports and flushes are
/// answered at once.
std::vector<std::string> late_answers() {
    auto options = lasting_workers();
    for (const char* operation : {"write", "append", "open", "close", "finish", "reset"}) {
        options.emplace_back("--fault");
        options.push_back(std::string("latency=600s,operation=") + operation);
    }
    return options;
}

void wait_until(const std::function<bool()>& reached) {
    const auto deadline = std::chrono::steady_clock::now() + driver::patience;
    while (!reached()) {
        if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("not in time");
        std::this_thread::yield();
    }
}

/// A blk guest with a zone for each kind of request, on four queues of three workers.
class RestartedBlk : public testing::Test {
  protected:
    enum Zones : std::uint32_t {
        written = zone,
        reset,
        finished,
        opened,
        closed,
        appended,
    };

    void begin() {
        for (const auto number : {reset, finished, closed})
            ASSERT_TRUE(
                must(guest.blk->write(ServedDisk::lba(number), bytes_of(piece, number))).ok());
        ASSERT_TRUE(must(guest.blk->act(blk::flush)).ok());
        served.stop();
        served.set_options(late_answers());
        served.start();
        guest.resume(served);
    }
    /// One request of each kind, from queue to queue.
    void submit_all() {
        const driver::BlkRequest requests[] = {
            {.type = blk::out, .sector = ServedDisk::lba(written), .data_out = data},
            {.type = blk::reset, .sector = ServedDisk::lba(reset)},
            {.type = blk::finish, .sector = ServedDisk::lba(finished)},
            {.type = blk::open, .sector = ServedDisk::lba(opened)},
            {.type = blk::close, .sector = ServedDisk::lba(closed)},
            {.type = blk::append,
             .sector = ServedDisk::lba(appended),
             .data_out = data,
             .tail = blk::append_tail_linux}};
        std::uint16_t queue = 0;
        for (const auto& request : requests) {
            kinds[must(guest.blk->add(request, queue))] = request.type;
            guest.blk->submit(queue);
            ++expected.at(queue);
            queue = static_cast<std::uint16_t>((queue + 1) % lasting_queues);
        }
        // All are carried out, and none is answered.
        wait_until([&] {
            return state(written).write_pointer == ServedDisk::lba(written) + piece_sectors &&
                   state(reset).state == empty && state(finished).state == full &&
                   state(opened).state == explicitly_open && state(closed).state == is_closed &&
                   state(appended).write_pointer == ServedDisk::lba(appended) + piece_sectors;
        });
    }
    void restart() {
        served.kill();
        served.set_options(lasting_workers());
        served.start();
        guest.resume(served);
    }
    std::map<std::uint32_t, driver::BlkResult> answers() {
        std::map<std::uint32_t, driver::BlkResult> all;
        for (std::uint16_t queue = 0; queue < lasting_queues; ++queue)
            for (int i = 0; i < expected.at(queue); ++i) {
                auto answer = must(guest.blk->wait(queue));
                const auto kind = kinds.at(answer.id);
                EXPECT_TRUE(all.emplace(kind, std::move(answer)).second);
            }
        return all;
    }
    driver::BlkZone state(std::uint32_t number) {
        return must(guest.blk->report(ServedDisk::lba(number), 128)).at(0);
    }
    void expect_done(const std::map<std::uint32_t, driver::BlkResult>& all) {
        for (const auto kind : {blk::out, blk::reset, blk::finish, blk::open, blk::close})
            EXPECT_EQ(all.at(kind).status, blk::ok) << kind;
        EXPECT_EQ(state(written).write_pointer, ServedDisk::lba(written) + piece_sectors);
        EXPECT_EQ(must(guest.blk->read(ServedDisk::lba(written), piece)).data, data);
        EXPECT_EQ(state(reset).state, empty);
        EXPECT_EQ(state(finished).state, full);
        EXPECT_EQ(state(opened).state, explicitly_open);
        EXPECT_EQ(state(closed).state, is_closed);
    }

    static constexpr std::uint8_t empty = 1, explicitly_open = 3, is_closed = 4, full = 14;

    ServedDisk served{lasting_workers(), "blk"};
    BlkGuest guest{served, lasting(zoned_driver), lasting_blk()};
    const std::vector<std::byte> data = bytes_of(piece, 50);
    std::map<std::uint64_t, std::uint32_t> kinds;  // by the request's number
    std::array<int, lasting_queues> expected{};
};

TEST_F(RestartedBlk, RequestsThatWereCarriedOutAreAnsweredAndNotRepeated) {
    begin();
    submit_all();
    ASSERT_TRUE(must(guest.blk->act(blk::flush)).ok());
    restart();
    const auto all = answers();
    expect_done(all);
    // Nothing tells where its data went.
    EXPECT_EQ(all.at(blk::append).status, blk::io_error);
    EXPECT_EQ(state(appended).write_pointer, ServedDisk::lba(appended) + piece_sectors);
}

TEST_F(RestartedBlk, RequestsThatMayBeLostAreAnsweredAndDoneOnce) {
    begin();
    submit_all();
    restart();
    const auto all = answers();
    expect_done(all);
    // The append is in its zone once, whether it outlived the server or not.
    const auto& append = all.at(blk::append);
    if (append.ok()) {
        EXPECT_EQ(append.append_sector, ServedDisk::lba(appended));
    } else {
        EXPECT_EQ(append.status, blk::io_error);
    }
    EXPECT_EQ(state(appended).write_pointer, ServedDisk::lba(appended) + piece_sectors);
    EXPECT_EQ(must(guest.blk->read(ServedDisk::lba(appended), piece)).data, data);
}

TEST_F(RestartedBlk, AWriteThatTheKernelCarriedOutInPartIsCompleted) {
    served.stop();
    served.set_options(late_answers());
    served.start();
    guest.resume(served);
    must(guest.blk->add({.type = blk::out, .sector = ServedDisk::lba(written), .data_out = data}));
    guest.blk->submit();
    wait_until(
        [&] { return state(written).write_pointer == ServedDisk::lba(written) + piece_sectors; });
    served.kill();
    // A process that is killed in the middle of a write may leave its beginning.
    const auto offset = std::to_string(ServedDisk::lba(written) * ServedDisk::block);
    constexpr std::size_t part = 4096;
    done({"reset", served.disk.path(), "--offset", offset});
    done({"write", served.disk.path(), "--offset", offset}, pattern(piece, 50).substr(0, part));
    served.set_options(lasting_workers());
    served.start();
    guest.resume(served);
    EXPECT_TRUE(must(guest.blk->wait()).ok());
    EXPECT_EQ(state(written).write_pointer, ServedDisk::lba(written) + piece_sectors);
    EXPECT_EQ(must(guest.blk->read(ServedDisk::lba(written), piece)).data, data);
}

TEST_F(RestartedBlk, ARequestWhoseKickTheDeadServerTookIsAnswered) {
    served.kill();
    for (std::uint16_t queue = 0; queue < lasting_queues; ++queue) {
        must(guest.blk->add({.type = blk::flush}, queue));
        (void)guest.blk->queue(queue).ring.publish();  // and the kick is lost
    }
    served.start();
    guest.resume(served);
    for (std::uint16_t queue = 0; queue < lasting_queues; ++queue)
        EXPECT_TRUE(must(guest.blk->wait(queue)).ok());
}

TEST_F(RestartedBlk, AQueueThatDoesNotComeBackHoldsUpTheOthersUntilOneStops) {
    begin();
    submit_all();
    served.kill();
    served.set_options(lasting_workers());
    served.start();
    // Of the queues with requests in flight, one is left out.
    guest.resume(served, 3);
    EXPECT_FALSE(guest.blk->queue(0).called()) << "answered before all rings were there";
    for (std::uint16_t queue = 0; queue < 3; ++queue) {
        (void)must(guest.front_end.stop(queue));
        EXPECT_EQ(guest.blk->queue(queue).ring.used_index(),
                  guest.blk->queue(queue).ring.available_index())
            << "a queue that stops has answered everything";
    }
}

/// Linux does not repeat a REPORT ZONES that meets a unit attention.
TEST(RestartedScsi, AReportOfZonesDoesNotGetThePowerOnOfTheNewServer) {
    ServedDisk served(lasting_workers());
    Guest guest(served, {.request_queues = lasting_queues}, lasting(0));
    ASSERT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone), bytes_of(piece, 1), 512)).good());
    served.kill();
    served.start();
    guest.resume(served);
    EXPECT_EQ(guest.pointer(zone), ServedDisk::lba(zone) + piece / 512);
    EXPECT_EQ(must(guest.scsi->test_unit_ready()).sense_code(), 0x062900U);
    EXPECT_TRUE(must(guest.scsi->test_unit_ready()).good());
    // A reset of the unit is reported to every command.
    EXPECT_EQ(must(guest.scsi->reset_logical_unit()), 0);
    EXPECT_FALSE(guest.scsi->report_zones(ServedDisk::lba(zone)));

    // A new guest is told by its first command, whatever that is.
    ServedDisk other(lasting_workers());
    Guest next(other, {.request_queues = lasting_queues}, lasting(0));
    EXPECT_EQ(next.attention, 0x062900U);
}

}  // namespace
}  // namespace zonebridge::test
