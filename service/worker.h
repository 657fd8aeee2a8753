// A thread with a loop of its own, and what it drives: the data path of the devices given to it.
//
// Threads: a Worker ends on the thread that made it. call() belongs to any thread but a worker's, post()
// to any. Members are used on the worker's thread only.
// Ownership: owns its thread and its ring; borrows members from add() to remove().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "service/spin.h"
#include "transports/ring.h"
#include "zone/status.h"

namespace zonebridge::service {

/// Part of a worker's turn: take chains, submit, (the worker enters the kernel once,) reap, publish,
/// notify.
class Member {
  public:
    /// Takes in what is new and hands it on. When it returns, either nothing is left and whoever
    /// brings more will wake the loop, or there is no room, and a completion will.
    virtual void take() noexcept = 0;
    /// Collects what is done and answers it.
    virtual void complete() noexcept = 0;

  protected:
    ~Member() = default;
};

/// Has cache lines of its own: what a worker keeps for itself is written every turn.
class alignas(64) Worker {
  public:
    /// Starts a thread called `name` (at most 15 characters show). `on_failure` is called on that
    /// thread if the kernel refuses the ring later on; the worker does nothing any more then.
    [[nodiscard]] static tl::expected<std::unique_ptr<Worker>, Error> start(
        const std::string& name, Spin spin, std::function<void(const Error&)> on_failure);

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    /// Stops and joins; members have been removed.
    ~Worker();

    /// Runs `call` on the worker's thread between turns and waits until it returned.
    void call(const std::function<void(Ring&)>& call);
    /// Runs `call` on the worker's thread, some time.
    void post(std::function<void()> call) { ring_->post(std::move(call)); }

    /// On the worker's thread only (from call()).
    void add(Member& member) { members_.push_back(&member); }
    void remove(Member& member) noexcept { std::erase(members_, &member); }

  private:
    struct Private {};

  public:
    Worker(Private, Spin spin) : spin_(spin) {}  // by start()

  private:
    void run(const std::function<void(const Error&)>& on_failure);

    std::unique_ptr<Ring> ring_;  // made and ended by the thread
    std::vector<Member*> members_;
    Spin spin_;              // the thread's own, as is
    bool stopping_ = false;  // this
    std::thread thread_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// `count` of them, named zb-worker-0 and so on; all or none.
[[nodiscard]] tl::expected<Workers, Error> start_workers(
    unsigned count, Spin spin, const std::function<void(const Error&)>& on_failure);

}  // namespace zonebridge::service
