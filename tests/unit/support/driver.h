// Drives one storage queue request by request, as a test reads best; and bytes that tell where they
// came from.
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

/// Bytes that no other `stamp` or position has.
[[nodiscard]] Bytes pattern(std::uint64_t stamp, std::size_t length);

/// What fails without a Status (the loop itself, a full queue, a foreign completion) is a
/// std::runtime_error.
class Driver {
  public:
    Driver(std::unique_ptr<Queue> queue, Loop& loop) : queue_(std::move(queue)), loop_(loop) {}

    /// Submits all, waits for all; completions in the order of the requests.
    std::vector<Completion> run(std::span<const Request> requests);
    Completion run(const Request& request) { return run(std::span(&request, 1)).front(); }

    Status write(std::uint64_t offset, std::span<const std::uint8_t> data, bool fua = false);
    Completion append(std::uint64_t zone_start, std::span<const std::uint8_t> data);
    /// Fails the test if the read does.
    Bytes read(std::uint64_t offset, std::size_t length);
    Status try_read(std::uint64_t offset, std::span<std::uint8_t> into);
    /// Discard, or write_zeroes without may_unmap.
    Status clear(Operation operation, std::uint64_t offset, std::uint64_t length);
    Status flush();
    Completion act(Operation operation, std::uint64_t offset, std::uint64_t length);
    Status act_all(Operation operation);
    /// At most so many zones, from the one that holds `offset` on. Fails the test if the report
    /// does.
    std::vector<Zone> report(std::size_t zones, std::uint64_t offset = 0);

    /// Hands over without waiting; reap with drain().
    void submit(const Request& request);
    /// Turns the loop until `count` completions came.
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
