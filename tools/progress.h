// A line on the terminal that says how far long work has come. Nothing where standard error is no
// terminal, and nothing for work that is over quickly.
//
// Threads: one thread.
// Ownership: owns its text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace zonebridge::tools {

class Progress {
  public:
    enum class Unit { bytes, zones };

    /// `total` 0: not known.
    Progress(std::string what, Unit unit, std::uint64_t total);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    /// Takes the line off the terminal.
    ~Progress();

    void update(std::uint64_t done);
    void clear();

  private:
    std::string what_;
    Unit unit_;
    std::uint64_t total_;
    bool enabled_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point start_;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace zonebridge::tools
