// A call that may wait for a peer, with a limit: it runs on a thread of its own, which is left behind
// if the call does not return in time.
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/thread.h"

namespace zonebridge::virtio {

/// What `call` returns; nothing at the limit. What `call` owns is destroyed on its thread, before its
/// result is returned. Throws std::system_error if there are no more threads.
template <typename Result>
[[nodiscard]] std::optional<Result> within(std::chrono::milliseconds limit, const std::string& name,
                                           std::function<Result()> call) {
    struct Shared {
        std::function<Result()> call;
        std::mutex lock;
        std::condition_variable returned;
        std::optional<Result> result;  // under lock
    };
    const auto shared = std::make_shared<Shared>();
    shared->call = std::move(call);
    start_thread(name, [shared] {
        auto result = shared->call();
        shared->call = nullptr;
        {
            const std::lock_guard guard(shared->lock);
            shared->result = std::move(result);
        }
        shared->returned.notify_one();
    }).detach();
    std::unique_lock lock(shared->lock);
    shared->returned.wait_for(lock, limit, [&] { return shared->result.has_value(); });
    return std::move(shared->result);
}

}  // namespace zonebridge::virtio
