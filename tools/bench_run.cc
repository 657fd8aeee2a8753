#include <algorithm>
#include <array>
#include <optional>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/bench.h"
#include "tools/files.h"

namespace zonebridge::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// One request in flight; its index is the request's tag.
struct Slot {
    Load::Item item;
    iovec vector{};
    Clock::time_point start;
};

std::pair<double, double> processor_time() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

class Bench {
  public:
    Bench(DiskClient& session, Load& load, const BenchPlan& plan, std::span<std::byte> memory,
          std::span<Zone> zones)
        : session_(session), load_(load), plan_(plan), zones_(zones) {
        const auto block = static_cast<std::size_t>(plan_.block_size);
        slots_.resize(plan_.depth);
        free_.reserve(plan_.depth);
        requests_.reserve(plan_.depth);
        for (std::uint32_t number = 0; number < plan_.depth; ++number) {
            if (block > 0) slots_[number].vector = {memory.data() + number * block, block};
            free_.push_back(number);
        }
    }

    tl::expected<BenchResult, Failure> run() {
        const auto [user, system] = processor_time();
        const auto start = Clock::now();
        const auto end = start + plan_.runtime;
        auto now = start;
        for (;;) {
            if (now < end && !failed_) fill(now);
            if (in_flight() == 0) break;
            if (auto turned = session_.loop().turn(Loop::Wait::sleep); !turned)
                return tl::unexpected(failure_of(turned.error()));
            now = Clock::now();
            collect(now);
        }
        if (failed_) return tl::unexpected(std::move(*failed_));
        const auto [user_after, system_after] = processor_time();
        result_.seconds = std::chrono::duration<double>(now - start).count();
        result_.user_seconds = user_after - user;
        result_.system_seconds = system_after - system;
        return std::move(result_);
    }

  private:
    [[nodiscard]] std::size_t in_flight() const noexcept {
        return slots_.size() - free_.size() - requests_.size();
    }

    void fill(Clock::time_point now) noexcept {
        while (!free_.empty()) {
            const auto item = load_.next();
            if (!item) break;
            const auto number = free_.back();
            free_.pop_back();
            requests_.push_back(request_for(number, *item));
        }
        // A full queue leaves requests here, in order.
        const auto taken = session_.queue().submit(requests_);
        for (std::size_t place = 0; place < taken; ++place)
            slots_[requests_[place].tag].start = now;
        requests_.erase(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(taken));
    }

    Request request_for(std::uint32_t number, const Load::Item& item) noexcept {
        auto& slot = slots_[number];
        slot.item = item;
        Request request;
        request.tag = number;
        request.operation = item.operation;
        request.offset = item.offset;
        request.length = item.length;
        if (item.operation == Operation::report) {
            request.zones =
                zones_.subspan(std::size_t{number} * plan_.report_zones, plan_.report_zones);
        } else if (!is_zone_action(item.operation)) {
            slot.vector.iov_len = static_cast<std::size_t>(item.length);
            request.data = {&slot.vector, 1};
        }
        return request;
    }

    void collect(Clock::time_point now) {
        std::array<Completion, 64> out;
        for (;;) {
            const auto count = session_.queue().reap(out);
            for (const auto& completion : std::span(out).first(count)) take(completion, now);
            if (count < out.size()) return;
        }
    }

    void take(const Completion& completion, Clock::time_point now) {
        const auto number = static_cast<std::uint32_t>(completion.tag);
        const auto& slot = slots_[number];
        free_.push_back(number);
        if (!completion.status.ok()) {
            if (!failed_) failed_ = failure(slot.item, completion.status);
            return;
        }
        load_.done(slot.item);
        if (!slot.item.measured) return;
        ++result_.requests;
        result_.bytes += slot.item.length;
        result_.latency.add(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(now - slot.start).count()));
    }

    Failure failure(const Load::Item& item, const Status& status) const {
        auto what =
            fmt::format("{}: after {} successful requests, {} at offset {}", session_.device(),
                        result_.requests, to_string(item.operation), item.offset);
        if (item.length > 0) what += fmt::format(" of {} bytes", item.length);
        return failure_of(status, what + " failed");
    }

    DiskClient& session_;
    Load& load_;
    const BenchPlan& plan_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<Request> requests_;  // not accepted by the queue yet
    std::span<Zone> zones_;
    BenchResult result_;
    std::optional<Failure> failed_;
};

}  // namespace

tl::expected<BenchResult, Failure> run_bench(DiskClient& session, Load& load,
                                             const BenchPlan& plan) {
    std::vector<Zone> zones(std::size_t{plan.depth} * plan.report_zones);
    const auto size = static_cast<std::size_t>(plan.block_size) * plan.depth;
    auto memory = Buffer::allocate(std::max<std::size_t>(size, 1));
    if (!memory)
        return tl::unexpected(refusal(fmt::format("not enough memory for {} bytes of data", size)));
    // Incompressible data: a fixed pseudo-random sequence.
    std::uint64_t number = 0x9E3779B97F4A7C15;
    for (auto& byte : memory->bytes()) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        byte = static_cast<std::byte>(number);
    }
    return Bench(session, load, plan, memory->bytes(), zones).run();
}

}  // namespace zonebridge::tools
