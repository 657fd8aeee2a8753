// A disk's file in memory that loses unsynced data in a power cut. Of each 512-byte sector, the
// durable version or any later one survives, whatever happens to other sectors. A mapped part is memory
// of the store: like the page cache, it keeps what was stored when the process is killed, and any part
// of it may be durable.
//
// Threads: the thread that made the store drives the test. Changes by other threads wait until the
// test allows them, so that a run can be repeated.
// Ownership: owns its sectors; the File from file() borrows the store.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "transports/emulated/file.h"

namespace zonebridge::emulated {

using Random = std::mt19937_64;

class LossyStore {
  public:
    static constexpr std::size_t sector_size = 512;
    using Sector = std::array<std::uint8_t, sector_size>;
    enum Change : unsigned { write = 1, sync = 2, punch = 4, everything = 7 };

    [[nodiscard]] std::unique_ptr<File> file();

    /// The power fails during the `count`th change from now on. That change and all later ones
    /// fail.
    void cut_after(std::uint64_t count);
    [[nodiscard]] bool dead();
    [[nodiscard]] std::uint64_t changes();

    /// The contents when the power is back. All of them are durable.
    [[nodiscard]] std::unique_ptr<LossyStore> survivor(Random& random);
    /// The contents now, with unsynced data: the process was killed, but the machine still runs.
    [[nodiscard]] std::unique_ptr<LossyStore> after_kill();

    // Control of the changes by other threads.
    void allow(unsigned changes);
    /// Allows no changes.
    void hold();
    /// Waits until another thread wants to do `change`.
    void wait_until_wanted(Change change);

  private:
    friend class LossyFile;

    void enter(Change change, std::unique_lock<std::mutex>& guard);
    [[nodiscard]] bool count_change();
    [[nodiscard]] Sector content(std::uint64_t sector) const;
    void put(std::uint64_t sector, const Sector& content);
    [[nodiscard]] std::map<std::uint64_t, Sector> unsynced_stores() const;

    std::mutex lock_;
    std::condition_variable changed_;
    std::thread::id owner_ = std::this_thread::get_id();
    unsigned allowed_ = everything;
    unsigned wanted_ = 0;

    std::map<std::uint64_t, Sector> durable_;
    std::map<std::uint64_t, std::vector<Sector>> pending_;  // oldest first
    std::uint64_t size_ = 0;
    std::uint64_t durable_size_ = 0;
    std::vector<std::uint8_t> mapped_;
    std::uint64_t mapped_at_ = 0;
    std::uint8_t boot_ = 1;  // another number after each power cut
    std::uint64_t changes_ = 0;
    std::optional<std::uint64_t> cut_at_;
    bool dead_ = false;
};

}  // namespace zonebridge::emulated
