// A driver that has one request in flight to each of some zones, and several appends to others, and
// knows what must be on the disk after each answer. It goes on over the death of servers, and counts
// what does not agree.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/kills/front.h"

namespace zonebridge::kills {

struct Counts {
    std::uint64_t answered = 0;
    std::uint64_t interrupted = 0;  ///< Requests that were in flight when a server was killed.
    std::uint64_t lost = 0;         ///< Answered, and not on the disk.
    std::uint64_t doubled = 0;      ///< On the disk more than once, or without having been sent.
    std::uint64_t errors = 0;       ///< Answered with an error.
    std::uint64_t unplaced = 0;     ///< Interrupted appends, answered with an error.

    [[nodiscard]] bool good() const noexcept { return lost == 0 && doubled == 0 && errors == 0; }
};

class Workload {
  public:
    Workload(Front& front, std::uint64_t seed);

    /// Keeps requests in flight for so long.
    void run_for(std::chrono::microseconds time);
    /// The server was killed.
    void interrupt();
    /// Takes the answers to all requests in flight.
    void settle();
    /// Compares the disk with what was answered: what is new, or everything.
    void check(bool everything);

    [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

  private:
    struct Piece {
        std::uint64_t at = 0;  // in the zone
        std::uint32_t length = 0;
        std::uint64_t seed = 0;  // 0: nothing was written
        bool checked = false;
    };
    enum class Role : std::uint8_t {
        steps,    // one write, read or action at a time, at the write pointer
        appends,  // several appends at a time
        plain,    // a conventional zone: one write at a time, anywhere
        flushes,  // no zone
    };
    struct Target {
        Role role = Role::flushes;
        Zone zone;
        std::vector<Piece> pieces = {};
        std::vector<Piece> unplaced = {};  // appends that were answered with an error
        std::uint64_t end = 0;
        bool full = false;
        unsigned in_flight = 0;
    };
    struct Sent {
        std::size_t target = 0;
        Kind kind = Kind::flush;
        Piece piece = {};
        bool interrupted = false;
    };

    void add_targets();
    void fill();
    void next_step(std::size_t number);
    void next_write(std::size_t number);
    void add(const Sent& sent);
    void take(const Answer& answer);
    void done(const Sent& sent, const Answer& answer);
    /// Runs one request while no other is in flight.
    Answer run(const Sent& sent);
    bool check_pointer(Target& target, const Zone& found);
    bool check_pieces(std::size_t number, bool everything);
    bool check_appends(std::size_t number, const Zone& found);
    /// Begins a zone again, after a check that failed or when it is full.
    void empty(std::size_t number);
    void note(std::uint64_t& count, const Target& target, const std::string& what);

    Front& front_;
    std::mt19937_64 random_;
    std::uint64_t seed_ = 0;
    std::vector<Target> targets_;
    std::map<std::uint64_t, Sent> in_flight_;
    Counts counts_;
};

}  // namespace zonebridge::kills
