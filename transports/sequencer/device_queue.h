// One queue's way to the device: what is handed over at the end of a turn, and what comes back.
//
// Threads: the queue's.
// Ownership: owns the device's queue; borrows the loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::sequencer {

class DeviceQueue {
  public:
    /// At most `most` requests wait for the end of a turn.
    DeviceQueue(Loop& loop, std::size_t most) : loop_(loop) { outgoing_.reserve(most); }

    void open(std::unique_ptr<Queue> queue) noexcept { queue_ = std::move(queue); }
    /// Waits until the device has none of the requests; their completions are lost.
    void close() noexcept {
        queue_.reset();
        in_device_ = 0;
    }
    [[nodiscard]] bool is_open() const noexcept { return queue_ != nullptr; }

    /// Hands `request` over at the end of the turn, with `tag` in place of its own.
    void send(const Request& request, std::uint64_t tag) noexcept {
        outgoing_.push_back(request);
        outgoing_.back().tag = tag;
    }
    /// The same, for a request that is made up in its place; only the tag is set.
    [[nodiscard]] Request& add(std::uint64_t tag) noexcept {
        auto& request = outgoing_.emplace_back();
        request.tag = tag;
        return request;
    }

    void flush() noexcept {
        if (outgoing_.empty() || !is_open()) return;
        const auto taken = queue_->submit(outgoing_);
        in_device_ += taken;
        outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(taken));
        // What is in the device wakes the loop when it ends; if nothing is, nothing would.
        if (!outgoing_.empty() && in_device_ == 0) loop_.note_ready();
    }
    [[nodiscard]] std::size_t in_device() const noexcept { return in_device_; }
    /// Only while something is in the device.
    [[nodiscard]] std::size_t reap(std::span<Completion> out) noexcept {
        const auto count = queue_->reap(out);
        in_device_ -= count;
        return count;
    }

    /// The tag of one of the requests that were not handed over; that request is taken out.
    [[nodiscard]] std::optional<std::uint64_t> take_unsent() noexcept {
        if (outgoing_.empty()) return std::nullopt;
        const auto tag = outgoing_.back().tag;
        outgoing_.pop_back();
        return tag;
    }
    /// Takes out those for whose tag `is_withdrawn` is true.
    template <typename IsWithdrawn>
    void withdraw(IsWithdrawn is_withdrawn) noexcept {
        std::erase_if(outgoing_, [&](const Request& request) { return is_withdrawn(request.tag); });
    }

  private:
    Loop& loop_;
    std::unique_ptr<Queue> queue_;
    std::vector<Request> outgoing_;
    std::size_t in_device_ = 0;
};

}  // namespace zonebridge::sequencer
