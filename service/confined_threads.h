// What the kernel keeps for each thread of its own: user and group, capabilities, Landlock. The
// disks' and workers' threads run before the server can be confined, so every thread changes itself,
// in a signal handler.
//
// Threads: use from the main thread, while no other thread starts threads.
// Ownership: owns the Landlock rules, and the records that the handlers write.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "zone/status.h"

namespace zonebridge::service {

/// A user to become, with one group.
struct RunAs {
    uid_t user = 0;
    gid_t group = 0;
};

/// "NAME", "UID", "NAME:GROUP", "UID:GROUP"; a user without a group has that of the user database.
/// The error is in words.
[[nodiscard]] tl::expected<RunAs, std::string> parse_run_as(const std::string& text);

/// A Landlock domain in which no file can be opened, made, changed or removed by its path, no TCP port
/// used, and no process or abstract socket outside reached, as far as the kernel's version has that.
struct LandlockRules {
    UniqueFd rules;
    int version = 0;  ///< Of Landlock's interface (its "ABI").
};
/// The error: this kernel has no Landlock, or it is switched off.
[[nodiscard]] tl::expected<LandlockRules, Error> make_landlock_rules();

struct Confinement {
    std::optional<RunAs> run_as;
    std::uint64_t capabilities = 0;  ///< Kept, as bits, of those that the process has.
    const LandlockRules* landlock = nullptr;
};

class ConfinedThreads {
  public:
    /// For a thread that sleeps in the kernel. None does so without answering signals, unless a disk
    /// hangs.
    static constexpr std::chrono::seconds patience{10};

    ConfinedThreads();
    ConfinedThreads(const ConfinedThreads&) = delete;
    ConfinedThreads& operator=(const ConfinedThreads&) = delete;
    ~ConfinedThreads();

    /// Changes all threads, this one last, for good; threads that start later inherit it. Sets
    /// no_new_privs, too. After an error some threads may be changed. Once; uses SIGSYS.
    [[nodiscard]] tl::expected<void, Error> confine(const Confinement& how);

  private:
    struct Record;
    // A late handler may still use these.
    Confinement how_;
    std::vector<std::unique_ptr<Record>> records_;
};

}  // namespace zonebridge::service
