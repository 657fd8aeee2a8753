// Power cuts at all kinds of points, where any subset of the unsynced data survives. Flushed data
// is there, no pointer is ahead of readable data, and old and new data never mix.
//
// Each run can be repeated from its seed. The meson file also builds this test with deliberate
// faults; with each of them the test must fail.
#include <cstdlib>
#include <deque>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/history.h"
#include "tests/unit/transports/emulated/lossy_store.h"
#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/format.h"
#include "transports/emulated/queue.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t zone_size = 16 << 10;

class CutDisk {
  public:
    explicit CutDisk(std::uint64_t seed) : random_(seed) {
        Shape shape;
        shape.zone_size = zone_size;
        shape.zone_capacity = zone_size - 4096;
        shape.size = zone_size * 37;
        shape.conventional = 2;
        shape.physical_block_size = one_in(2) ? 512 : 4096;
        if (one_in(4)) shape.model = Model::host_aware;
        if (one_in(4)) shape.max_active = 6;
        if (one_in(4)) shape.max_open = 4;
        options_.writable = true;
        options_.idle_commit.reset();
        options_.ledger_capacity = one_in(3) ? 2 : 64;
        options_.commit_after = one_in(3) ? 64 << 10 : 64 << 20;
        store_ = std::make_unique<LossyStore>();
        Uuid uuid{};
        uuid[0] = static_cast<std::uint8_t>(seed);
        if (format(*store_->file(), shape, uuid) != 0) throw std::runtime_error("no format");
        auto ring = Ring::create(64);
        if (!ring) throw std::runtime_error(ring.error().message);
        ring_ = std::move(*ring);
    }
    ~CutDisk() { shut(); }

    /// Runs the whole test. Returns an empty string, or what went wrong.
    std::string run() {
        for (int life = 0; life < 3; ++life) {
            if (life == 0 || one_in(2)) {
                if (!open()) return failure_;
            } else if (!open_with_cuts()) {
                return failure_;
            }
            if (life > 0 && !check_all()) return failure_;
            store_->cut_after(1 + below(one_in(2) ? 30 : 300));
            while (!store_->dead() && failure_.empty()) step();
            if (!failure_.empty()) return failure_;
            lose_power();
        }
        if (!open() || !check_all()) return failure_;
        return {};
    }

  private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

    bool open() {
        store_->allow(LossyStore::everything);
        auto disk = open_disk(store_->file(), "the disk", options_);
        if (!disk) {
            if (!store_->dead()) failure_ = disk.error().message;
            return false;
        }
        disk_ = std::move(*disk);
        if (!history_) history_.emplace(disk_->limits());
        auto queue = DiskQueue::open(*ring_, *disk_, 16);
        if (!queue) throw std::runtime_error(queue.error().message);
        driver_.emplace(std::move(*queue), *ring_);
        settle();
        return failure_.empty();
    }
    // The power fails again during recovery.
    bool open_with_cuts() {
        for (int cuts = 0; cuts < 4; ++cuts) {
            store_->cut_after(1 + below(8));
            if (open() && !store_->dead()) return true;
            if (!failure_.empty()) return false;
            lose_power();
        }
        return open();
    }
    void shut() {
        if (store_) store_->allow(LossyStore::everything);
        if (driver_) driver_->close();
        driver_.reset();
        disk_.reset();
    }
    void lose_power() {
        shut();
        store_ = store_->survivor(random_);
    }
    // Lets the committing thread finish its work. Its later changes wait until they are allowed.
    void settle() {
        store_->allow(LossyStore::everything);
        disk_->committer()->wait_idle();
        store_->hold();
    }

    std::vector<Completion> drain(std::size_t count) {
        std::vector<Completion> result;
        bool waited = false;
        for (bool first = true; result.size() < count; first = false) {
            if (!first) store_->allow(LossyStore::everything);
            waited = !first;
            if (!ring_->turn(first ? Loop::Wait::poll : Loop::Wait::sleep))
                throw std::runtime_error("the ring failed");
            std::array<Completion, 16> some;
            while (const auto reaped = driver_->queue().reap(some))
                result.insert(result.end(), some.begin(), some.begin() + reaped);
        }
        if (waited) settle();
        return result;
    }
    Completion execute(const Request& request) {
        driver_->submit(request);
        return drain(1).front();
    }

    void step() {
        const auto choice = below(100);
        if (choice < 45)
            write_some();
        else if (choice < 55)
            write_conventional();
        else if (choice < 68)
            act();
        else if (choice < 69)
            reset_all();
        else if (choice < 90)
            flush();
        else if (choice < 97)
            read_one();
        else if (choice < 98)
            close_and_reopen();
        else
            kill_and_reopen();
        if (disk_ && one_in(3)) settle();
    }

    std::uint32_t any_zone() {
        return 2 + static_cast<std::uint32_t>(one_in(4) ? below(35) : below(5));
    }

    // One write or several contiguous ones, sometimes with FUA.
    void write_some() {
        const auto zone = any_zone();
        const auto start = zone * zone_size;
        const auto& limits = disk_->limits();
        const auto aware = limits.model == Model::host_aware;
        const auto block = aware ? limits.logical_block_size : limits.physical_block_size;
        const auto capacity = limits.layout.capacity_of(zone);
        auto at = history_->written(zone);
        if (aware && one_in(2)) at = below(capacity / block) * block;
        const auto fua = one_in(10);
        const auto append = !aware && one_in(3);
        const auto before = history_->written(zone);
        const auto mark = history_->mark();
        std::vector<Bytes> data;
        std::vector<iovec> buffers;
        std::vector<Request> requests;
        const auto count = 1 + below(4);
        data.reserve(count);
        buffers.reserve(count);
        for (std::uint64_t i = 0; i < count && at < capacity; ++i) {
            const auto blocks = std::min<std::uint64_t>(1 + below(6), (capacity - at) / block);
            data.push_back(history_->next_data(blocks * block));
            buffers.push_back({data.back().data(), data.back().size()});
            requests.push_back(Request{.tag = i,
                                       .operation = append ? Operation::append : Operation::write,
                                       .fua = fua,
                                       .offset = append ? start : start + at,
                                       .length = data.back().size(),
                                       .data = {&buffers.back(), 1},
                                       .zones = {}});
            history_->write(start + at, data.back());
            at += data.back().size();
        }
        if (requests.empty()) return;
        for (const auto& request : requests) driver_->submit(request);
        const auto done = drain(requests.size());
        if (store_->dead()) return;  // any part of the data may be there
        const auto all = std::all_of(done.begin(), done.end(),
                                     [](const Completion& each) { return each.status.ok(); });
        const auto none = std::none_of(done.begin(), done.end(),
                                       [](const Completion& each) { return each.status.ok(); });
        if (none)
            history_->cut_back(zone, before);
        else if (!all)
            failure_ = fmt::format("a batch into zone {} failed in the middle", zone);
        if (all && fua) {
            auto durable = mark;
            durable.written[zone] = history_->written(zone) / 512;
            durable.stamp = history_->mark().stamp;
            history_->flushed(durable);
        }
    }

    // A discard of written data leaves zeroes on this disk. A write of zeroes may go anywhere.
    void clear_some() {
        const auto block = disk_->limits().logical_block_size;
        const auto zone = one_in(2) ? static_cast<std::uint32_t>(below(2)) : any_zone();
        const auto discards = one_in(2);
        const auto written = history_->written(zone);
        const auto most = discards ? written : disk_->limits().layout.capacity_of(zone);
        if (most < block) return;
        const auto at = below(most / block) * block;
        const auto length = std::min<std::uint64_t>((1 + below(16)) * block, most - at);
        const auto offset = zone * zone_size + at;
        history_->clear(offset, length);
        const auto done =
            execute(Request{.operation = discards ? Operation::discard : Operation::write_zeroes,
                            .may_unmap = !discards && one_in(2),
                            .offset = offset,
                            .length = length,
                            .data = {},
                            .zones = {}});
        if (done.status.ok() || store_->dead()) return;
        history_->cut_back(zone, written);
        if (discards || zone < 2) failure_ = "a discard, or a write of zeroes, failed";
    }

    void write_conventional() {
        if (disk_->limits().max_discard && one_in(2)) return clear_some();
        const auto block = disk_->limits().logical_block_size;
        const auto zone = static_cast<std::uint32_t>(below(2));
        const auto first = below(zone_size / block);
        const auto blocks = std::min<std::uint64_t>(1 + below(8), zone_size / block - first);
        const auto data = history_->next_data(blocks * block);
        const auto offset = zone * zone_size + first * block;
        history_->write(offset, data);
        const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
        const auto done = execute(Request{.operation = Operation::write,
                                          .offset = offset,
                                          .length = data.size(),
                                          .data = {&buffer, 1},
                                          .zones = {}});
        if (!done.status.ok() && !store_->dead()) failure_ = "a conventional write failed";
    }

    void act() {
        const auto zone = any_zone();
        constexpr std::array operations = {Operation::reset,  Operation::reset, Operation::reset,
                                           Operation::finish, Operation::open,  Operation::close};
        const auto operation = operations[below(operations.size())];
        const auto done = execute(Request{.operation = operation,
                                          .offset = zone * zone_size,
                                          .length = disk_->limits().layout.length_of(zone),
                                          .data = {},
                                          .zones = {}});
        if (!done.status.ok()) return;
        if (operation == Operation::reset) history_->reset(zone);
        if (operation == Operation::finish) history_->finish(zone);
    }

    void reset_all() {
        const auto done = execute(
            Request{.operation = Operation::reset, .scope = Scope::all, .data = {}, .zones = {}});
        if (!done.status.ok()) return;
        for (std::uint32_t zone = 2; zone < 37; ++zone) history_->reset(zone);
    }

    // Other requests come while the commit is held back just before it becomes durable.
    void flush() {
        settle();
        const auto mark = history_->mark();
        const auto commits = disk_->needs_commit();
        driver_->submit(Request{.tag = 99, .operation = Operation::flush, .data = {}, .zones = {}});
        if (!ring_->turn(Loop::Wait::poll)) throw std::runtime_error("the ring failed");
        if (commits && one_in(2)) {
            store_->allow(LossyStore::write);
            store_->wait_until_wanted(LossyStore::sync);
            store_->hold();
            for (auto count = below(4); count != 0 && !store_->dead(); --count) during_commit();
        }
        const auto left = 1 + outstanding_;
        const auto done = drain(left);
        outstanding_ = 0;
        if (!store_->dead())
            for (const auto& each : done) {
                if (!each.status.ok() && each.tag == 99) failure_ = "a flush failed";
                if (each.tag != 99) finish_during(each);
            }
        pending_.clear();
        if (store_->dead()) return;
        history_->flushed(mark);
    }

    void during_commit() {
        const auto zone = any_zone();
        for (const auto& each : pending_)
            if (each.zone == zone) return;
        if (one_in(4)) {
            driver_->submit(Request{.tag = 200U + zone,
                                    .operation = Operation::reset,
                                    .offset = zone * zone_size,
                                    .length = disk_->limits().layout.length_of(zone),
                                    .data = {},
                                    .zones = {}});
            pending_.push_back({zone, 0, {}, {}});
            history_->reset(zone);
        } else {
            const auto& limits = disk_->limits();
            const auto before = history_->written(zone);
            const auto room = limits.layout.capacity_of(zone) - before;
            if (room == 0) return;
            auto& entry = pending_.emplace_back();
            entry.zone = zone;
            entry.before = before;
            entry.data = history_->next_data(
                std::min<std::uint64_t>(room, limits.physical_block_size * (1 + below(4))));
            entry.buffer = {entry.data.data(), entry.data.size()};
            history_->write(zone * zone_size + before, entry.data);
            driver_->submit(Request{.tag = 300U + zone,
                                    .operation = Operation::write,
                                    .offset = zone * zone_size + before,
                                    .length = entry.data.size(),
                                    .data = {&entry.buffer, 1},
                                    .zones = {}});
        }
        ++outstanding_;
        if (!ring_->turn(Loop::Wait::poll)) throw std::runtime_error("the ring failed");
    }
    void finish_during(const Completion& done) {
        const auto zone = static_cast<std::uint32_t>(done.tag % 100);
        for (const auto& each : pending_)
            if (each.zone == zone && done.tag >= 300 && !done.status.ok())
                history_->cut_back(zone, each.before);
    }

    void read_one() {
        const auto zone = static_cast<std::uint32_t>(below(37));
        Bytes content(disk_->limits().layout.length_of(zone));
        const iovec buffer{content.data(), content.size()};
        const auto done = execute(Request{.operation = Operation::read,
                                          .offset = zone * zone_size,
                                          .length = content.size(),
                                          .data = {&buffer, 1},
                                          .zones = {}});
        if (!done.status.ok()) failure_ = "a read failed";
        if (failure_.empty()) failure_ = history_->check_live(zone, content);
    }

    void close_and_reopen() {
        store_->allow(LossyStore::everything);
        driver_->close();
        driver_.reset();
        const auto mark = history_->mark();
        const auto closed = disk_->close();
        disk_.reset();
        if (store_->dead()) return;
        if (!closed) {
            failure_ = closed.error().message;
            return;
        }
        history_->flushed(mark);
        static_cast<void>(open());
    }

    void kill_and_reopen() {
        auto next = store_->after_kill();
        const auto left = store_->dead();
        shut();
        if (left) return;
        store_ = std::move(next);
        // The store is as a host that runs on: everything that was answered is there.
        history_->flushed(history_->mark());
        if (open()) check_all();
        store_->cut_after(1 + below(100));
    }

    bool check_all() {
        for (std::uint32_t zone = 0; zone < 37 && failure_.empty(); ++zone) {
            Zone found;
            const std::span zones(&found, 1);
            execute(Request{.operation = Operation::report,
                            .offset = zone * zone_size,
                            .data = {},
                            .zones = zones});
            Bytes content(found.length);
            const iovec buffer{content.data(), content.size()};
            const auto done = execute(Request{.operation = Operation::read,
                                              .offset = zone * zone_size,
                                              .length = content.size(),
                                              .data = {&buffer, 1},
                                              .zones = {}});
            failure_ = done.status.ok() ? history_->check(zone, found, content)
                                        : fmt::format("zone {} can't be read", zone);
        }
        return failure_.empty();
    }

    struct Pending {
        std::uint32_t zone = 0;
        std::uint64_t before = 0;
        Bytes data;
        iovec buffer{};
    };

    Random random_;
    Disk::Options options_;
    std::unique_ptr<LossyStore> store_;
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Disk> disk_;
    std::optional<Driver> driver_;
    std::optional<History> history_;
    std::deque<Pending> pending_;  // a deque, because requests borrow its elements
    std::size_t outstanding_ = 0;
    std::string failure_;
};

// ZONEBRIDGE_SEED=N runs one seed; ZONEBRIDGE_RUNS=N runs N seeds.
TEST(PowerCut, LosesNoFlushedDataAndNeverMixesOldAndNew) {
    const auto* one = std::getenv("ZONEBRIDGE_SEED");
    const auto* many = std::getenv("ZONEBRIDGE_RUNS");
    const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
    const std::uint64_t count = one != nullptr    ? 1
                                : many != nullptr ? std::strtoull(many, nullptr, 10)
                                                  : 600;
    for (auto seed = first; seed < first + count; ++seed) {
        const auto wrong = CutDisk(seed).run();
        ASSERT_EQ(wrong, "") << "with ZONEBRIDGE_SEED=" << seed;
    }
}

}  // namespace
}  // namespace zonebridge::emulated
