// The one way to start a thread in Zonebridge: it has a name, and the signal mask that every thread but
// the main one needs.
//
// Ownership: the caller owns the thread and joins it.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace zonebridge {

/// Starts a thread that runs `run`. `name`: the first 15 characters show. Signals that are sent to the
/// process are left to the main thread. Those that a thread causes itself stay open: a page of guest
/// memory that a front end truncated raises SIGBUS in the thread that touches the page, and the kernel
/// ends a process that blocks such a signal, whatever handler there is (virtio/sigbus.h). Throws
/// std::system_error where the system has no more threads, as std::thread does.
[[nodiscard]] std::thread start_thread(const std::string& name, std::function<void()> run);

}  // namespace zonebridge
