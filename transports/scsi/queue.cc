#include "transports/scsi/queue.h"

#include <algorithm>

#include "transports/scsi/bsg_ring.h"

namespace zonebridge::scsi {

class ScsiQueue::Job final : public ThreadPool::Job, public Ring::Completer {
  public:
    explicit Job(ScsiQueue& queue) noexcept : queue_(queue) {}

    Request request;
    Call call;  // for the ring: the kernel reads the CDB from here

    [[nodiscard]] const Completion& completion() const noexcept { return completion_; }
    [[nodiscard]] std::span<std::uint8_t> sense() noexcept { return answer_.sense; }
    void begin(const Request& wanted) noexcept {
        request = wanted;
        answered_ = false;
    }

    void run() noexcept override {
        completion_ = queue_.executor_.run(request, answered_ ? &answer_ : nullptr);
    }
    void done() noexcept override { queue_.ended(*this); }

    void complete(const Result& result) noexcept override {
        --queue_.in_ring_;
        const auto told = bsg_answer(result);
        answer_.os_error = told.os_error;
        answer_.status = told.status;
        answer_.host = told.host;
        answer_.driver = told.driver;
        answer_.residual = told.residual;
        answer_.sense_length = told.sense_length;
        if (const auto concluded = queue_.executor_.conclude(request, answer_)) {
            completion_ = *concluded;
            queue_.ended(*this);
            return;
        }
        answered_ = true;  // to be retried in the thread pool
        queue_.pool_->submit(*this);
    }

  private:
    ScsiQueue& queue_;
    Completion completion_;
    Answer answer_;
    bool answered_ = false;
};

tl::expected<std::unique_ptr<Queue>, Error> ScsiQueue::open(Loop& loop, const Limits& limits,
                                                            const Dialect& dialect, Ports ports,
                                                            std::size_t depth) {
    depth = std::max<std::size_t>(depth, 1);
    auto queue =
        std::make_unique<ScsiQueue>(Private{}, loop, limits, dialect, std::move(ports), depth);
    auto pool = LoopThreadPool::start(loop, static_cast<unsigned>(std::min(depth, most_threads)));
    if (!pool) return tl::unexpected(std::move(pool.error()));
    queue->pool_ = std::move(*pool);
    loop.add_issuer(*queue);
    return queue;
}

ScsiQueue::ScsiQueue(Private, Loop& loop, const Limits& limits, const Dialect& dialect, Ports ports,
                     std::size_t depth)
    : Queue(loop, limits, depth),
      ports_(std::move(ports)),
      executor_(*ports_.control, *ports_.data, dialect, limits),
      ring_(ports_.bsg_ring ? Ring::of(loop) : nullptr),
      done_(depth) {
    jobs_.reserve(depth);
    idle_.reserve(depth);
    fresh_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i) {
        jobs_.push_back(std::make_unique<Job>(*this));
        idle_.push_back(jobs_.back().get());
    }
}

ScsiQueue::~ScsiQueue() {
    loop().remove_issuer(*this);
    // The kernel may still be filling buffers; a ring that fails can't report it, and holds none.
    while (in_ring_ != 0 && loop().turn(Loop::Wait::sleep)) continue;
}

void ScsiQueue::accept(std::span<const Request> requests) noexcept {
    for (const auto& request : requests) {
        auto* const job = idle_.back();
        idle_.pop_back();
        job->begin(request);
        fresh_.push_back(job);
    }
}

std::size_t ScsiQueue::collect(std::span<Completion> out) noexcept {
    return hand_out(done_, out);
}

void ScsiQueue::ended(Job& job) noexcept {
    done_.push(job.completion());
    idle_.push_back(&job);
    loop().note_ready();
}

void ScsiQueue::issue() noexcept {
    for (auto* const job : fresh_)
        if (ring_ == nullptr || !start_in_ring(*job)) pool_->submit(*job);
    fresh_.clear();
}

/// Whether the request was submitted to the ring: one command, with at most one buffer.
bool ScsiQueue::start_in_ring(Job& job) noexcept {
    if (job.request.data.size() > 1) return false;
    const auto call = executor_.single(job.request);
    if (!call) return false;
    job.call = *call;
    if (!start_bsg_command(*ring_, *ports_.bsg_ring, job, job.call, job.request.data, job.sense()))
        return false;
    ++in_ring_;
    return true;
}

}  // namespace zonebridge::scsi
