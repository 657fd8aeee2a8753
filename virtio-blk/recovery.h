// Requests that an earlier server took and never answered: which of them can be repeated, and what
// the zone shows of the writes among the others (docs/decisions/inflight.md).
//
// Ownership: borrows the limits, and slots from add() to end(); owns the memory that it compares
// with, only while there are such writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sys/uio.h>
#include <variant>

#include "zone/limits.h"
#include "zone/request.h"
#include "zone/types.h"

namespace zonebridge::virtio_blk {

struct Slot;

class Recovery {
  public:
    explicit Recovery(const Limits& limits) : limits_(limits) {}
    Recovery(const Recovery&) = delete;
    Recovery& operator=(const Recovery&) = delete;

    /// Whether a request that may have been carried out can be repeated: it changes nothing, or
    /// leaves the same bytes in the same place.
    [[nodiscard]] bool may_repeat(const Slot& slot) const noexcept;
    /// Whether the zone shows if this request, a write, was carried out.
    [[nodiscard]] bool zone_tells(const Slot& slot) const noexcept;

    /// Takes a write for which zone_tells() is true. Writes are judged one at a time, in the order in which they
    /// were taken: one that is repeated moves the pointer that the next one finds. Returns the
    /// request to submit, if it is this write's turn.
    [[nodiscard]] std::optional<Request> add(Slot& slot) noexcept;
    /// Whether the completion of the slot's request is for take().
    [[nodiscard]] bool awaits(const Slot& slot) const noexcept {
        return &slot == first_ && step_ != Step::judged;
    }
    enum class Verdict : std::uint8_t {
        not_done,  ///< The zone accepts the write now.
        done,      ///< The data are on the disk. Whether they survive a power cut is unknown.
        unknown,
    };
    /// The verdict, or the further request to submit.
    [[nodiscard]] std::variant<Verdict, Request> take(const Completion& completion) noexcept;
    /// Whether it is this write's turn: end() is due before the slot is used again.
    [[nodiscard]] bool is_current(const Slot& slot) const noexcept { return &slot == first_; }
    /// The current write is answered. Returns the request to submit for the next one. Requires a current
    /// write.
    [[nodiscard]] std::optional<Request> end() noexcept;

  private:
    /// How far the judgement of the first write has come.
    enum class Step : std::uint8_t { asking_zone, reading_back, judged };

    [[nodiscard]] Request ask_zone() noexcept;
    [[nodiscard]] std::variant<Verdict, Request> judge_by_pointer() noexcept;
    [[nodiscard]] bool same_data() const noexcept;

    const Limits& limits_;
    Slot* first_ = nullptr;  // linked through the slots
    Slot* last_ = nullptr;
    Step step_ = Step::judged;

    // The disk's contents where the first write may have gone.
    Zone zone_;
    std::unique_ptr<std::byte, decltype(&std::free)> bytes_{nullptr, &std::free};
    std::size_t size_ = 0;  // of bytes_
    iovec piece_{};
};

}  // namespace zonebridge::virtio_blk
