// A device for tests over a real one: the state machine in memory, or an emulated disk in a file.
// It counts requests of one zone that must not be in flight together. A test can make the device
// hold back, reorder and fail requests.
//
// Threads: as in zone/transport.h. A test sets the hooks and switches while no queue is in use, and
// `held` at any time.
// Ownership: owns the transport below.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "zone/transport.h"

namespace zonebridge::test {

class BareDevice final : public Transport {
  public:
    /// How a request fails.
    struct Fault {
        Status status;
        std::uint64_t written = 0;  ///< Bytes that a failing write still writes.
    };

    /// `append`, absent or native, replaces what the transport below says.
    BareDevice(std::unique_ptr<Transport> below, Support append);

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return below_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    [[nodiscard]] tl::expected<void, Error> close() override { return below_->close(); }

    // ---- What a test can make the device do.

    /// Called for each request before the request is carried out, on the thread of its queue.
    std::function<std::optional<Fault>(const Request&)> fault;
    /// Reports each failure as an input/output error, as a Linux block device does.
    bool hides_errors = false;
    /// Which requests are held back until this changes.
    enum class Held : std::uint8_t { none, writes, everything };
    std::atomic<Held> held = Held::none;
    /// Also holds back each request for which this returns true. Called on the thread of the queue.
    std::function<bool(const Request&)> holds_back;
    /// Each request waits a random number of turns, at most this many.
    std::uint32_t most_turns = 0;
    std::uint64_t seed = 1;

    // ---- What a test can look up.

    std::atomic<std::uint64_t> writes = 0;
    std::atomic<std::uint64_t> appends = 0;
    std::atomic<std::uint64_t> reads = 0;
    std::atomic<std::uint64_t> actions = 0;
    std::atomic<std::uint64_t> reports = 0;
    /// Requests that came to a zone while a request was in flight there that excludes them. A write
    /// or an action excludes all but reads. An append excludes writes and actions.
    std::atomic<std::uint64_t> collisions = 0;
    /// The largest number of appends in flight in one zone.
    std::atomic<std::uint32_t> most_appends = 0;

  private:
    friend class BareQueue;

    struct ZoneUse {
        std::atomic<std::uint32_t> writes = 0;
        std::atomic<std::uint32_t> appends = 0;
        std::atomic<std::uint32_t> actions = 0;
    };

    void enter(const Request& request);
    void leave(const Request& request);
    void count(const Request& request, bool entering);

    std::unique_ptr<Transport> below_;
    Limits limits_;
    std::vector<ZoneUse> use_;
};

}  // namespace zonebridge::test
