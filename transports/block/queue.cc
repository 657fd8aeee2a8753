#include "transports/block/queue.h"

#include <algorithm>

namespace zonebridge::block {
namespace {

// A finish of many zones can take minutes; a report then runs on the second thread.
constexpr unsigned thread_count = 2;
constexpr std::size_t bounce_count = 4;

}  // namespace

tl::expected<std::unique_ptr<Queue>, Error> BlockQueue::open(Ring& ring, const KernelDisk& disk,
                                                             std::size_t depth) {
    auto queue =
        std::make_unique<BlockQueue>(Private{}, ring, disk, std::max<std::size_t>(depth, 1));
    if (disk.is_direct()) {
        auto pool = BouncePool::make(bounce_count, disk.limits().max_transfer);
        if (!pool) return tl::make_unexpected(pool.error());
        queue->bounces_ = std::move(*pool);
    }
    if (disk.needs_threads()) {
        auto pool = LoopThreadPool::start(ring, thread_count);
        if (!pool) return tl::make_unexpected(pool.error());
        queue->pool_ = std::move(*pool);
    }
    return queue;
}

BlockQueue::BlockQueue(Private, Ring& ring, const KernelDisk& disk, std::size_t depth)
    : Queue(ring, disk.limits(), depth), ring_(ring), disk_(disk), done_(depth) {
    data_jobs_.reserve(depth);
    idle_data_.reserve(depth);
    unissued_.reserve(depth);
    retrying_.reserve(depth);
    bounce_waiters_.reserve(depth);
    control_waiters_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i)
        data_jobs_.emplace_back(disk, ring, static_cast<DataJob::Owner&>(*this));
    for (auto& job : data_jobs_) idle_data_.push_back(&job);
    if (disk.needs_threads()) {
        for (unsigned i = 0; i < thread_count; ++i) {
            control_jobs_.push_back(
                std::make_unique<ControlJob>(disk, static_cast<ControlJob::Owner&>(*this), over_));
            idle_control_.push_back(control_jobs_.back().get());
        }
    }
    ring.add_issuer(*this);
}

BlockQueue::~BlockQueue() {
    over_.store(true, std::memory_order_relaxed);
    ring_.remove_issuer(*this);
    pool_.reset();
    // The kernel may still be filling buffers; a ring that fails can't report it, and holds none.
    while (in_ring_ != 0 && ring_.turn(Loop::Wait::sleep)) continue;
}

void BlockQueue::accept(std::span<const Request> requests) noexcept {
    for (const auto& request : requests) start(request);
}

void BlockQueue::start(const Request& request) noexcept {
    switch (request.operation) {
        case Operation::read:
        case Operation::write:
            if (bounce_waiters_.empty() || disk_.takes(request.data)) return start_data(request);
            bounce_waiters_.push_back(request);
            return;
        case Operation::flush:
            if (limits().read_only) return finish({request.tag, {}, 0});
            return start_data(request);
        case Operation::write_zeroes:
            return start_data(request);
        case Operation::discard:
            return disk_.is_block_device() ? start_control(request) : start_data(request);
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
            return start_control(request);
        case Operation::append:  // zone/check refuses it first
            return finish({request.tag, {StatusCode::unsupported, {}}, 0});
    }
}

void BlockQueue::start_data(const Request& request) noexcept {
    std::span<std::uint8_t> bounce;
    if (!disk_.takes(request.data)) {
        const auto buffer = bounces_.take(request.length);
        if (!buffer) return bounce_waiters_.push_back(request);
        bounce = *buffer;
    }
    auto* job = idle_data_.back();
    idle_data_.pop_back();
    ++in_ring_;
    job->begin(request, bounce);
}

void BlockQueue::start_control(const Request& request) noexcept {
    if (idle_control_.empty()) return control_waiters_.push_back(request);
    auto* job = idle_control_.back();
    idle_control_.pop_back();
    job->begin(request);
    pool_->submit(*job);
}

void BlockQueue::issue() noexcept {
    if (unissued_.empty()) return;
    retrying_.swap(unissued_);
    for (auto* job : retrying_) {
        ++in_ring_;
        job->issue();
    }
    retrying_.clear();
}

void BlockQueue::data_must_wait(DataJob& job) noexcept {
    --in_ring_;
    unissued_.push_back(&job);
    loop().note_ready();
}

void BlockQueue::data_ended(DataJob& job) noexcept {
    --in_ring_;
    idle_data_.push_back(&job);
    finish({job.request().tag, job.status(), 0});
    if (job.bounce().empty()) return;
    bounces_.give_back(job.bounce());
    if (bounce_waiters_.empty() || over_.load(std::memory_order_relaxed)) return;
    const auto next = bounce_waiters_.front();
    bounce_waiters_.erase(bounce_waiters_.begin());
    start_data(next);
}

void BlockQueue::control_ended(ControlJob& job) noexcept {
    idle_control_.push_back(&job);
    finish(job.completion());
    if (control_waiters_.empty()) return;
    const auto next = control_waiters_.front();
    control_waiters_.erase(control_waiters_.begin());
    start_control(next);
}

void BlockQueue::finish(const Completion& completion) noexcept {
    done_.push(completion);
    loop().note_ready();
}

std::size_t BlockQueue::collect(std::span<Completion> out) noexcept {
    return hand_out(done_, out);
}

}  // namespace zonebridge::block
