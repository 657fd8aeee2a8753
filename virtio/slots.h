// A device's slots for the chains of one queue, and the pieces of their buffers. All are allocated
// before the first chain, for the likely need: each slot has pieces for an ordinary chain, and a
// few long chains at a time get pieces from a pool (docs/decisions/pieces.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

/// The largest seg_max that devices offer: two less than a ring of 256, which drivers expect.
inline constexpr std::uint32_t default_seg_max = 254;

/// The most pieces of a chain that is carried out: 1,024 buffers, and a few more for buffers that
/// cross regions of guest memory. A longer chain is cut, and its request fails. Drivers make
/// indirect tables longer than a ring, and longer than seg_max: vioscsi's have 513 entries.
inline constexpr std::size_t most_pieces = 1024 + 64;
/// Pieces of an ordinary chain: 128 KiB in scattered pages and the two heads are 34.
inline constexpr std::size_t slot_pieces = 36;
/// The most chains in flight with more pieces, for each queue. A direct chain takes as many ring
/// descriptors as pieces, so a ring of 1024 has room for 28.
inline constexpr std::size_t most_long_chains = 32;

/// `Slot` has a `Chain chain` and a `std::span<iovec> storage`, as long as the chain is in flight.
template <typename Slot>
class Slots {
  public:
    /// `ring_size`: descriptors of the queue that pop() takes from.
    explicit Slots(std::size_t ring_size)
        : slots_(ring_size),
          pieces_(std::make_unique_for_overwrite<iovec[]>(pieces_for(ring_size))) {
        free_.reserve(ring_size);
        for (auto& slot : slots_) free_.push_back(&slot);
        const auto count = long_chains_for(ring_size);
        pool_.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            pool_.push_back(pieces_.get() + ring_size * slot_pieces + i * most_pieces);
    }
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    /// Bytes that the slots of a ring of that size take.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t ring_size) noexcept {
        return ring_size * (sizeof(Slot) + sizeof(Slot*)) + pieces_for(ring_size) * sizeof(iovec);
    }

    /// The queue's next chain, in a slot of its own. Null: there is none, the chain waits for
    /// pieces, or the queue is broken (see its fault()). A further chain while all slots are in use
    /// is such a fault: the ring has no descriptor for it.
    [[nodiscard]] Slot* pop(VirtQueue& queue) noexcept {
        if (free_.empty()) {
            Chain none;
            (void)queue.pop({}, none);
            return nullptr;
        }
        return filled([&](std::span<iovec> storage, Chain& chain, VirtQueue::TooLong too_long) {
            return queue.pop(storage, chain, too_long);
        });
    }
    /// The same for a chain that an earlier server took and never answered.
    [[nodiscard]] Slot* pop_recovered(VirtQueue& queue) noexcept {
        if (free_.empty()) return nullptr;
        return filled([&](std::span<iovec> storage, Chain& chain, VirtQueue::TooLong too_long) {
            return queue.pop_recovered(storage, chain, too_long);
        });
    }
    void give_back(Slot& slot) noexcept {
        if (slot.storage.size() == most_pieces) pool_.push_back(slot.storage.data());
        slot.storage = {};
        free_.push_back(&slot);
    }

    /// The next chain is a long one, and chains in flight have all pool pieces: pop again once one
    /// of these is given back. Never true while nothing is in flight.
    [[nodiscard]] bool waits() const noexcept { return long_next_ && pool_.empty(); }

    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t in_use() const noexcept { return slots_.size() - free_.size(); }
    [[nodiscard]] auto begin() noexcept { return slots_.begin(); }
    [[nodiscard]] auto end() noexcept { return slots_.end(); }
    [[nodiscard]] auto begin() const noexcept { return slots_.begin(); }
    [[nodiscard]] auto end() const noexcept { return slots_.end(); }

  private:
    [[nodiscard]] static constexpr std::size_t long_chains_for(std::size_t ring_size) noexcept {
        return std::min(ring_size, most_long_chains);
    }
    [[nodiscard]] static constexpr std::size_t pieces_for(std::size_t ring_size) noexcept {
        return ring_size * slot_pieces + long_chains_for(ring_size) * most_pieces;
    }

    template <typename Pop>
    Slot* filled(const Pop& pop) noexcept {
        auto* const slot = free_.back();
        if (!long_next_) [[likely]] {
            const auto index = static_cast<std::size_t>(slot - slots_.data());
            const std::span own(pieces_.get() + index * slot_pieces, slot_pieces);
            const auto result = pop(own, slot->chain, VirtQueue::TooLong::stays);
            if (result == PopResult::chain) [[likely]]
                return taken(*slot, own);
            if (result != PopResult::too_long) return nullptr;
            long_next_ = true;
        }
        if (pool_.empty()) return nullptr;
        long_next_ = false;
        const std::span pieces(pool_.back(), most_pieces);
        if (pop(pieces, slot->chain, VirtQueue::TooLong::cuts) != PopResult::chain) return nullptr;
        pool_.pop_back();
        return taken(*slot, pieces);
    }
    Slot* taken(Slot& slot, std::span<iovec> storage) noexcept {
        slot.storage = storage;
        free_.pop_back();
        return &slot;
    }

    std::vector<Slot> slots_;
    std::unique_ptr<iovec[]> pieces_;  // each slot's own, then the pool's
    std::vector<Slot*> free_;          // capacity slots_.size()
    std::vector<iovec*> pool_;         // the first piece of each free range of most_pieces
    bool long_next_ = false;           // the next chain was found to be long
};

}  // namespace zonebridge::virtio
