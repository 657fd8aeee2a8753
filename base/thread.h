// The one way to start a thread in Zonebridge: the thread gets a name, and the signal mask that
// every thread but the main one needs.
//
// Ownership: the caller owns the thread and joins it.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace zonebridge {

/// Starts a thread that runs `run`. Only the first 15 characters of `name` show. Signals sent to
/// the process are left to the main thread. Signals that a thread raises itself are not blocked: a
/// page of guest memory that a front end truncated raises SIGBUS in the thread that touches the
/// page, and the kernel kills a process that blocks such a signal, even if the process has a
/// handler (base/sigbus.h). Throws std::system_error, like std::thread, if the system has no more
/// threads.
[[nodiscard]] std::thread start_thread(const std::string& name, std::function<void()> run);

}  // namespace zonebridge
