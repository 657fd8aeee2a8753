// A small process beside a confined server, which opens files that the server still needs: disks that
// are added later, and what the removal of a VDUSE device needs. It also removes the server's sockets
// at the end. No guest and no front end talks to it.
//
// The server has no code for this: it calls open(2), and the kernel lets the broker answer (seccomp's
// user notification). Only the rules decide what it answers (service/broker_rules.h).
//
// Threads: make it on the main thread, while there is no other thread. The broker has one thread.
// Ownership: the process ends when this object or the server does.
#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "service/broker_rules.h"
#include "zone/status.h"

namespace zonebridge::service {

class Broker {
  public:
    /// Forks (service/helper_process.h).
    [[nodiscard]] static tl::expected<Broker, Error> start(const BrokerRules& rules);

    /// From here on the broker answers the calls that arrive at `listener`. Fails also if the system
    /// does not let the broker read the calls' paths.
    [[nodiscard]] tl::expected<void, Error> answer(UniqueFd listener);

  private:
    explicit Broker(UniqueFd channel) noexcept : channel_(std::move(channel)) {}

    UniqueFd channel_;
};

}  // namespace zonebridge::service
