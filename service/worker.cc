#include "service/worker.h"

#include <csignal>
#include <future>
#include <optional>
#include <pthread.h>

namespace zonebridge::service {

tl::expected<std::unique_ptr<Worker>, Error> Worker::start(
    const std::string& name, std::function<void(const Error&)> on_failure) {
    auto worker = std::make_unique<Worker>(Private{});
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
        if (auto turned = ring_->turn(Loop::Wait::sleep); !turned) {
            on_failure(turned.error());
            return;
        }
        for (std::size_t i = 0; i < members_.size(); ++i) members_[i]->complete();
    }
}

}  // namespace zonebridge::service
