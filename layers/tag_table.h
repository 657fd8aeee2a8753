// A layer's notes of the requests in flight, a slot for each. The queue below gets the slot's
// address as the request's tag, and so the completion leads back to the slot.
//
// Threads: belongs to its queue's thread.
// Ownership: owns the slots; allocates only when it is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/list.h"
#include "zone/transport.h"

namespace zonebridge {

/// `Slot` has a member `Slot* next`, which the layer may use while the slot is taken.
template <typename Slot>
class TagTable {
  public:
    /// `depth`: the most requests in flight at once.
    explicit TagTable(std::size_t depth) : slots_(depth) {
        for (auto& slot : slots_) free_.push(slot);
    }
    TagTable(const TagTable&) = delete;
    TagTable& operator=(const TagTable&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }

    /// A free slot, with the notes of an earlier request. Requires that one is free.
    [[nodiscard]] Slot& take() noexcept { return *free_.pop(); }
    void give_back(Slot& slot) noexcept { free_.push(slot); }

    /// The tag for the queue below. It is even: a layer may mark other tags by their lowest bit.
    [[nodiscard]] static std::uint64_t tag_of(const Slot& slot) noexcept {
        static_assert(alignof(Slot) > 1);
        return reinterpret_cast<std::uintptr_t>(&slot);
    }
    /// Requires a tag of tag_of().
    [[nodiscard]] static Slot& slot_of(std::uint64_t tag) noexcept {
        return *reinterpret_cast<Slot*>(static_cast<std::uintptr_t>(tag));
    }

    /// Reaps everything from the queue below, and calls `visit` with each completion.
    template <typename Visit>
    void reap(Queue& below, Visit visit) noexcept {
        for (auto count = returned_.size(); count == returned_.size();) {
            count = below.reap(returned_);
            for (const auto& completion : std::span(returned_).first(count)) visit(completion);
        }
    }

  private:
    std::vector<Slot> slots_;
    List<Slot> free_;
    std::array<Completion, 64> returned_ = {};
};

}  // namespace zonebridge
