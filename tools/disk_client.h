// An open device for a command: a transport, a loop and one queue, with blocking calls.
//
// Threads: belongs to the thread that opened it.
// Ownership: owns transport, loop and queue; borrows a request's buffers until its completion is
// taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/failure.h"
#include "transports/device.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::tools {

/// A device's name on the command line, and how to open it.
struct DeviceArguments {
    std::string name;
    bool force = false;
    bool accept_loss = false;
    DataPath data_path = DataPath::any;
};

class DiskClient {
  public:
    enum class Access { read, write };

    /// Opens `device`, and prints its notice on standard error if it has one.
    [[nodiscard]] static tl::expected<DiskClient, Failure> open(const DeviceArguments& device,
                                                                Access access,
                                                                std::size_t depth = 64);

    /// The device as the user named it.
    [[nodiscard]] const std::string& device() const noexcept { return device_; }
    /// The device's file or node, to compare it with other files; empty if it has none.
    [[nodiscard]] std::string file() const;
    [[nodiscard]] const Limits& limits() const noexcept { return transport_->limits(); }
    [[nodiscard]] const Layout& layout() const noexcept { return limits().layout; }
    [[nodiscard]] const Identity& identity() const noexcept { return transport_->identity(); }

    /// Requests that may be in flight at once.
    [[nodiscard]] std::size_t depth() const noexcept { return queue_->depth(); }
    /// The queue and its loop, for verbs that drive them directly.
    [[nodiscard]] Queue& queue() noexcept { return *queue_; }
    [[nodiscard]] Loop& loop() noexcept { return *loop_; }

    /// Submits one request. Fails only if the loop does.
    [[nodiscard]] Outcome submit(const Request& request);
    /// The next completion, in no particular order; sleeps until there is one. Requires a request
    /// in flight.
    [[nodiscard]] tl::expected<Completion, Failure> wait();
    /// submit() and wait(), for use when nothing else is in flight.
    [[nodiscard]] tl::expected<Completion, Failure> run(const Request& request);

    /// Fills `zones`, starting with the zone that holds `offset`; returns how many.
    [[nodiscard]] tl::expected<std::size_t, Failure> report(std::uint64_t offset,
                                                            std::span<Zone> zones);
    /// Makes everything written durable.
    [[nodiscard]] Outcome flush();
    /// Closes the queue, then the device, which reports whether all data is durable. Call it once,
    /// last.
    [[nodiscard]] Outcome close();

  private:
    DiskClient(std::string device, std::unique_ptr<Transport> transport, std::unique_ptr<Loop> loop,
               std::unique_ptr<Queue> queue);
    [[nodiscard]] Outcome turn(Loop::Wait wait);
    void collect();

    std::string device_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<Queue> queue_;
    std::vector<Completion> done_;  // reaped, not yet taken; the oldest at next_
    std::size_t next_ = 0;
};

}  // namespace zonebridge::tools
