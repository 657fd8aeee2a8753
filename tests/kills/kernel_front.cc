// A zoned block device of this machine's kernel. Each request is a blocking call on a thread of its
// own, so the calls in flight simply wait while no server is there.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <linux/blkzoned.h>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "tests/driver/connection.h"
#include "tests/kills/front.h"

namespace zonebridge::kills {
namespace {

constexpr std::uint64_t sector = 512;

/// Memory that direct I/O takes.
using Buffer = std::unique_ptr<std::byte, decltype(&std::free)>;
Buffer buffer(std::size_t size) {
    constexpr std::size_t alignment = 4096;
    return {static_cast<std::byte*>(
                std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)),
            &std::free};
}

struct Job {
    std::uint64_t id = 0;
    Kind kind = Kind::flush;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    Buffer memory{nullptr, &std::free};
};

class KernelFront final : public Front {
  public:
    explicit KernelFront(const std::string& node)
        : fd_(::open(node.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)) {
        if (!fd_) throw std::runtime_error(node + ": " + std::strerror(errno));
        if (::ioctl(fd_.get(), BLKGETZONESZ, &zone_sectors_) != 0 || zone_sectors_ == 0)
            throw std::runtime_error(node + " has no zones");
        for (std::size_t i = 0; i < most_in_flight; ++i) threads_.emplace_back([this] { work(); });
    }
    ~KernelFront() override {
        {
            const std::lock_guard guard(lock_);
            ended_ = true;
        }
        work_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    // A program can't append to a zoned block device: the kernel's file systems do.
    bool has_appends() const override { return false; }

    std::uint64_t add(const Request& request) override {
        Job job{.id = ++last_id_, .kind = request.kind, .offset = request.offset};
        job.length = request.kind == Kind::read ? request.length : request.data.size();
        if (job.length != 0) job.memory = buffer(job.length);
        if (!request.data.empty())
            std::memcpy(job.memory.get(), request.data.data(), request.data.size());
        const std::lock_guard guard(lock_);
        jobs_.push_back(std::move(job));
        return last_id_;
    }
    void submit() override { work_.notify_all(); }

    std::optional<Answer> take(bool wait) override {
        std::unique_lock guard(lock_);
        if (wait && !answer_.wait_for(guard, driver::patience, [&] { return !answers_.empty(); }))
            throw std::runtime_error("the kernel's driver gave no answer in time");
        if (answers_.empty()) return std::nullopt;
        auto answer = std::move(answers_.front());
        answers_.pop_front();
        return answer;
    }

    std::vector<Zone> zones(std::uint64_t start, std::size_t count) override {
        std::vector<std::byte> room(sizeof(blk_zone_report) + count * sizeof(blk_zone));
        auto* const report = reinterpret_cast<blk_zone_report*>(room.data());
        report->sector = start / sector;
        report->nr_zones = static_cast<std::uint32_t>(count);
        if (::ioctl(fd_.get(), BLKREPORTZONE, report) != 0)
            throw std::runtime_error(std::string("BLKREPORTZONE: ") + std::strerror(errno));
        std::vector<Zone> all;
        for (const auto& one : std::span(report->zones, report->nr_zones))
            all.push_back({.start = one.start * sector,
                           .capacity = one.capacity * sector,
                           .pointer = one.wp * sector,
                           .conventional = one.type == BLK_ZONE_TYPE_CONVENTIONAL,
                           .full = one.cond == BLK_ZONE_COND_FULL});
        return all;
    }

    void resume() override {}

  private:
    void work() {
        std::unique_lock guard(lock_);
        for (;;) {
            work_.wait(guard, [&] { return ended_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            const auto job = std::move(jobs_.front());
            jobs_.pop_front();
            guard.unlock();
            auto answer = carry_out(job);
            guard.lock();
            answers_.push_back(std::move(answer));
            answer_.notify_one();
        }
    }

    Answer carry_out(const Job& job) const {
        const auto length = static_cast<ssize_t>(job.length);
        const auto offset = static_cast<off_t>(job.offset);
        bool done = false;
        switch (job.kind) {
            case Kind::read:
                done = ::pread(fd_.get(), job.memory.get(), job.length, offset) == length;
                break;
            case Kind::write:
                done = ::pwrite(fd_.get(), job.memory.get(), job.length, offset) == length;
                break;
            case Kind::reset:
                done = act(BLKRESETZONE, job.offset);
                break;
            case Kind::finish:
                done = act(BLKFINISHZONE, job.offset);
                break;
            case Kind::flush:
                done = ::fdatasync(fd_.get()) == 0;
                break;
            case Kind::append:
                break;
        }
        Answer answer{.id = job.id};
        if (!done) {
            answer.text = fmt::format("errno {}", errno);
            return answer;
        }
        answer.how = Answer::How::done;
        if (job.kind == Kind::read)
            answer.data.assign(job.memory.get(), job.memory.get() + job.length);
        return answer;
    }
    bool act(unsigned long action, std::uint64_t start) const {
        blk_zone_range range{start / sector, zone_sectors_};
        return ::ioctl(fd_.get(), action, &range) == 0;
    }

    UniqueFd fd_;
    std::uint32_t zone_sectors_ = 0;
    std::uint64_t last_id_ = 0;

    std::mutex lock_;
    std::condition_variable work_;
    std::condition_variable answer_;
    bool ended_ = false;
    std::deque<Job> jobs_;
    std::deque<Answer> answers_;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Front> kernel_front(const std::string& node) {
    return std::make_unique<KernelFront>(node);
}

}  // namespace zonebridge::kills
