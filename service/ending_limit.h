// Ends the process when it should stop and can't, because a disk does not return its requests: the
// kernel still uses the memory of those requests, so nothing can be unmapped, closed or waited for.
//
// Threads: has one of its own; begin() may be called on any thread.
// Ownership: owns its thread; borrows `stop`.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "zone/status.h"

namespace zonebridge::service {

class EndingLimit {
    struct Private {};

  public:
    /// `stop`: a descriptor that becomes readable when the process should end, and stays readable;
    /// none if only begin() starts the limit. After `limit` from then, a line goes to the log and
    /// the process exits with status 1 at once, without destructors or exit handlers.
    [[nodiscard]] static tl::expected<std::unique_ptr<EndingLimit>, Error> start(
        std::optional<int> stop, std::chrono::milliseconds limit);

    EndingLimit(Private, std::chrono::milliseconds limit);  // by start()
    EndingLimit(const EndingLimit&) = delete;
    EndingLimit& operator=(const EndingLimit&) = delete;
    /// Ends the limit: the process ended in time.
    ~EndingLimit();

    /// Starts the limit. Only the first call counts; without `limit` it is start()'s.
    void begin(std::optional<std::chrono::milliseconds> limit = std::nullopt) noexcept;

  private:
    void watch(int stop) const;

    std::atomic<std::chrono::milliseconds> limit_;
    std::atomic<bool> told_{false};
    UniqueFd begun_;
    UniqueFd over_;
    std::thread thread_;
};

}  // namespace zonebridge::service
