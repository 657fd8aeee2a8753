// Ends the process when it was told to stop and can't, since a disk does not give back what it was asked
// for: the memory of those requests is lent to the kernel, so nothing can be unmapped, closed or waited for
// any more.
//
// Threads: has one of its own; begin() belongs to any.
// Ownership: owns its thread; borrows `stop`.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include <tl/expected.hpp>

#include "virtio/unique_fd.h"
#include "zone/status.h"

namespace zonebridge::service {

class EndingLimit {
    struct Private {};

  public:
    /// `stop`: a descriptor that becomes readable when the process is to end, and stays so; none, if only
    /// begin() tells. From then on there is `limit`, in whatever the process waits; then the log has a line
    /// and the process exits with status 1, without running anything else of it.
    [[nodiscard]] static tl::expected<std::unique_ptr<EndingLimit>, Error> start(
        std::optional<int> stop, std::chrono::milliseconds limit);

    EndingLimit(Private, std::chrono::milliseconds limit);  // by start()
    EndingLimit(const EndingLimit&) = delete;
    EndingLimit& operator=(const EndingLimit&) = delete;
    /// All has ended in time.
    ~EndingLimit();

    /// What is left to do is the end. The first call counts; without a `limit` it is start()'s.
    void begin(std::optional<std::chrono::milliseconds> limit = std::nullopt) noexcept;

  private:
    void watch(int stop) const;

    std::atomic<std::chrono::milliseconds> limit_;
    std::atomic<bool> told_{false};
    virtio::UniqueFd begun_;
    virtio::UniqueFd over_;
    std::thread thread_;
};

}  // namespace zonebridge::service
