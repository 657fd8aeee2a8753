#include "transports/scsi/passthrough/queue.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/iovec.h"
#include "transports/scsi/bsg_ring.h"
#include "transports/scsi/passthrough/deliver.h"
#include "zbc/commands.h"
#include "zbc/control.h"

namespace zonebridge::scsi {
namespace {

constexpr std::uint8_t request_sense_opcode = 0x03;
constexpr std::uint8_t inquiry_opcode = 0x12;
constexpr std::uint8_t report_luns_opcode = 0xA0;

constexpr std::uint32_t quick_limit_ms = zbc::data_limit_ms;
constexpr std::uint32_t slow_limit_ms = zbc::action_limit_ms(Operation::finish, false);

}  // namespace

/// A task from submit until its result is reaped.
class PassedQueue::Job final : public ThreadPool::Job,
                               public Ring::Completer,
                               public ZoneOrder::Entry {
  public:
    Job(PassedQueue& queue, Index number) noexcept : index(number), queue_(queue) {}

    const Index index;
    zbc::Plan plan;
    std::span<const iovec> data;
    Answer answer;
    bool answered = false;  // by the ring
    bool concluded = false;
    Call call;  // for the ring: the kernel reads the CDB from here
    zbc::TaskResult result;

    [[nodiscard]] Command command() const noexcept {
        return {.cdb = plan.cdb_bytes(),
                .direction = plan.direction,
                .data = data,
                .length = plan.direction == Direction::none ? 0 : plan.length,
                .timeout_ms = plan.limit_ms};
    }

    void run() noexcept override {
        if (!answered) queue_.send(*this);
        if (!concluded) queue_.conclude(*this);
    }
    void done() noexcept override {
        queue_.order_.leave(*this);
        queue_.finish(*this);
    }

    void complete(const Result& end) noexcept override {
        --queue_.in_ring_;
        const auto told = bsg_answer(end);  // without the sense bytes, which are in place already
        answer.os_error = told.os_error;
        answer.status = told.status;
        answer.host = told.host;
        answer.driver = told.driver;
        answer.residual = told.residual;
        answer.sense_length = told.sense_length;
        answered = true;
        auto* const sink = queue_.facts_.refusals;
        if (sink != nullptr && is_zone_refusal(plan, answer) && sink->wants()) {
            queue_.quick_->submit(*this);  // looking up the zone blocks
            return;
        }
        queue_.conclude(*this);
        done();
    }

  private:
    PassedQueue& queue_;
};

tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> PassedQueue::open(Loop& loop,
                                                                       PassedFacts& facts,
                                                                       DataWay way,
                                                                       std::size_t depth) {
    depth = std::max<std::size_t>(depth, 1);
    auto queue = std::make_unique<PassedQueue>(Private{}, loop, facts, std::move(way), depth);
    auto replies = BouncePool::make(most_threads, zbc::max_edited_reply);
    if (!replies) return tl::unexpected(std::move(replies.error()));
    queue->replies_ = std::move(*replies);
    const std::pair<std::unique_ptr<LoopThreadPool>*, std::size_t> pools[] = {
        {&queue->quick_, quick_threads},
        {&queue->slow_, slow_threads},
        {&queue->endless_, endless_threads}};
    for (const auto& [pool, threads] : pools) {
        auto started = LoopThreadPool::start(loop, static_cast<unsigned>(std::min(depth, threads)));
        if (!started) return tl::unexpected(std::move(started.error()));
        *pool = std::move(*started);
    }
    loop.add_issuer(*queue);
    return queue;
}

PassedQueue::PassedQueue(Private, Loop& loop, PassedFacts& facts, DataWay way, std::size_t depth)
    : facts_(facts),
      loop_(loop),
      way_(std::move(way)),
      ring_(way_.bsg_ring ? Ring::of(loop) : nullptr),
      order_(facts.disk.limits, depth, *this),
      done_(depth) {
    jobs_.reserve(depth);
    idle_.reserve(depth);
    fresh_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i)
        jobs_.push_back(std::make_unique<Job>(*this, static_cast<Index>(i)));
    for (auto i = depth; i > 0; --i) idle_.push_back(static_cast<Index>(i - 1));
}

PassedQueue::~PassedQueue() {
    loop_.remove_issuer(*this);
    // The kernel may still be filling buffers; a ring that fails can't report it, and holds none.
    while (in_ring_ != 0 && loop_.turn(Loop::Wait::sleep)) continue;
}

std::size_t PassedQueue::submit(std::span<const zbc::Task> tasks) noexcept {
    const auto taken = std::min(tasks.size(), idle_.size());
    for (const auto& task : tasks.first(taken)) {
        auto& job = *jobs_[idle_.back()];
        idle_.pop_back();
        begin(job, task);
    }
    return taken;
}

std::size_t PassedQueue::reap(std::span<zbc::TaskResult> out) noexcept {
    const auto count = std::min(out.size(), done_.size());
    for (auto& result : out.first(count)) {
        const auto index = done_.pop();
        result = jobs_[index]->result;
        idle_.push_back(index);
    }
    if (!done_.empty()) loop_.note_ready();
    return count;
}

void PassedQueue::begin(Job& job, const zbc::Task& task) noexcept {
    job.result = zbc::TaskResult();
    job.result.tag = task.tag;
    job.answered = job.concluded = false;
    if (report_attention(job, task)) return finish(job);
    const auto plan =
        zbc::plan_passthrough(ByteView(task.cdb), facts_.allowed, facts_.facts,
                              total_length(task.data_out), total_length(task.data_in));
    if (!plan) {
        const auto& refusal = plan.error();
        facts_.notes.refused(task.cdb, refusal);
        job.result.delivery = refusal.delivery;
        if (refusal.delivery == zbc::Delivery::done)
            zbc::fail(job.result, refusal.sense, zbc::SenseFormat::fixed);
        return finish(job);
    }
    job.plan = *plan;
    job.data = {};
    if (job.plan.direction == Direction::in || plan->edit != zbc::Edit::none)
        job.data = task.data_in;
    if (job.plan.direction == Direction::out) job.data = task.data_out;
    order_.enter(job, plan->effect);
}

/// Whether a unit attention raised here (new initiator, reset) answers the task. It takes
/// precedence, as the disk's own would (SAM-5 "Unit attention conditions").
bool PassedQueue::report_attention(Job& job, const zbc::Task& task) noexcept {
    const auto opcode = task.cdb.empty() ? std::uint8_t{0} : task.cdb[0];
    if (opcode == inquiry_opcode || opcode == report_luns_opcode) return false;
    if (!facts_.attentions.pending()) return false;
    const auto attention = facts_.attentions.take();
    if (!attention) return false;
    const auto sense = zbc::unit_attention(*attention);
    if (opcode != request_sense_opcode || task.cdb.size() < 6) {
        zbc::fail(job.result, sense, zbc::SenseFormat::fixed);
        return true;
    }
    std::array<std::uint8_t, zbc::max_descriptor_sense_length> bytes{};
    const auto length = zbc::encode_request_sense(sense, ByteView(task.cdb), bytes);
    zbc::reply(job.result, std::span(bytes).first(length), task.data_in);
    return true;
}

void PassedQueue::may_go(ZoneOrder::Entry& entry) noexcept {
    // The next turn issues it. An entry that another's end lets go comes with a result, so the loop
    // does not sleep.
    fresh_.push_back(static_cast<Job*>(&entry));
    loop_.note_queued();
}

void PassedQueue::issue() noexcept {
    for (auto* const job : fresh_)
        if (ring_ == nullptr || !start_in_ring(*job)) pool_for(*job).submit(*job);
    fresh_.clear();
}

LoopThreadPool& PassedQueue::pool_for(const Job& job) noexcept {
    if (job.plan.limit_ms <= quick_limit_ms) return *quick_;
    return job.plan.limit_ms <= slow_limit_ms ? *slow_ : *endless_;
}

/// Whether the task was submitted to the ring: unedited, with at most one buffer.
bool PassedQueue::start_in_ring(Job& job) noexcept {
    if (job.plan.edit != zbc::Edit::none || job.data.size() > 1) return false;
    const auto cdb = job.plan.cdb_bytes();
    std::copy(cdb.begin(), cdb.end(), job.call.bytes.begin());
    job.call.length = job.plan.cdb_length;
    job.call.direction = job.plan.direction;
    job.call.timeout_ms = job.plan.limit_ms;
    iovec flat{};
    std::span<const iovec> data;
    if (job.plan.direction != Direction::none) {
        if (job.data.empty() || job.data.front().iov_len < job.plan.length) return false;
        flat = {job.data.front().iov_base, job.plan.length};
        data = {&flat, 1};
    }
    if (!start_bsg_command(*ring_, *way_.bsg_ring, job, job.call, data, job.answer.sense))
        return false;
    ++in_ring_;
    return true;
}

void PassedQueue::finish(Job& job) noexcept {
    done_.push(job.index);
    loop_.note_ready();
}

void PassedQueue::send(Job& job) noexcept {
    if (job.plan.edit != zbc::Edit::none)
        send_and_edit(job);
    else
        job.answer = way_.port->run(job.command());
}

void PassedQueue::send_and_edit(Job& job) noexcept {
    const auto& plan = job.plan;
    std::optional<std::span<std::uint8_t>> place;
    for (;;) {
        {
            const std::lock_guard guard(lock_);
            if ((place = replies_.take(std::min<std::size_t>(plan.length, zbc::max_edited_reply))))
                break;
        }
        std::this_thread::yield();  // there is a buffer for each thread of the queue
    }
    std::size_t arrived = 0;
    job.answer = Answer();
    if (plan.edit != zbc::Edit::made_up_block_limits) {
        const iovec flat{place->data(), place->size()};
        auto command = job.command();
        command.length = static_cast<std::uint32_t>(place->size());
        command.data = {&flat, command.direction == Direction::none ? 0U : 1U};
        job.answer = way_.port->run(command);
        arrived = place->size() - std::min<std::size_t>(job.answer.residual, place->size());
    }
    conclude(job);
    job.result.data_in_length = 0;
    if (job.result.delivery == zbc::Delivery::done && job.result.status == zbc::ScsiStatus::good) {
        const auto length = std::min(
            zbc::edit_reply(plan, facts_.facts, facts_.allowed, *place, arrived), place->size());
        job.result.data_in_length = copy_to(job.data, 0, place->first(length));
    }
    const std::lock_guard guard(lock_);
    replies_.give_back(*place);
}

void PassedQueue::conclude(Job& job) noexcept {
    job.concluded = true;
    deliver(job.answer, job.plan.direction, job.plan.length, job.result);
    if (job.result.delivery != zbc::Delivery::done)
        facts_.notes.failed(job.plan.cdb_bytes(), job.answer);
    if (was_reset(job.answer)) facts_.attentions.raise(zbc::Attention::power_on);
    auto* const sink = facts_.refusals;
    if (sink == nullptr || !is_zone_refusal(job.plan, job.answer) || !sink->wants()) return;
    if (const auto attention = explain(*way_.port, facts_.disk, job.plan, job.answer, *sink))
        facts_.attentions.raise(*attention);
}

}  // namespace zonebridge::scsi
