// A queue to a SCSI disk. A command with one flat buffer goes through the ring if the kernel takes
// SCSI commands there; all others go to a few threads that block.
//
// Threads: belongs to its loop's thread.
// Ownership: borrows its loop and the disk; owns its jobs, its threads and its own sg nodes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "transports/loop_thread_pool.h"
#include "transports/ring.h"
#include "transports/scsi/connection.h"
#include "transports/scsi/dialect.h"
#include "transports/scsi/executor.h"
#include "transports/scsi/port.h"
#include "zone/transport.h"

namespace zonebridge::scsi {

/// The ports of one queue, and their nodes. One open of an sg node carries at most 16 commands, so
/// each queue opens its own.
struct Ports {
    UniqueFd control_node;
    UniqueFd data_node;
    std::unique_ptr<Port> control;
    std::unique_ptr<Port> data;
    std::optional<int> bsg_ring;  ///< The bsg node for commands in the ring.
};

class ScsiQueue final : public Queue, private Issuer {
    struct Private {};

  public:
    /// Threads of one queue: the most commands in flight without the ring.
    static constexpr std::size_t most_threads = 8;

    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(
        Loop& loop, const Limits& limits, const Dialect& dialect, Ports ports, std::size_t depth);
    ScsiQueue(Private, Loop& loop, const Limits& limits, const Dialect& dialect, Ports ports,
              std::size_t depth);  // by open()
    ~ScsiQueue() override;

  private:
    class Job;

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    [[nodiscard]] bool start_in_ring(Job& job) noexcept;
    void ended(Job& job) noexcept;

    Ports ports_;
    Executor executor_;
    Ring* ring_ = nullptr;
    std::size_t in_ring_ = 0;

    // All with capacity for depth() from the start.
    std::vector<std::unique_ptr<Job>> jobs_;
    std::vector<Job*> idle_;
    std::vector<Job*> fresh_;
    RingBuffer<Completion> done_;

    std::unique_ptr<LoopThreadPool> pool_;  // last: its threads end before the jobs are gone
};

}  // namespace zonebridge::scsi
