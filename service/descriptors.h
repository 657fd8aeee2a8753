// The file descriptors that a server needs, counted before it runs out of them: a process without
// descriptors can accept no front end, and open no disk again.
//
// Threads: belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::service {

/// Raises this process's limit as far as it may (RLIMIT_NOFILE, the hard limit).
void raise_descriptor_limit() noexcept;

class DescriptorBudget {
  public:
    /// For that many workers and request queues; a whole session is included. Counts what is open
    /// now: make it before any disk is opened.
    DescriptorBudget(unsigned workers, std::uint16_t queues);

    /// Refuses that many disks if a session with all queues might find too few descriptors.
    [[nodiscard]] tl::expected<void, Error> check(std::size_t disks) const;

    /// The most that are open with that many disks.
    [[nodiscard]] std::size_t needed_for(std::size_t disks) const noexcept;

  private:
    unsigned workers_;
    std::size_t fixed_;  // without disks
};

}  // namespace zonebridge::service
