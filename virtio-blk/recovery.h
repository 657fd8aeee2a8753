// Requests that an earlier server took and never answered: which of them can be repeated, and what
// their zones show of the others (docs/decisions/inflight.md).
//
// Ownership: borrows the limits, and slots from add() to end(); owns the memory that it compares
// with, only while there are such requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
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

    /// Whether the request changes neither data nor zones.
    [[nodiscard]] static bool changes_nothing(const Slot& slot) noexcept;
    /// Whether a request that may have been carried out can be repeated without a look at its zone:
    /// it changes nothing, leaves the same bytes in the same place, or is refused in every state.
    [[nodiscard]] bool may_repeat(const Slot& slot) const noexcept;

    /// Takes a request that can't be repeated. Such requests are judged one at a time, in the order
    /// in which they were taken: one that is carried out changes the zone that the next one finds.
    /// Returns the request to submit, if it is this one's turn.
    [[nodiscard]] std::optional<Request> add(Slot& slot) noexcept;
    /// Whether the completion of the slot's request is for take().
    [[nodiscard]] bool awaits(const Slot& slot) const noexcept {
        return &slot == first_ && step_ != Step::judged;
    }
    enum class Verdict : std::uint8_t {
        not_done,  ///< To be carried out now; of a write, what is behind Slot::written.
        done,      ///< The change is on the disk. Whether it survives a power cut is unknown.
        unknown,
    };
    /// The verdict, or the further request to submit.
    [[nodiscard]] std::variant<Verdict, Request> take(const Completion& completion) noexcept;
    /// Whether it is this request's turn: end() is due before the slot is used again.
    [[nodiscard]] bool is_current(const Slot& slot) const noexcept { return &slot == first_; }
    /// The current request is answered. Returns the request to submit for the next one. Requires a
    /// current request.
    [[nodiscard]] std::optional<Request> end() noexcept;

  private:
    /// How far the judgement of the first request has come.
    enum class Step : std::uint8_t { asking_zone, reading_back, searching, judged };
    using Judgement = std::variant<Verdict, Request>;

    [[nodiscard]] Request ask_zone() noexcept;
    [[nodiscard]] Judgement judge_by_zone() noexcept;
    [[nodiscard]] Judgement judge_write() noexcept;
    [[nodiscard]] Judgement read_back() noexcept;
    [[nodiscard]] bool same_data() const noexcept;
    [[nodiscard]] Judgement judge_append() noexcept;
    [[nodiscard]] Judgement search_on() noexcept;
    void search_piece() noexcept;
    /// Makes room for `length` bytes, and reads them from `offset`.
    [[nodiscard]] Judgement read(std::uint64_t offset, std::size_t length) noexcept;
    /// Calls `each` for the appends that the current search is for.
    template <typename Each>
    void for_searched(const Each& each) noexcept;

    const Limits& limits_;
    Slot* first_ = nullptr;  // linked through the slots
    Slot* last_ = nullptr;
    Step step_ = Step::judged;

    // The disk's contents where the first request may have left its data.
    Zone zone_;
    std::unique_ptr<std::byte, decltype(&std::free)> bytes_{nullptr, &std::free};
    std::size_t size_ = 0;  // of bytes_
    iovec piece_{};
    // A write: the bytes of its data that were compared, and those that are to be.
    std::uint64_t compared_ = 0;
    std::uint64_t to_compare_ = 0;
    // The part of the zone that is still to be searched, in bytes on the disk.
    std::uint64_t search_at_ = 0;
    std::uint64_t search_end_ = 0;
};

}  // namespace zonebridge::virtio_blk
