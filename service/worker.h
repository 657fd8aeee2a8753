// A thread with its own loop that runs the data paths of the devices given to it.
//
// Threads: destroy a Worker on the thread that made it. call() may be called on any thread except a
// worker's, post() on any. Members are used on the worker's thread only.
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
    /// Takes new chains and submits them. Afterwards either none is left, and the next kick wakes
    /// the loop, or there is no room, and a completion wakes the loop.
    virtual void take() noexcept = 0;
    /// Reaps completions and answers their chains.
    virtual void complete() noexcept = 0;

  protected:
    ~Member() = default;
};

/// Has its own cache lines: a worker writes its state every turn.
class alignas(64) Worker {
  public:
    /// Starts a thread called `name` (the kernel shows 15 characters). `on_failure` is called on
    /// that thread if the kernel refuses the ring later; the worker does nothing more then.
    [[nodiscard]] static tl::expected<std::unique_ptr<Worker>, Error> start(
        const std::string& name, Spin spin, std::function<void(const Error&)> on_failure);

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    /// Stops and joins; members have been removed before.
    ~Worker();

    /// Runs `call` on the worker's thread between turns and waits until it has returned.
    void call(const std::function<void(Ring&)>& call);
    /// Runs `call` on the worker's thread later, without waiting.
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
    Spin spin_;  // belongs to the thread, as does stopping_
    bool stopping_ = false;
    std::thread thread_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// `count` workers, named zb-worker-0 and so on; all or none.
[[nodiscard]] tl::expected<Workers, Error> start_workers(
    unsigned count, Spin spin, const std::function<void(const Error&)>& on_failure);

}  // namespace zonebridge::service
