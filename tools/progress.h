// A progress line on the terminal for long work. Prints nothing if standard error is no terminal,
// or the work is over quickly.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace zonebridge::tools {

class Progress {
  public:
    enum class Unit { bytes, zones };

    /// `total` 0: unknown.
    Progress(std::string what, Unit unit, std::uint64_t total);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    /// Removes the line from the terminal.
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
