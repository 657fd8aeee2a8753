// One thread's use of a sequenced device in tests: buffers filled with a stamp, short calls that
// make requests, completions by tag.
//
// Threads: one.
// Ownership: owns its queue and buffers; borrows the loop.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <vector>

#include "zone/transport.h"

namespace zonebridge::test {

class User {
  public:
    User(Transport& transport, Loop& loop, std::size_t depth = 64)
        : loop_(loop), layout_(transport.limits().layout) {
        auto queue = transport.open_queue(loop, {.depth = depth});
        if (!queue) throw std::runtime_error(queue.error().message);
        queue_ = std::move(*queue);
    }

    /// A buffer of `length` bytes, filled with `stamp`. It lives as long as this object.
    std::span<const iovec> data(std::uint64_t length, std::uint64_t stamp) {
        auto& words = buffers_.emplace_back(length / sizeof stamp, stamp);
        pieces_.push_back({words.data(), length});
        return {&pieces_.back(), 1};
    }

    [[nodiscard]] static Request write(std::uint64_t offset, std::span<const iovec> data) {
        Request request;
        request.operation = Operation::write;
        request.offset = offset;
        for (const auto& piece : data) request.length += piece.iov_len;
        request.data = data;
        return request;
    }
    [[nodiscard]] Request write(std::uint64_t offset, std::uint64_t length, std::uint64_t stamp) {
        return write(offset, data(length, stamp));
    }
    [[nodiscard]] Request append(std::uint32_t zone, std::uint64_t length, std::uint64_t stamp) {
        auto request = write(layout_.start_of(zone), length, stamp);
        request.operation = Operation::append;
        return request;
    }
    [[nodiscard]] Request read(std::uint64_t offset, std::uint64_t length) {
        auto request = write(offset, length, 0);
        request.operation = Operation::read;
        return request;
    }
    [[nodiscard]] Request act(Operation operation, std::uint32_t first, std::uint32_t last) const {
        Request request;
        request.operation = operation;
        request.offset = layout_.start_of(first);
        request.length = layout_.start_of(last) + layout_.length_of(last) - request.offset;
        return request;
    }
    [[nodiscard]] Request act(Operation operation, std::uint32_t zone) const {
        return act(operation, zone, zone);
    }
    [[nodiscard]] static Request act_all(Operation operation) {
        Request request;
        request.operation = operation;
        request.scope = Scope::all;
        return request;
    }

    /// Submits a request and returns its tag. Turns the loop only while the queue is full.
    std::uint64_t submit(Request request) {
        request.tag = next_tag_++;
        while (queue_->submit({&request, 1}) == 0) turn(Loop::Wait::sleep);
        return request.tag;
    }
    std::uint64_t submit_fua(Request request) {
        request.fua = true;
        return submit(request);
    }

    void turn(Loop::Wait wait = Loop::Wait::poll) {
        if (auto turned = loop_.turn(wait); !turned) throw std::runtime_error("turn");
        reap();
    }
    void reap() {
        std::array<Completion, 16> completions;
        while (const auto count = queue_->reap(completions))
            for (std::size_t i = 0; i < count; ++i) {
                if (!done_.emplace(completions[i].tag, completions[i]).second)
                    throw std::runtime_error("completed twice");
            }
    }
    void turns(int count) {
        for (int i = 0; i < count; ++i) turn();
    }

    [[nodiscard]] bool is_done(std::uint64_t tag) const { return done_.contains(tag); }
    /// Turns the loop until the request completes. Removes and returns its completion.
    Completion wait(std::uint64_t tag) {
        while (!done_.contains(tag)) turn(Loop::Wait::sleep);
        const auto completion = done_.at(tag);
        done_.erase(tag);
        return completion;
    }
    Completion run(const Request& request) { return wait(submit(request)); }
    StatusCode code(const Request& request) { return run(request).status.code; }

    /// The stamp that fills the `length` bytes from `offset` on; 0 if the bytes differ or the read
    /// fails.
    std::uint64_t stamp_at(std::uint64_t offset, std::uint64_t length) {
        const auto request = read(offset, length);
        if (!run(request).status.ok()) return 0;
        const auto* words = static_cast<const std::uint64_t*>(request.data[0].iov_base);
        for (std::uint64_t i = 0; i < length / 8; ++i)
            if (words[i] != words[0]) return 0;
        return words[0];
    }
    Zone describe(std::uint32_t zone) {
        Zone out;
        Request request;
        request.operation = Operation::report;
        request.offset = layout_.start_of(zone);
        request.zones = {&out, 1};
        if (!run(request).status.ok()) throw std::runtime_error("report");
        return out;
    }

    [[nodiscard]] Queue& queue() { return *queue_; }
    void close() { queue_.reset(); }
    [[nodiscard]] const Layout& layout() const { return layout_; }

  private:
    Loop& loop_;
    const Layout& layout_;
    std::deque<std::vector<std::uint64_t>> buffers_;  // before the queue, which is destroyed first
    std::deque<iovec> pieces_;
    std::unique_ptr<Queue> queue_;
    std::map<std::uint64_t, Completion> done_;
    std::uint64_t next_tag_ = 1;
};

}  // namespace zonebridge::test
