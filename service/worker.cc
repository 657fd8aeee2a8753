#include "service/worker.h"

#include <optional>

#include <fmt/format.h>

#include "base/thread.h"
#include "service/answers.h"

namespace zonebridge::service {

tl::expected<std::unique_ptr<Worker>, Error> Worker::start(
    const std::string& name, Spin spin, std::function<void(const Error&)> on_failure) {
    auto worker = std::make_unique<Worker>(Private{}, spin);
    const Answers<std::optional<Error>> started(1);
    worker->thread_ =
        start_thread(name, [raw = worker.get(), started, failed = std::move(on_failure)] {
            auto ring = Ring::create();
            if (!ring) {
                started.give(ring.error());
                return;
            }
            raw->ring_ = std::move(*ring);
            started.give(std::nullopt);
            raw->run(failed);
        });
    if (auto error = started.wait_for_one()) return tl::unexpected(*error);
    return worker;
}

Worker::~Worker() {
    if (ring_) ring_->post([this] { stopping_ = true; });
    if (thread_.joinable()) thread_.join();
}

void Worker::call(const std::function<void(Ring&)>& call) {
    const Answers<Done> returned(1);
    ring_->post([this, &call, returned] {
        call(*ring_);
        returned.give({});
    });
    (void)returned.wait();
}

void Worker::run(const std::function<void(const Error&)>& on_failure) {
    while (!stopping_) {
        for (std::size_t i = 0; i < members_.size(); ++i) members_[i]->take();
        const auto now = [this] {
            return spin_.off() ? Spin::Clock::time_point{} : Spin::Clock::now();
        };
        if (auto turned = ring_->turn(spin_.wait(now())); !turned) {
            on_failure(turned.error());
            return;
        }
        spin_.turned(ring_->was_dry(), ring_->came(), now());
        for (std::size_t i = 0; i < members_.size(); ++i) members_[i]->complete();
    }
}

tl::expected<Workers, Error> start_workers(unsigned count, Spin spin,
                                           const std::function<void(const Error&)>& on_failure) {
    Workers workers;
    for (unsigned i = 0; i < count; ++i) {
        auto worker = Worker::start(fmt::format("zb-worker-{}", i), spin, on_failure);
        if (!worker) return tl::unexpected(worker.error());
        workers.push_back(std::move(*worker));
    }
    return workers;
}

}  // namespace zonebridge::service
