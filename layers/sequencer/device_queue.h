// One queue's path to the device: requests are collected and submitted at the end of a turn.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "zone/transport.h"

namespace zonebridge::sequencer {

class DeviceQueue {
  public:
    /// At most `most` requests are collected for the end of a turn.
    explicit DeviceQueue(std::size_t most) {
        passed_.reserve(most);
        made_.reserve(most);
    }

    /// Requires that `queue` has room for all requests that can be in the device at once.
    void open(std::unique_ptr<Queue> queue) noexcept { queue_ = std::move(queue); }
    /// Waits until the device holds none of the requests; their completions are lost.
    void close() noexcept {
        queue_.reset();
        in_device_ = 0;
    }
    [[nodiscard]] bool is_open() const noexcept { return queue_ != nullptr; }

    /// Adds a request, for the caller to fill in, that the upper queue checked and that is
    /// unchanged. It is submitted at the end of the turn.
    [[nodiscard]] Request& pass(std::uint64_t tag) noexcept { return add(passed_, tag); }
    /// Adds a copy of `request`, with `tag` in place of its own.
    void pass(const Request& request, std::uint64_t tag) noexcept {
        passed_.push_back(request);
        passed_.back().tag = tag;
    }
    /// Adds a request that the sequencer makes itself; the device's queue checks it.
    [[nodiscard]] Request& make(std::uint64_t tag) noexcept { return add(made_, tag); }

    void flush() noexcept {
        if (!is_open()) return;
        in_device_ += passed_.size() + made_.size();
        if (!passed_.empty()) queue_->take_checked(passed_);
        passed_.clear();
        if (made_.empty()) return;
        [[maybe_unused]] const auto taken = queue_->submit(made_);
        assert(taken == made_.size());
        made_.clear();
    }
    [[nodiscard]] bool has_unsent() const noexcept { return !passed_.empty() || !made_.empty(); }
    [[nodiscard]] std::size_t in_device() const noexcept { return in_device_; }
    /// Requires in_device() != 0.
    [[nodiscard]] std::size_t reap(std::span<Completion> out) noexcept {
        const auto count = queue_->reap(out);
        in_device_ -= count;
        return count;
    }

    /// Removes one of the unsent requests and returns its tag.
    [[nodiscard]] std::optional<std::uint64_t> take_unsent() noexcept {
        auto& from = passed_.empty() ? made_ : passed_;
        if (from.empty()) return std::nullopt;
        const auto tag = from.back().tag;
        from.pop_back();
        return tag;
    }
    /// Removes the unsent requests of pass() for whose tag `is_withdrawn` is true.
    template <typename IsWithdrawn>
    void withdraw(IsWithdrawn is_withdrawn) noexcept {
        std::erase_if(passed_, [&](const Request& request) { return is_withdrawn(request.tag); });
    }

  private:
    static Request& add(std::vector<Request>& to, std::uint64_t tag) noexcept {
        auto& added = to.emplace_back();
        added.tag = tag;
        return added;
    }

    std::unique_ptr<Queue> queue_;
    std::vector<Request> passed_;
    std::vector<Request> made_;
    std::size_t in_device_ = 0;
};

}  // namespace zonebridge::sequencer
