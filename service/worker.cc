#include "service/worker.h"

#include <csignal>
#include <future>
#include <optional>
#include <pthread.h>

#include <fmt/format.h>

namespace zonebridge::service {

tl::expected<std::unique_ptr<Worker>, Error> Worker::start(
    const std::string& name, Spin spin, std::function<void(const Error&)> on_failure) {
    auto worker = std::make_unique<Worker>(Private{}, spin);
    std::promise<std::optional<Error>> started;
    auto outcome = started.get_future();
    worker->thread_ =
        std::thread([raw = worker.get(), name, &started, failed = std::move(on_failure)]() mutable {
            // Signals are the main thread's to take.
            sigset_t all;
            sigfillset(&all);
            sigdelset(&all, SIGBUS);
            sigdelset(&all, SIGSEGV);
            pthread_sigmask(SIG_BLOCK, &all, nullptr);
            pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
            auto ring = Ring::create();
            if (!ring) {
                started.set_value(ring.error());
                return;
            }
            raw->ring_ = std::move(*ring);
            started.set_value(std::nullopt);
            raw->run(std::move(failed));
        });
    if (auto error = outcome.get()) return tl::unexpected(*error);
    return worker;
}

Worker::~Worker() {
    if (ring_) ring_->post([this] { stopping_ = true; });
    if (thread_.joinable()) thread_.join();
}

void Worker::call(const std::function<void(Ring&)>& call) {
    std::promise<void> done;
    auto returned = done.get_future();
    ring_->post([&] {
        call(*ring_);
        done.set_value();
    });
    returned.wait();
}

void Worker::run(std::function<void(const Error&)> on_failure) {
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
