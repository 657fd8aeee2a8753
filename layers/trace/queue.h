// A queue that reports refusals and failures: it remembers each request, and asks for the zone of
// each request that failed.
//
// Threads: belongs to its loop's thread.
// Ownership: owns the lower queue and a slot for each request in flight; borrows the sink.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/list.h"
#include "zone/refusal.h"
#include "zone/transport.h"

namespace zonebridge::trace {

class TracingQueue final : public Queue {
  public:
    TracingQueue(Loop& loop, const Limits& limits, RefusalSink& sink, std::unique_ptr<Queue> inner);

  private:
    struct Slot {
        Slot* next = nullptr;
        std::uint64_t tag = 0;
        Operation operation = Operation::read;
        Scope scope = Scope::zones;
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
    };
    /// A completion that is held back until its zone is known.
    struct alignas(8) Inquiry {
        Inquiry* next = nullptr;
        Slot* slot = nullptr;
        Completion completion;
        std::array<Zone, 4> zones = {};
    };
    static constexpr std::size_t most_inquiries = 4;
    // Tags below are the address of a slot or, with this mark, of an inquiry.
    static constexpr std::uint64_t inquiry_mark = 1;

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    [[nodiscard]] bool take_refused(const Request& request, StatusCode code) noexcept override;

    [[nodiscard]] Slot& remember(const Request& request) noexcept;
    void ended(Slot& slot, const Completion& completion) noexcept;
    [[nodiscard]] bool ask(Slot& slot, const Completion& completion) noexcept;
    void answered(Inquiry& inquiry, const Completion& report) noexcept;
    void log(const Slot& slot, Status status, const Zone* zone) noexcept;
    void finish(Slot& slot, const Completion& completion) noexcept;

    RefusalSink& sink_;
    std::vector<Slot> slots_;
    List<Slot> idle_;
    std::array<Inquiry, most_inquiries> inquiries_;
    List<Inquiry> idle_inquiries_;
    RingBuffer<Completion> done_;
    std::array<Completion, 64> returned_ = {};
    std::unique_ptr<Queue> inner_;  // last: destroyed first, while the zone buffers above still
                                    // exist
};

}  // namespace zonebridge::trace
