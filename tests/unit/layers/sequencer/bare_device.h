// A bare device for tests: another transport seen through eyes that notice when two writes of one
// zone are under way, and hands that hold requests back, mix their order and make them fail. What
// it stands on is real: the state machine in memory, or an emulated disk in a file.
//
// Threads: as zone/transport.h; the hooks and switches are set while no queue is in use, `held`
// any time.
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
    /// What becomes of a request instead of being done.
    struct Fault {
        Status status;
        std::uint64_t written = 0;  ///< Of a write, so many bytes are done all the same.
    };

    /// `append`: absent or native, whatever the transport below says.
    BareDevice(std::unique_ptr<Transport> below, Support append);

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return below_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    [[nodiscard]] tl::expected<void, Error> close() override { return below_->close(); }

    // ---- What a test makes it do.

    /// Asked for every request before it is done; by the thread of its queue.
    std::function<std::optional<Fault>(const Request&)> fault;
    /// Whatever fails is said to be an input/output error, as a Linux block device does.
    bool mumbles = false;
    /// Which requests stay where they are until this changes.
    enum class Held : std::uint8_t { none, writes, everything };
    std::atomic<Held> held = Held::none;
    /// Of the others, those for which this is true stay as well; asked by the thread of their queue.
    std::function<bool(const Request&)> holds_back;
    /// Each request waits up to so many turns, at random.
    std::uint32_t most_turns = 0;
    std::uint64_t seed = 1;

    // ---- What a test asks.

    std::atomic<std::uint64_t> writes = 0;
    std::atomic<std::uint64_t> appends = 0;
    std::atomic<std::uint64_t> reads = 0;
    std::atomic<std::uint64_t> actions = 0;
    std::atomic<std::uint64_t> reports = 0;
    /// Requests that met another of their zone which they must never meet: a write a write, an
    /// action anything but a read.
    std::atomic<std::uint64_t> collisions = 0;
    /// The most appends that were under way in one zone at once.
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
