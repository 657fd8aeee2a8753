#include "service/steady_unit.h"

#include <thread>
#include <utility>

#include <fmt/format.h>

#include "service/answers.h"

namespace zonebridge::service {

/// One thread's queue. Between pause() and resume() it accepts no tasks; its user keeps them and
/// offers them again.
class SteadyUnit::Queue final : public zbc::TaskQueue {
  public:
    Queue(SteadyUnit& unit, Loop& loop, std::unique_ptr<zbc::TaskQueue> behind, std::size_t depth)
        : unit_(unit),
          loop_(loop),
          asked_(depth),
          depth_(behind->depth()),
          behind_(std::move(behind)) {}

    ~Queue() override {
        const std::lock_guard guard(unit_.lock_);
        std::erase(unit_.queues_, this);
        unit_.taken_before_ += taken();
    }

    [[nodiscard]] std::size_t submit(std::span<const zbc::Task> tasks) noexcept override {
        if (held_) return 0;
        const auto count = behind_->submit(tasks);
        in_flight_ += count;
        // Only this thread writes taken_.
        taken_.store(taken_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
        return count;
    }

    [[nodiscard]] std::size_t reap(std::span<zbc::TaskResult> out) noexcept override {
        if (!behind_) return 0;
        const auto count = behind_->reap(out);
        in_flight_ -= count;
        return count;
    }

    [[nodiscard]] std::size_t depth() const noexcept override { return depth_; }

    [[nodiscard]] Loop& loop() noexcept { return loop_; }
    /// Any thread.
    [[nodiscard]] std::uint64_t taken() const noexcept {
        return taken_.load(std::memory_order_relaxed);
    }

    // ---- On the loop's thread.

    /// Accepts no tasks from now on; returns how many are in flight.
    [[nodiscard]] std::size_t hold() noexcept {
        held_ = true;
        return in_flight_;
    }
    /// Requires that nothing is in flight.
    void close() { behind_.reset(); }
    [[nodiscard]] tl::expected<void, Error> prepare(zbc::LogicalUnit& behind) {
        auto queue = behind.open_queue(loop_, asked_);
        if (!queue) return tl::unexpected(std::move(queue.error()));
        behind_ = std::move(*queue);
        return {};
    }
    void go_on() {
        held_ = false;
        loop_.note_ready();  // users that kept tasks offer them again
    }

  private:
    SteadyUnit& unit_;
    Loop& loop_;
    const std::size_t asked_;
    const std::size_t depth_;
    std::unique_ptr<zbc::TaskQueue> behind_;  // null: paused
    std::size_t in_flight_ = 0;               // behind
    bool held_ = false;
    std::atomic<std::uint64_t> taken_{0};
};

SteadyUnit::SteadyUnit(zbc::LogicalUnit& behind)
    : limits_(behind.transfer_limits()), behind_(&behind) {}

SteadyUnit::~SteadyUnit() = default;

tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> SteadyUnit::open_queue(Loop& loop,
                                                                            std::size_t depth) {
    const std::lock_guard guard(lock_);
    if (behind_ == nullptr)
        return tl::unexpected(Error{StatusCode::device_gone, "the disk is being reopened", {}});
    auto opened = behind_->open_queue(loop, depth);
    if (!opened) return tl::unexpected(std::move(opened.error()));
    auto queue = std::make_unique<Queue>(*this, loop, std::move(*opened), depth);
    queues_.push_back(queue.get());
    return queue;
}

void SteadyUnit::reset() noexcept {
    const std::lock_guard guard(lock_);
    // A paused unit needs no reset: the unit that resume() brings is new to every initiator.
    if (behind_ != nullptr) behind_->reset();
}

void SteadyUnit::continue_initiator() noexcept {
    const std::lock_guard guard(lock_);
    if (behind_ != nullptr) behind_->continue_initiator();
}

void SteadyUnit::raise(zbc::Attention attention) noexcept {
    const std::lock_guard guard(lock_);
    if (behind_ != nullptr) behind_->raise(attention);
}

void SteadyUnit::on_all(const std::function<void(Queue&)>& call) {
    std::vector<Queue*> queues;
    {
        const std::lock_guard guard(lock_);
        queues = queues_;
    }
    const Answers<Done> returned(queues.size());
    for (auto* const queue : queues)
        queue->loop().post([&call, queue, returned] {
            call(*queue);
            returned.give({});
        });
    (void)returned.wait();
}

tl::expected<void, Error> SteadyUnit::pause(std::chrono::milliseconds limit) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + limit;
    // Hold all queues before closing any: a task on one may wait for a task on another, and a
    // closed queue could not be reopened.
    for (;;) {
        std::atomic<std::size_t> left{0};
        on_all([&left](Queue& queue) { left += queue.hold(); });
        if (left == 0) break;
        if (Clock::now() >= end) {
            on_all([](Queue& queue) { queue.go_on(); });
            return tl::unexpected(
                Error{StatusCode::io_error,
                      fmt::format("the disk did not give back {} of its commands within {} s",
                                  left.load(), std::chrono::duration<double>(limit).count()),
                      {}});
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    on_all([](Queue& queue) { queue.close(); });
    const std::lock_guard guard(lock_);
    behind_ = nullptr;
    return {};
}

tl::expected<void, Error> SteadyUnit::resume(zbc::LogicalUnit& behind) {
    const auto now = behind.transfer_limits();
    if (now.max_transfer < limits_.max_transfer || now.max_segments < limits_.max_segments)
        return tl::unexpected(Error{StatusCode::unsupported,
                                    fmt::format("it now takes only {} bytes in {} buffers per "
                                                "command, and the guest was promised {} in {}",
                                                now.max_transfer, now.max_segments,
                                                limits_.max_transfer, limits_.max_segments),
                                    {}});
    tl::expected<void, Error> result;
    std::mutex results;
    on_all([&](Queue& queue) {
        auto prepared = queue.prepare(behind);
        const std::lock_guard guard(results);
        if (!prepared && result) result = std::move(prepared);
    });
    if (!result) {
        on_all([](Queue& queue) { queue.close(); });  // those that opened
        return result;
    }
    {
        const std::lock_guard guard(lock_);
        behind_ = &behind;
    }
    on_all([](Queue& queue) { queue.go_on(); });
    return {};
}

std::uint64_t SteadyUnit::taken() const {
    const std::lock_guard guard(lock_);
    auto taken = taken_before_;
    for (const auto* const queue : queues_) taken += queue->taken();
    return taken;
}

}  // namespace zonebridge::service
