// A small process beside the server, for what the confined server can't do itself any more.
//
// Threads: start one on the main thread, while there is no other thread. It has one thread.
// Ownership: the process ends when `run` returns; `run` returns when the channel is closed.
#pragma once

#include <cstdint>
#include <functional>
#include <sys/types.h>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "zone/status.h"

namespace zonebridge::service {

struct HelperProcess {
    UniqueFd channel;  ///< A socket that keeps the limits of messages.
    pid_t process = 0;
};

/// Forks. The process has this name, and no descriptor of this process but standard error and its end
/// of the channel; a copy of the front end's socket, or of a disk, would keep it open when the server
/// is gone. It keeps these capabilities, as bits, and gains none.
[[nodiscard]] tl::expected<HelperProcess, Error> start_helper_process(
    const char* name, std::uint64_t capabilities, const std::function<void(int channel)>& run);

/// Takes all capabilities but these from the calling thread. Returns 0 or an errno. May be called in a
/// signal handler.
[[nodiscard]] int reduce_capabilities(std::uint64_t kept) noexcept;

}  // namespace zonebridge::service
