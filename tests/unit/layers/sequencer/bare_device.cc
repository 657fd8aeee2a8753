#include "tests/unit/layers/sequencer/bare_device.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

namespace zonebridge::test {

class BareQueue final : public Queue, private Issuer {
  public:
    BareQueue(BareDevice& device, Loop& loop, std::size_t depth)
        : Queue(loop, device.limits(), depth), device_(device), jobs_(depth), random_(device.seed) {
        loop.add_issuer(*this);
    }
    ~BareQueue() override { loop().remove_issuer(*this); }

    std::unique_ptr<Queue> below;

  private:
    struct Job {
        enum class Place : std::uint8_t { idle, here, below } place = Place::idle;
        Request request;
        std::uint32_t turns = 0;
        std::optional<BareDevice::Fault> fault;
        std::vector<iovec> cut;
    };

    void accept(std::span<const Request> requests) noexcept override {
        for (const auto& request : requests) {
            const auto idle = std::find_if(jobs_.begin(), jobs_.end(), [](const Job& job) {
                return job.place == Job::Place::idle;
            });
            *idle = {};
            idle->place = Job::Place::here;
            idle->request = request;
            if (device_.most_turns != 0)
                idle->turns = static_cast<std::uint32_t>(random_() % (device_.most_turns + 1));
            device_.enter(request);
        }
    }

    bool holds(const Job& job) const {
        if (device_.holds_back && device_.holds_back(job.request)) return true;
        switch (device_.held.load()) {
            case BareDevice::Held::none:
                return false;
            case BareDevice::Held::writes:
                return job.request.operation == Operation::write ||
                       job.request.operation == Operation::append;
            case BareDevice::Held::everything:
                return true;
        }
        return false;
    }

    void issue() noexcept override {
        auto order = std::vector<Job*>();
        for (auto& job : jobs_)
            if (job.place == Job::Place::here) order.push_back(&job);
        if (device_.most_turns != 0) std::shuffle(order.begin(), order.end(), random_);
        for (auto* job : order) {
            if (!holds(*job) && job->turns == 0)
                start(*job);
            else if (job->turns != 0)
                --job->turns;
            // Nothing else would wake the loop for a job that is still here.
            if (job->place == Job::Place::here) loop().note_ready();
        }
    }

    void start(Job& job) {
        auto request = job.request;
        request.tag = static_cast<std::uint64_t>(&job - jobs_.data());
        // A copy, because the hook may clear itself.
        if (const auto fault = device_.fault) job.fault = fault(request);
        if (job.fault) {
            if (job.fault->written == 0) return finish(job, {0, job.fault->status, 0});
            request.length = job.fault->written;
            auto left = request.length;
            for (const auto& piece : request.data) {
                job.cut.push_back({piece.iov_base, std::min<std::uint64_t>(piece.iov_len, left)});
                left -= job.cut.back().iov_len;
            }
            request.data = job.cut;
        }
        if (below->submit({&request, 1}) == 1) job.place = Job::Place::below;
    }

    void finish(Job& job, Completion completion) {
        device_.leave(job.request);
        completion.tag = job.request.tag;
        done_.push_back(completion);
        job.place = Job::Place::idle;
        loop().note_ready();
    }

    std::size_t collect(std::span<Completion> out) noexcept override {
        std::array<Completion, 32> completions;
        for (;;) {
            const auto count = below->reap(completions);
            for (auto completion : std::span(completions).first(count)) {
                auto& job = jobs_[completion.tag];
                if (job.fault) completion = {0, job.fault->status, 0};
                if (device_.hides_errors && !completion.status.ok())
                    completion.status = {StatusCode::io_error, NativeCause::os_error(EIO)};
                finish(job, completion);
            }
            if (count < completions.size()) break;
        }
        if (device_.most_turns != 0) std::shuffle(done_.begin(), done_.end(), random_);
        const auto count = std::min(out.size(), done_.size());
        const auto end = done_.begin() + static_cast<std::ptrdiff_t>(count);
        std::copy(done_.begin(), end, out.begin());
        done_.erase(done_.begin(), end);
        if (!done_.empty()) loop().note_ready();
        return count;
    }

    BareDevice& device_;
    std::vector<Job> jobs_;
    std::vector<Completion> done_;
    std::mt19937_64 random_;
};

BareDevice::BareDevice(std::unique_ptr<Transport> below, Support append)
    : below_(std::move(below)), limits_(below_->limits()), use_(limits_.layout.zone_count()) {
    limits_.append = append;
    limits_.max_append = append == Support::absent ? 0 : limits_.max_transfer;
}

tl::expected<std::unique_ptr<Queue>, Error> BareDevice::open_queue(Loop& loop,
                                                                   QueueOptions options) {
    auto queue = std::make_unique<BareQueue>(*this, loop, options.depth);
    auto below = below_->open_queue(loop, {.depth = options.depth});
    if (!below) return tl::unexpected(below.error());
    queue->below = std::move(*below);
    return queue;
}

void BareDevice::enter(const Request& request) {
    switch (request.operation) {
        case Operation::write:
            ++writes;
            break;
        case Operation::append:
            ++appends;
            break;
        case Operation::read:
            ++reads;
            break;
        case Operation::report:
            ++reports;
            break;
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            ++actions;
            break;
        case Operation::flush:
        case Operation::discard:
        case Operation::write_zeroes:
            break;
    }
    count(request, true);
}

void BareDevice::leave(const Request& request) {
    count(request, false);
}

void BareDevice::count(const Request& request, bool entering) {
    const auto& layout = limits_.layout;
    const auto write = request.operation == Operation::write;
    const auto append = request.operation == Operation::append;
    const auto action = is_zone_action(request.operation);
    if (!write && !append && !action) return;
    auto first = layout.zone_of(request.offset);
    auto last = first;
    if (action && request.scope == Scope::all) {
        first = 0;
        last = layout.zone_count() - 1;
    } else if (!append) {
        last = layout.zone_of(request.offset + request.length - 1);
    }
    for (auto zone = first; zone <= last; ++zone) {
        if (layout.is_conventional(zone)) continue;
        auto& use = use_[zone];
        auto& mine = write ? use.writes : append ? use.appends : use.actions;
        if (!entering) {
            --mine;
            continue;
        }
        const auto before = mine++;
        const auto others = write    ? use.actions + use.appends
                            : append ? use.actions + use.writes
                                     : use.writes + use.appends;
        if (others != 0 || (!append && before != 0)) ++collisions;
        if (append && before + 1 > most_appends) most_appends = before + 1;
    }
}

}  // namespace zonebridge::test
