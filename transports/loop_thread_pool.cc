#include "transports/loop_thread_pool.h"

#include <utility>

namespace zonebridge {

tl::expected<std::unique_ptr<LoopThreadPool>, Error> LoopThreadPool::start(Loop& loop,
                                                                           unsigned threads) {
    auto pool = ThreadPool::start(threads);
    if (!pool) return tl::unexpected(os_failure(pool.error(), "can't start a thread pool"));
    const auto fd = (*pool)->fd();
    auto started = std::make_unique<LoopThreadPool>(Private{}, loop, std::move(*pool));
    if (auto watched = loop.watch(fd, *started); !watched) return tl::unexpected(watched.error());
    return started;
}

}  // namespace zonebridge
