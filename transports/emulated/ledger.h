// Records the zones written since they were last durable: how much of each is durable, and the hash
// of the later data. Bounded, with no entry for other zones: when the ledger is full, writers to
// further zones wait for a commit.
//
// Threads: guarded by the disk's lock.
// Ownership: owns its entries, all allocated at construction; a pointer to one is valid until that
// zone is removed or settled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace zonebridge::emulated {

class Ledger {
  public:
    struct Entry {
        std::uint32_t zone = 0;
        bool used = false;
        bool pinned = false;       ///< A write is in flight: keep the entry through a commit.
        bool in_snapshot = false;  ///< The current commit covers `snapshot_written`.
        bool finished = false;     ///< Full by a FINISH, whatever was written since.
        std::uint64_t proven = 0;  ///< Bytes of the zone known durable.
        std::uint64_t hash = 0;    ///< Of [proven, written).
        std::uint64_t snapshot_written = 0;
        std::uint64_t snapshot_hash = 0;
        std::optional<std::size_t> next;  // in its bucket, or in the list of unused entries
    };

    explicit Ledger(std::size_t capacity);

    [[nodiscard]] Entry* find(std::uint32_t zone) noexcept;
    /// A new entry for a zone that has none; null when full.
    [[nodiscard]] Entry* add(std::uint32_t zone, std::uint64_t proven) noexcept;
    void remove(std::uint32_t zone) noexcept;

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return entries_.size(); }

    /// Calls `visit(entry)` for every entry and removes those for which it returns false.
    template <typename Visit>
    void visit(Visit visit) noexcept {
        for (auto& entry : entries_)
            if (entry.used && !visit(entry)) remove(entry.zone);
    }

  private:
    [[nodiscard]] std::optional<std::size_t>& bucket(std::uint32_t zone) noexcept {
        return buckets_[zone % buckets_.size()];
    }

    std::vector<Entry> entries_;
    std::vector<std::optional<std::size_t>> buckets_;
    std::optional<std::size_t> unused_;
    std::size_t count_ = 0;
};

}  // namespace zonebridge::emulated
