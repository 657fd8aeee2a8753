// A logical unit that does what a test tells it, when it tells it: the one way to hold a command
// back while task management waits for it. A mock; commands against real disks are tested elsewhere.
//
// Threads: one.
// Ownership: owned by the test; outlives the controller.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "zbc/logical_unit.h"

namespace zonebridge::virtio_scsi {

class ScriptedUnit final : public zbc::LogicalUnit {
  public:
    /// Tasks that arrived and were not completed.
    std::vector<zbc::Task> tasks;
    /// Results for the next reap.
    std::vector<zbc::TaskResult> results;
    std::size_t depth = 64;
    std::vector<std::uint32_t> resets;

    /// Completes a task that arrived, filling its data-in with `text`.
    void complete(std::size_t at, std::string_view text = {},
                  zbc::ScsiStatus status = zbc::ScsiStatus::good) {
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
        tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(at));
        results.push_back(result);
    }

    tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(Loop&, std::size_t) override {
        return std::make_unique<Queue>(*this);
    }
    zbc::TransferLimits transfer_limits() const noexcept override { return {1 << 20, 128}; }
    void reset(std::uint32_t initiator) noexcept override { resets.push_back(initiator); }
    void raise(zbc::Attention) noexcept override {}

  private:
    class Queue final : public zbc::TaskQueue {
      public:
        explicit Queue(ScriptedUnit& unit) : unit_(unit) {}
        std::size_t submit(std::span<const zbc::Task> tasks) noexcept override {
            const auto taken = std::min(tasks.size(), unit_.depth - unit_.tasks.size());
            const auto front = tasks.first(taken);
            unit_.tasks.insert(unit_.tasks.end(), front.begin(), front.end());
            return taken;
        }
        std::size_t reap(std::span<zbc::TaskResult> out) noexcept override {
            const auto count = std::min(out.size(), unit_.results.size());
            std::copy_n(unit_.results.begin(), count, out.begin());
            unit_.results.erase(unit_.results.begin(),
                                unit_.results.begin() + static_cast<std::ptrdiff_t>(count));
            return count;
        }
        std::size_t depth() const noexcept override { return unit_.depth; }

      private:
        ScriptedUnit& unit_;
    };
};

}  // namespace zonebridge::virtio_scsi
