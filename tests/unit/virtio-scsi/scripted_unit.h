// A mock of a logical unit that completes a command when the test says so. Task management tests
// need this to keep commands in flight.
//
// Threads: any, as for every logical unit. A test with several threads uses only waiting() and
// complete_all().
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "virtio-scsi/wire.h"
#include "zbc/logical_unit.h"

namespace zonebridge::virtio_scsi {

/// Sizes of a request and a response without data.
inline constexpr std::size_t head_size = RequestHeader::size + Config::default_cdb_size;
inline constexpr std::size_t response_size = ResponseHeader::size + Config::default_sense_size;
inline constexpr std::uint8_t test_unit_ready = 0x00;

class ScriptedUnit final : public zbc::LogicalUnit {
    class Queue;

  public:
    /// Tasks that arrived and are not completed.
    std::vector<zbc::Task> tasks;
    std::size_t depth = 64;
    std::size_t resets = 0;
    std::vector<zbc::Attention> raised;
    zbc::TransferLimits limits{1 << 20, 128};
    std::atomic<int> open_queues = 0;
    /// Queues that may be opened before opening fails.
    int most_queues = 64;

    /// Completes a task and fills its data-in with `text`. Returns the result, which the test may
    /// change.
    zbc::TaskResult& complete(std::size_t at, std::string_view text = {},
                              zbc::ScsiStatus status = zbc::ScsiStatus::good) {
        const std::lock_guard guard(lock_);
        zbc::TaskResult result;
        result.tag = tasks.at(at).tag;
        result.status = status;
        for (const auto& buffer : tasks[at].data_in) {
            const auto part = std::min(buffer.iov_len, text.size());
            std::copy_n(text.begin(), part, static_cast<char*>(buffer.iov_base));
            result.data_in_length += part;
            text.remove_prefix(part);
        }
        if (!text.empty()) result.delivery = zbc::Delivery::overrun;
        auto& queue = *queues_.at(at);
        tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(at));
        queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(at));
        queue.results.push_back(result);
        queue.loop.post([&loop = queue.loop] { loop.note_ready(); });
        return queue.results.back();
    }
    void complete_all() {
        while (waiting() != 0) complete(0);
    }
    [[nodiscard]] std::size_t waiting() const {
        const std::lock_guard guard(lock_);
        return tasks.size();
    }
    [[nodiscard]] std::size_t reset_count() const {
        const std::lock_guard guard(lock_);
        return resets;
    }

    tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(Loop& loop,
                                                                    std::size_t) override {
        if (open_queues == most_queues)
            return tl::unexpected(Error{StatusCode::unsupported, "no more queues", {}});
        return std::make_unique<Queue>(*this, loop);
    }
    zbc::TransferLimits transfer_limits() const noexcept override { return limits; }
    void reset() noexcept override {
        const std::lock_guard guard(lock_);
        ++resets;
    }
    void raise(zbc::Attention attention) noexcept override {
        const std::lock_guard guard(lock_);
        raised.push_back(attention);
    }

  private:
    class Queue final : public zbc::TaskQueue {
      public:
        Queue(ScriptedUnit& unit, Loop& its_loop) : loop(its_loop), unit_(unit) {
            ++unit_.open_queues;
        }
        ~Queue() override { --unit_.open_queues; }
        std::size_t submit(std::span<const zbc::Task> tasks) noexcept override {
            const std::lock_guard guard(unit_.lock_);
            const auto room = unit_.depth - std::min(unit_.depth, unit_.tasks.size());
            const auto front = tasks.first(std::min(tasks.size(), room));
            unit_.tasks.insert(unit_.tasks.end(), front.begin(), front.end());
            unit_.queues_.insert(unit_.queues_.end(), front.size(), this);
            return front.size();
        }
        std::size_t reap(std::span<zbc::TaskResult> out) noexcept override {
            const std::lock_guard guard(unit_.lock_);
            const auto count = std::min(out.size(), results.size());
            std::copy_n(results.begin(), count, out.begin());
            results.erase(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(count));
            if (!results.empty()) loop.note_ready();
            return count;
        }
        std::size_t depth() const noexcept override { return unit_.depth; }

        Loop& loop;
        std::vector<zbc::TaskResult> results;  // for the next reap; guarded by the unit's lock_

      private:
        ScriptedUnit& unit_;
    };

    mutable std::mutex lock_;
    std::vector<Queue*> queues_;  // the queue of each task
};

}  // namespace zonebridge::virtio_scsi
