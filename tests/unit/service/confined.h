// Runs an attempt in a process of its own, on a worker's thread that ran before the process was confined.
//
// Threads: the test's own.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "service/sandbox.h"
#include "service/worker.h"

namespace zonebridge::service {

/// Returns what becomes the process's exit status: 0, an errno, or `bad`.
using Attempt = std::function<int(Ring& ring)>;
inline constexpr int bad = 200;

struct Ended {
    int status = -1;  ///< Exit status; 1000 + signal if a signal ended the process.
    std::string log;
};
inline constexpr int killed = 1000;

/// Runs `child` in a process of its own, with its standard error in Ended::log.
inline Ended in_process(const std::function<int()>& child) {
    std::array<int, 2> log{};
    if (::pipe2(log.data(), O_CLOEXEC) != 0) return {};
    const auto process = ::fork();
    if (process == 0) {
        ::dup2(log[1], STDERR_FILENO);
        ::_exit(child());
    }
    ::close(log[1]);
    Ended ended;
    std::array<char, 512> piece{};
    for (ssize_t got = 0; (got = ::read(log[0], piece.data(), piece.size())) > 0;)
        ended.log.append(piece.data(), static_cast<std::size_t>(got));
    ::close(log[0]);
    int status = 0;
    ::waitpid(process, &status, 0);
    ended.status = WIFSIGNALED(status) ? killed + WTERMSIG(status) : WEXITSTATUS(status);
    return ended;
}

inline Workers one_worker() {
    auto workers = start_workers(1, Spin(std::chrono::microseconds{0}), [](const Error&) {});
    if (!workers) ::_exit(bad);
    return std::move(*workers);
}

inline int on_worker(const Workers& workers, const Attempt& attempt) {
    int result = bad;
    workers[0]->call([&](Ring& ring) { result = attempt(ring); });
    return result;
}

/// A server with an emulated disk; `rules` for its broker.
inline Ended confined(const Attempt& attempt, const BrokerRules& rules = {},
                      Parts parts = {Part::base, Part::vhost_user, Part::emulated}) {
    return in_process([&] {
        SandboxOptions options;
        options.mode = SandboxOptions::Mode::require;
        auto sandbox = Sandbox::start(options, rules);
        if (!sandbox) return bad;
        const auto workers = one_worker();
        if (const auto entered = sandbox->enter(parts); !entered) {
            std::fputs(entered.error().message.c_str(), stderr);
            return bad;
        }
        return on_worker(workers, attempt);
    });
}

inline int error_of(long result) {
    return result < 0 ? errno : 0;
}

inline int try_open(const std::string& path, int flags) {
    return error_of(::open(path.c_str(), flags, 0600));
}

struct RecordedResult final : Ring::Completer {
    void complete(const Result& result) noexcept override {
        value = result.value;
        done = true;
    }
    int value = 0;
    bool done = false;
};

inline int by_ring(Ring& ring, const std::function<void(io_uring_sqe*)>& prepare) {
    RecordedResult result;
    prepare(ring.prepare(result));
    while (!result.done)
        if (!ring.turn(Loop::Wait::sleep)) return bad;
    return result.value < 0 ? -result.value : 0;
}

}  // namespace zonebridge::service
