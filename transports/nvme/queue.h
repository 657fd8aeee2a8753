// A queue to an NVMe namespace: every request is one command or a sequence of them, sent through
// the ring or, by a thread pool, by ioctls.
//
// Threads: belongs to its loop's thread; a Slot's run() runs in the thread pool.
// Ownership: borrows its loop and the namespace; owns its slots, its thread pool and the buffer for
// reports.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/bounce.h"
#include "transports/loop_thread_pool.h"
#include "transports/nvme/control.h"
#include "transports/ring.h"
#include "zns/command.h"
#include "zns/report.h"
#include "zone/limits.h"
#include "zone/transport.h"

namespace zonebridge::nvme {

/// Shared by all queues of an open namespace; immutable.
struct Shared {
    std::unique_ptr<Control> control;
    Limits limits;
    bool volatile_cache = true;  ///< A flush is needed.
    bool by_ring = true;         ///< Otherwise by ioctls.
    /// Copy data that is not in memory as whole logical blocks, each aligned to its size: the far
    /// side would take it unchanged and lose data.
    bool whole_blocks = false;
    std::string sysfs;  ///< The node's sysfs folder, which disappears with the device.
};

class NvmeQueue final : public Queue, private Issuer {
    struct Private {};

  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(Loop& loop,
                                                                          const Shared& shared,
                                                                          std::size_t depth);
    NvmeQueue(Private, Loop& loop, const Shared& shared, std::size_t depth);  // by open()
    ~NvmeQueue() override;

  private:
    /// One request in flight.
    struct Slot final : Ring::Completer, ThreadPool::Job {
        explicit Slot(NvmeQueue& owner) noexcept : queue(owner) {}
        void complete(const Result& result) noexcept override {
            answer = {result.value, result.extra[0]};
            queue.answered(*this);
        }
        void run() noexcept override;
        void done() noexcept override { queue.answered(*this); }

        NvmeQueue& queue;
        Request request;
        zns::Command command;
        Data data;
        std::uint32_t timeout = 0;  // milliseconds; 0: the kernel's default
        Answer answer;
        std::span<std::uint8_t> bounce;  // the bounce buffer, if its data is copied
        // The progress of a sequence of commands.
        std::uint32_t zone = 0;   // actions: the zone acted on; reports: the next one to fill in
        std::uint32_t end = 0;    // actions: one past the last zone
        std::uint64_t count = 0;  // zones done, or filled in
    };

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;

    void begin(Slot& slot) noexcept;
    void send(Slot& slot) noexcept;
    [[nodiscard]] bool push(Slot& slot) noexcept;
    void answered(Slot& slot) noexcept;
    void send_copied(Slot& slot) noexcept;
    [[nodiscard]] bool end_copied(Slot& slot) noexcept;
    void answered_append(Slot& slot) noexcept;
    [[nodiscard]] Status status_of_answer(const Slot& slot) const noexcept;
    void finish(Slot& slot, Status status, std::uint64_t result = 0) noexcept;

    // queue_zones.cc
    void begin_action(Slot& slot) noexcept;
    void send_action(Slot& slot, std::uint32_t zone) noexcept;
    void answered_action(Slot& slot) noexcept;
    void begin_report(Slot& slot) noexcept;
    void end_report(Slot& slot, Status status, std::uint64_t result) noexcept;
    void send_report(Slot& slot) noexcept;
    void answered_report(Slot& slot) noexcept;
    [[nodiscard]] std::optional<Zone> decode(const zns::Report& report, std::size_t index,
                                             std::uint32_t zone) const noexcept;

    [[nodiscard]] std::uint64_t lba_of(std::uint64_t offset) const noexcept {
        return offset >> block_shift_;
    }

    const Shared& shared_;
    Ring* ring_ = nullptr;
    unsigned block_shift_;
    bool closing_ = false;
    std::size_t sent_ = 0;  // commands in the kernel

    // All with capacity for depth() from the start.
    std::vector<Slot> slots_;
    std::vector<Slot*> idle_;
    std::vector<Slot*> unsent_;  // the ring had no free entry
    std::vector<Slot*> resending_;
    std::vector<Slot*> uncopied_;  // waiting for a bounce buffer
    RingBuffer<Completion> done_;

    BouncePool bounces_;

    // One report at a time, because they share the buffer.
    std::vector<std::uint8_t> report_bytes_;
    std::vector<Slot*> reports_;  // the first uses the buffer, the others wait

    std::unique_ptr<LoopThreadPool> pool_;  // last: its jobs are the slots
};

}  // namespace zonebridge::nvme
