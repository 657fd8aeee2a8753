// A Loop that a test turns by hand. It never sleeps; ready() says whether a real loop would stay
// awake.
//
// Threads: as zone/loop.h; post() from any thread.
// Ownership: borrows watchers and issuers.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <poll.h>
#include <utility>
#include <vector>

#include "transports/posted_calls.h"
#include "zone/loop.h"

namespace zonebridge::test {

class HandLoop : public Loop {
  public:
    tl::expected<void, Error> watch(int fd, Watcher& watcher) override {
        watchers_[fd] = &watcher;
        return {};
    }
    void unwatch(int fd) noexcept override { watchers_.erase(fd); }

    void add_issuer(Issuer& issuer) override { issuers_.push_back(&issuer); }
    void remove_issuer(Issuer& issuer) noexcept override {
        issuers_.erase(std::remove(issuers_.begin(), issuers_.end(), &issuer), issuers_.end());
    }

    void note_ready() noexcept override { ++ready_; }
    void note_queued() noexcept override {}

    void post(std::function<void()> call) override {
        static_cast<void>(posted_.post(std::move(call)));
    }

    /// Never sleeps, whatever the argument says: nothing could wake the thread.
    tl::expected<void, Error> turn(Wait) override {
        ready_ = 0;
        for (auto* issuer : std::vector(issuers_)) issuer->issue();
        for (const auto& [fd, watcher] : std::map(watchers_)) {
            pollfd one{fd, POLLIN, 0};
            if (::poll(&one, 1, 0) == 1 && watchers_.contains(fd)) watcher->on_ready();
        }
        static_cast<void>(posted_.run());
        return {};
    }

    [[nodiscard]] std::optional<int> fd() const noexcept override { return std::nullopt; }

    /// Whether a real loop would not sleep in its next turn.
    [[nodiscard]] bool ready() const noexcept { return ready_ != 0; }

  private:
    std::map<int, Watcher*> watchers_;
    std::vector<Issuer*> issuers_;
    unsigned ready_ = 0;
    PostedCalls posted_;
};

}  // namespace zonebridge::test
