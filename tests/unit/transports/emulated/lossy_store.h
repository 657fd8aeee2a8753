// A disk's file in memory that loses what was not synced when the power goes: of every 512-byte
// sector either what was durable or any later version survives, whatever happens to its neighbours.
//
// Threads: one thread (the one that made it) drives the test; every other thread's changes wait
// until they are allowed, so that a run can be repeated.
// Ownership: owns its sectors; the File it gives out borrows it.
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

    /// The `count`th change from now on is the last one begun: it and all later ones fail.
    void cut_after(std::uint64_t count);
    [[nodiscard]] bool dead();
    [[nodiscard]] std::uint64_t changes();

    /// What is found when the power is back: all of it durable.
    [[nodiscard]] std::unique_ptr<LossyStore> survivor(Random& random);
    /// As it is now, unsynced parts included: a process was killed, the machine lives on.
    [[nodiscard]] std::unique_ptr<LossyStore> after_kill();

    // Other threads' changes.
    void allow(unsigned changes);
    /// Nothing is allowed any more.
    void hold();
    /// Waits until another thread wants to do `change`.
    void wait_until_wanted(Change change);

  private:
    friend class LossyFile;

    void enter(Change change, std::unique_lock<std::mutex>& guard);
    [[nodiscard]] bool count_change();
    [[nodiscard]] Sector content(std::uint64_t sector) const;
    void put(std::uint64_t sector, const Sector& content);

    std::mutex lock_;
    std::condition_variable changed_;
    std::thread::id owner_ = std::this_thread::get_id();
    unsigned allowed_ = everything;
    unsigned wanted_ = 0;

    std::map<std::uint64_t, Sector> durable_;
    std::map<std::uint64_t, std::vector<Sector>> pending_;  // oldest first
    std::uint64_t size_ = 0;
    std::uint64_t durable_size_ = 0;
    std::uint64_t changes_ = 0;
    std::optional<std::uint64_t> cut_at_;
    bool dead_ = false;
};

}  // namespace zonebridge::emulated
