#include "service/steady_unit.h"

#include <chrono>
#include <latch>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::service {

/// One thread's queue. Between pause() and resume() it takes nothing, so that its user keeps the tasks and
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
        // No one else writes it.
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

    /// Takes nothing from now on; true once nothing is under way, and the queue behind is closed.
    [[nodiscard]] bool hold() {
        held_ = true;
        if (in_flight_ == 0) behind_.reset();
        return !behind_;
    }
    [[nodiscard]] tl::expected<void, Error> prepare(zbc::LogicalUnit& behind) {
        auto queue = behind.open_queue(loop_, asked_);
        if (!queue) return tl::unexpected(std::move(queue.error()));
        behind_ = std::move(*queue);
        return {};
    }
    void go_on() {
        held_ = false;
        loop_.note_ready();  // whoever kept tasks offers them again
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
    // A unit that comes is new to everybody.
    if (behind_ != nullptr) behind_->reset();
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
    std::latch left(static_cast<std::ptrdiff_t>(queues.size()));
    for (auto* const queue : queues)
        queue->loop().post([&call, &left, queue] {
            call(*queue);
            left.count_down();
        });
    left.wait();
}

void SteadyUnit::pause() {
    // All hold at once: what one of them waits for may be under way on another.
    for (bool closed = false; !closed;) {
        std::atomic<bool> all{true};
        on_all([&all](Queue& queue) {
            if (!queue.hold()) all = false;
        });
        closed = all;
        if (!closed) std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    const std::lock_guard guard(lock_);
    behind_ = nullptr;
}

tl::expected<void, Error> SteadyUnit::resume(zbc::LogicalUnit& behind) {
    const auto now = behind.transfer_limits();
    if (now.max_transfer < limits_.max_transfer || now.max_segments < limits_.max_segments)
        return tl::unexpected(Error{
            StatusCode::unsupported,
            fmt::format("it takes {} bytes in {} buffers in one command now; the guest counts "
                        "on {} in {}",
                        now.max_transfer, now.max_segments, limits_.max_transfer,
                        limits_.max_segments),
            {}});
    tl::expected<void, Error> result;
    std::mutex results;
    on_all([&](Queue& queue) {
        auto prepared = queue.prepare(behind);
        const std::lock_guard guard(results);
        if (!prepared && result) result = std::move(prepared);
    });
    if (!result) {
        on_all([](Queue& queue) { (void)queue.hold(); });  // closes those that opened
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
