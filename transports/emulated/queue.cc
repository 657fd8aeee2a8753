#include "transports/emulated/queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transports/ring.h"

namespace zonebridge::emulated {

tl::expected<std::unique_ptr<Queue>, Error> DiskQueue::open(Loop& loop, Disk& disk,
                                                            std::size_t depth) {
    auto event = make_event_fd();
    if (!event) return tl::make_unexpected(os_failure(errno, "cannot make an eventfd"));
    auto queue = std::make_unique<DiskQueue>(Private{}, loop, disk, std::max<std::size_t>(depth, 1),
                                             std::move(event));
    if (auto watched = loop.watch(queue->waker_.event.get(), *queue); !watched)
        return tl::make_unexpected(watched.error());
    if (auto* committer = disk.committer()) committer->add(queue->waker_);
    loop.add_issuer(*queue);
    return queue;
}

DiskQueue::DiskQueue(Private, Loop& loop, Disk& disk, std::size_t depth, UniqueFd event)
    : Queue(loop, disk.limits(), depth),
      disk_(disk),
      writer_(disk),
      done_(depth),
      outcomes_(depth) {
    waker_.event = std::move(event);
    fresh_.reserve(depth);
    batch_.reserve(depth);
    waiting_.reserve(depth);
    parked_.reserve(depth);
    retrying_.reserve(depth);
    reads_.reserve(depth);
    idle_reads_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i)
        reads_.emplace_back(disk, Ring::of(loop), static_cast<ReadJob::Owner&>(*this));
    for (auto& job : reads_) idle_reads_.push_back(&job);
    if (!disk.limits().max_discard) return;
    clears_.reserve(depth);
    idle_clears_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i)
        clears_.emplace_back(disk, Ring::of(loop), static_cast<ClearJob::Owner&>(*this));
    for (auto& job : clears_) idle_clears_.push_back(&job);
}

DiskQueue::~DiskQueue() {
    loop().remove_issuer(*this);
    // The kernel may still be filling buffers or clearing the file; a ring that fails can't report
    // it, and holds none.
    while (in_kernel_ != 0 && loop().turn(Loop::Wait::sleep)) continue;
    if (auto* committer = disk_.committer()) committer->remove(waker_);
    loop().unwatch(waker_.event.get());
}

void DiskQueue::accept(std::span<const Request> requests) noexcept {
    fresh_.insert(fresh_.end(), requests.begin(), requests.end());
}

std::size_t DiskQueue::collect(std::span<Completion> out) noexcept {
    return hand_out(done_, out);
}

void DiskQueue::finish(const Completion& completion) noexcept {
    done_.push(completion);
    loop().note_ready();
}

void DiskQueue::issue() noexcept {
    if (look_again_) look_at_commits();
    if (!fresh_.empty()) {
        batch_.swap(fresh_);
        process(batch_, true);
        batch_.clear();
    }
    // A commit may have ended before we began to wait for it.
    if (look_again_) look_at_commits();
    if (look_again_) loop().note_ready();
}

void DiskQueue::on_ready() {
    look_at_commits();
    if (look_again_) loop().note_queued();
}

void DiskQueue::process(std::span<const Request> batch, bool may_wait) noexcept {
    for (std::size_t i = 0; i < batch.size();) {
        const auto& request = batch[i];
        switch (request.operation) {
            case Operation::write:
            case Operation::append:
                i += write(batch.subspan(i), may_wait);
                continue;
            case Operation::read:
                start(idle_reads_, request);
                break;
            case Operation::flush:
                wait_for_commit({request.tag, {}, 0});
                break;
            case Operation::open:
            case Operation::close:
            case Operation::finish:
            case Operation::reset:
                act(request);
                break;
            case Operation::report:
                finish({request.tag, {}, disk_.report(request.offset, request.zones)});
                break;
            case Operation::write_zeroes:
                if (!disk_.is_plain(request.offset, request.length)) {
                    i += write(batch.subspan(i), may_wait);
                    continue;
                }
                start(idle_clears_, request);
                break;
            case Operation::discard:
                if (disk_.is_plain(request.offset, request.length))
                    start(idle_clears_, request);
                else
                    finish({request.tag, writer_.discard(request), 0});
                break;
        }
        ++i;
    }
    if (unrequested_ != 0) request_commit();
}

std::size_t DiskQueue::write(std::span<const Request> batch, bool may_wait) noexcept {
    // Parked writes of a zone go first; a joined write must not overtake them either.
    if (behind_parked(batch.front())) {
        parked_.push_back({batch.front(), Disk::Grant::Wait::commit, 0, may_wait});
        return 1;
    }
    const auto count = writer_.write(batch, outcomes_, may_wait);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& outcome = outcomes_[i];
        const Completion completion{batch[i].tag, outcome.status, outcome.result};
        if (outcome.wait != Disk::Grant::Wait::nothing) {
            waker_.waiting = true;
            const auto commit = disk_.committer()->request();
            parked_.push_back({batch[i], outcome.wait, commit,
                               outcome.wait == Disk::Grant::Wait::commit && may_wait});
        } else if (outcome.status.ok() && batch[i].fua) {
            wait_for_commit(completion);
        } else {
            disk_.is_plain(batch[i].offset) ? finish(completion) : changed(completion);
        }
    }
    return count;
}

bool DiskQueue::behind_parked(const Request& request) const noexcept {
    if (parked_.empty() || disk_.is_plain(request.offset)) return false;
    const auto& layout = limits().layout;
    const auto zone = layout.zone_of(request.offset);
    return std::any_of(parked_.begin(), parked_.end(), [&](const Parked& parked) {
        return layout.zone_of(parked.request.offset) == zone;
    });
}

template <typename Job>
void DiskQueue::start(std::vector<Job*>& idle, const Request& request) noexcept {
    auto* job = idle.back();
    if (job->begin(request)) return finish({request.tag, job->status(), 0});
    idle.pop_back();
    ++in_kernel_;
}

template <typename Job>
void DiskQueue::ended(std::vector<Job*>& idle, Job& job) noexcept {
    --in_kernel_;
    idle.push_back(&job);
    finish({job.tag(), job.status(), 0});
}

void DiskQueue::read_ended(ReadJob& job) noexcept {
    ended(idle_reads_, job);
}

void DiskQueue::clear_ended(ClearJob& job) noexcept {
    ended(idle_clears_, job);
}

void DiskQueue::act(const Request& request) noexcept {
    Completion completion{request.tag, {}, 0};
    completion.result = disk_.act(request, completion.status);
    changed(completion);
}

// A change of zones is answered when the next process would find it, if this one is killed now.
void DiskQueue::changed(const Completion& completion) noexcept {
    if (completion.status.ok() && disk_.answers_after_commit())
        wait_for_commit(completion);
    else
        finish(completion);
}

void DiskQueue::wait_for_commit(const Completion& completion) noexcept {
    if (disk_.committer() == nullptr) return finish(completion);
    waiting_.push_back({completion, 0});
    ++unrequested_;
}

void DiskQueue::request_commit() noexcept {
    waker_.waiting = true;
    auto& committer = *disk_.committer();
    // If nothing changed since the newest commit began, that commit covers everything.
    const auto commit = disk_.needs_commit() ? committer.request() : committer.begun();
    for (auto i = waiting_.size() - unrequested_; i < waiting_.size(); ++i)
        waiting_[i].commit = commit;
    unrequested_ = 0;
    look_again_ = true;
}

void DiskQueue::look_at_commits() noexcept {
    look_again_ = false;
    auto* committer = disk_.committer();
    if (committer == nullptr || (waiting_.empty() && parked_.empty())) return;
    waker_.waiting = true;
    const auto commits = committer->state();

    std::erase_if(waiting_, [&](Waiting& waiting) {
        const auto result = commits.result(waiting.commit);
        if (!result) return false;
        if (*result != 0) waiting.completion.status = status_of_commit(*result);
        finish(waiting.completion);
        return true;
    });

    if (parked_.empty()) return;
    retrying_.swap(parked_);
    for (const auto& parked : retrying_) {
        // A request behind a parked one has commit 0, and its turn comes when that one is gone.
        const auto result = commits.result(parked.commit);
        const auto punched =
            parked.wait != Disk::Grant::Wait::reclaim || commits.reclaimed >= parked.commit;
        if (result.value_or(0) != 0)
            finish({parked.request.tag, status_of_commit(*result), 0});
        else if (result && punched && !behind_parked(parked.request))
            process({&parked.request, 1}, parked.may_wait);
        else
            parked_.push_back(parked);
    }
    retrying_.clear();
}

}  // namespace zonebridge::emulated
