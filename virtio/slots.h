// What a device keeps of the chains of one queue: a slot for each that may be in flight, and room for
// its pieces, all there before the first chain comes.
//
// Threads: belongs to the device's thread.
// Ownership: owns the slots and their storage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

/// The seg_max that devices offer at most: two less than a ring of 256 (what drivers have in mind).
inline constexpr std::uint32_t default_seg_max = 254;

/// Pieces a chain may have: as many descriptors as the ring has, or as a request of seg_max segments
/// and its two heads, which drivers make in indirect tables longer than a small ring; and a few more
/// for buffers that span regions of guest memory.
[[nodiscard]] inline std::size_t pieces_of_chain(std::size_t ring_size) noexcept {
    return std::max<std::size_t>(ring_size, default_seg_max + 2) + 8;
}

/// `Slot` has a `Chain chain` and a `std::span<iovec> storage`.
template <typename Slot>
class Slots {
  public:
    /// `ring_size` is that of the queue that is given to pop.
    explicit Slots(std::size_t ring_size)
        : slots_(ring_size), storage_(ring_size * pieces_of_chain(ring_size)) {
        const auto pieces = pieces_of_chain(ring_size);
        free_.reserve(ring_size);
        for (std::size_t i = 0; i < ring_size; ++i) {
            slots_[i].storage = std::span(storage_).subspan(i * pieces, pieces);
            free_.push_back(&slots_[i]);
        }
    }
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    /// The queue's next chain, in a slot of its own. Null: there is none, or the queue is broken, which
    /// its fault() tells. With all slots in use a chain more is such a fault: the ring has no descriptor
    /// for it.
    [[nodiscard]] Slot* pop(VirtQueue& queue) noexcept {
        if (free_.empty()) {
            Chain none;
            (void)queue.pop({}, none);
            return nullptr;
        }
        return filled([&](Slot& slot) { return queue.pop(slot.storage, slot.chain); });
    }
    /// The same of a chain that a server before this one took and never answered.
    [[nodiscard]] Slot* pop_recovered(VirtQueue& queue) noexcept {
        return filled([&](Slot& slot) { return queue.pop_recovered(slot.storage, slot.chain); });
    }
    void give_back(Slot& slot) noexcept { free_.push_back(&slot); }

    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t in_use() const noexcept { return slots_.size() - free_.size(); }
    [[nodiscard]] auto begin() noexcept { return slots_.begin(); }
    [[nodiscard]] auto end() noexcept { return slots_.end(); }
    [[nodiscard]] auto begin() const noexcept { return slots_.begin(); }
    [[nodiscard]] auto end() const noexcept { return slots_.end(); }

  private:
    template <typename Fill>
    Slot* filled(const Fill& fill) noexcept {
        if (free_.empty()) return nullptr;
        auto* const slot = free_.back();
        if (fill(*slot) != PopResult::chain) return nullptr;
        free_.pop_back();
        return slot;
    }

    std::vector<Slot> slots_;
    std::vector<iovec> storage_;
    std::vector<Slot*> free_;  // capacity slots_.size()
};

}  // namespace zonebridge::virtio
