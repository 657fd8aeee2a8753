// Drives one storage queue, one request after the other. Also test data that differs for each stamp
// and position.
//
// Threads: a Driver belongs to the thread of its loop.
// Ownership: a Driver owns its queue and borrows its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "zone/transport.h"

namespace zonebridge::test {

using Bytes = std::vector<std::uint8_t>;

/// Pseudo-random bytes that differ for each `stamp` and position.
[[nodiscard]] Bytes pattern(std::uint64_t stamp, std::size_t length);

/// Throws std::runtime_error where there is no Status to return: the loop fails, the queue is full,
/// or a completion belongs to no request.
class Driver {
  public:
    Driver(std::unique_ptr<Queue> queue, Loop& loop) : queue_(std::move(queue)), loop_(loop) {}

    /// Submits all requests and waits for all. The completions are in the order of the requests.
    std::vector<Completion> run(std::span<const Request> requests);
    Completion run(const Request& request) { return run(std::span(&request, 1)).front(); }

    Status write(std::uint64_t offset, std::span<const std::uint8_t> data, bool fua = false);
    Completion append(std::uint64_t zone_start, std::span<const std::uint8_t> data);
    /// Fails the test if the read fails.
    Bytes read(std::uint64_t offset, std::size_t length);
    Status try_read(std::uint64_t offset, std::span<std::uint8_t> into);
    /// Discard, or write_zeroes without may_unmap.
    Status clear(Operation operation, std::uint64_t offset, std::uint64_t length);
    Status flush();
    Completion act(Operation operation, std::uint64_t offset, std::uint64_t length);
    Status act_all(Operation operation);
    /// At most `zones` zones, starting with the one that holds `offset`. Fails the test if the
    /// report fails.
    std::vector<Zone> report(std::size_t zones, std::uint64_t offset = 0);

    /// Submits without waiting; drain() reaps.
    void submit(const Request& request);
    /// Turns the loop until `count` completions have come.
    std::vector<Completion> drain(std::size_t count);

    [[nodiscard]] Queue& queue() noexcept { return *queue_; }
    [[nodiscard]] Loop& loop() noexcept { return loop_; }
    void close() { queue_.reset(); }

  private:
    void turn();

    std::unique_ptr<Queue> queue_;
    Loop& loop_;
};

}  // namespace zonebridge::test
