// A mock of a running virtio-scsi device, for tests of the LUN table: it opens a task queue to each
// unit on real workers, sends commands, takes the results, and records what the guest would be
// told. tests/served has the real device.
//
// Threads: the test's; the queues are on the workers.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "service/units.h"
#include "service/worker.h"

namespace zonebridge::service {

/// One worker's queue to one unit. Keeps the commands that the unit does not take yet, as a
/// controller does.
class HostedQueue final : public Member {
  public:
    HostedQueue(Loop& loop, zbc::LogicalUnit& unit) : loop_(loop) {
        auto opened = unit.open_queue(loop, 16);
        if (!opened) throw std::runtime_error(opened.error().message);
        queue_ = std::move(*opened);
    }

    void take() noexcept override { offer(); }
    void complete() noexcept override {
        std::array<zbc::TaskResult, 4> results;
        for (auto count = results.size(); count == results.size();) {
            count = queue_->reap(results);
            const std::lock_guard guard(lock_);
            for (std::size_t i = 0; i < count; ++i) results_.push_back(results[i]);
            if (count != 0) came_.notify_all();
        }
        offer();
    }

    /// On the worker's thread.
    void send(std::span<const std::uint8_t> cdb) {
        waiting_.push_back({.tag = next_tag_++, .cdb = cdb});
        loop_.note_ready();
    }
    /// The next result; nothing if none arrives in time.
    std::optional<zbc::TaskResult> wait(std::chrono::milliseconds limit) {
        std::unique_lock lock(lock_);
        if (!came_.wait_for(lock, limit, [this] { return !results_.empty(); })) return std::nullopt;
        const auto answer = results_.front();
        results_.pop_front();
        return answer;
    }
    [[nodiscard]] bool idle() const { return waiting_.empty(); }

  private:
    void offer() noexcept {
        const auto taken = queue_->submit(waiting_);
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
    }

    Loop& loop_;
    std::unique_ptr<zbc::TaskQueue> queue_;
    std::vector<zbc::Task> waiting_;
    std::uint64_t next_tag_ = 1;
    std::mutex lock_;
    std::condition_variable came_;
    std::deque<zbc::TaskResult> results_;
};

class HostedUnits final : public Units {
  public:
    static constexpr std::array<std::uint8_t, 6> test_unit_ready{};

    explicit HostedUnits(const Workers& workers) : workers_(workers) {}
    ~HostedUnits() {
        while (!queues_.empty()) (void)HostedUnits::remove(queues_.begin()->first);
    }

    tl::expected<void, Error> add(const virtio_scsi::Unit& unit) override {
        calls.push_back(fmt::format("add {}", unit.lun));
        if (refuse_next) return tl::unexpected(Error{StatusCode::unsupported, "no room", {}});
        for (const auto& worker : workers_)
            worker->call([&](Ring& ring) {
                queues_[unit.lun].push_back(
                    std::make_unique<HostedQueue>(ring, *unit.logical_unit));
                worker->add(*queues_[unit.lun].back());
            });
        return {};
    }
    void announce_removal(std::uint16_t lun) override {
        calls.push_back(fmt::format("announce {}", lun));
    }
    Removed remove(std::uint16_t lun, std::chrono::milliseconds = {}) override {
        calls.push_back(fmt::format("remove {}", lun));
        if (!queues_.contains(lun)) return Removed::absent;
        if (hung) return Removed::in_use_still;
        for (std::size_t i = 0; i < workers_.size(); ++i)
            workers_[i]->call([&](Ring&) {
                EXPECT_TRUE(queues_[lun][i]->idle()) << "a command was never submitted";
                workers_[i]->remove(*queues_[lun][i]);
                queues_[lun][i].reset();
            });
        queues_.erase(lun);
        return Removed::gone;
    }
    void changed(std::uint16_t lun, zbc::Attention what) override {
        calls.push_back(fmt::format("changed {} {}", lun, static_cast<int>(what)));
    }

    /// Sends a command to the unit of that number, on that worker.
    void send(std::uint16_t lun, std::span<const std::uint8_t> cdb = test_unit_ready,
              std::size_t worker = 0) {
        workers_[worker]->call([&](Ring&) { queues_.at(lun)[worker]->send(cdb); });
    }
    std::optional<zbc::TaskResult> wait(std::uint16_t lun, std::size_t worker = 0,
                                        std::chrono::milliseconds limit = std::chrono::seconds{
                                            20}) {
        return queues_.at(lun)[worker]->wait(limit);
    }
    zbc::TaskResult run(std::uint16_t lun, std::span<const std::uint8_t> cdb = test_unit_ready,
                        std::size_t worker = 0) {
        send(lun, cdb, worker);
        return wait(lun, worker).value();
    }
    /// Sense as key << 16 | ASC << 8 | ASCQ; 0 if there is none.
    static std::uint32_t sense_of(const zbc::TaskResult& result) {
        const auto sense = zbc::decode_sense(std::span(result.sense).first(result.sense_length));
        return sense ? sense->code() : 0;
    }

    std::vector<std::string> calls;
    bool refuse_next = false;
    bool hung = false;  ///< If set, no unit can be removed, as if its disk held commands.

  private:
    const Workers& workers_;
    std::map<std::uint16_t, std::vector<std::unique_ptr<HostedQueue>>> queues_;
};

}  // namespace zonebridge::service
