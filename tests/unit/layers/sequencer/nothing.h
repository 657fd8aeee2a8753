// A zoned device that moves no data and completes each request at once. Tests and benchmarks
// measure the layers above it.
//
// Threads: as in zone/transport.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "zone/transport.h"

namespace zonebridge::test {

inline constexpr std::uint64_t nothing_zone_size = std::uint64_t{256} << 30;

class NothingQueue final : public Queue {
  public:
    NothingQueue(Loop& loop, const Limits& limits, std::size_t depth) : Queue(loop, limits, depth) {
        done_.reserve(depth);
    }

  private:
    void accept(std::span<const Request> requests) noexcept override {
        for (const auto& request : requests) {
            Completion completion{request.tag, {}, 0};
            if (request.operation == Operation::report) {
                auto start = request.offset;
                for (auto& zone : request.zones) {
                    zone = {.start = start,
                            .length = nothing_zone_size,
                            .capacity = nothing_zone_size,
                            .write_pointer = start,
                            .type = ZoneType::sequential_write_required,
                            .state = ZoneState::empty};
                    start += nothing_zone_size;
                }
                completion.result = request.zones.size();
            }
            done_.push_back(completion);
        }
        loop().note_ready();
    }
    std::size_t collect(std::span<Completion> out) noexcept override {
        const auto count = std::min(out.size(), done_.size());
        std::copy_n(done_.begin(), count, out.begin());
        done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(count));
        if (!done_.empty()) loop().note_ready();
        return count;
    }

    std::vector<Completion> done_;
};

class Nothing final : public Transport {
  public:
    Nothing() {
        limits_.model = Model::host_managed;
        limits_.layout = Layout(64 * nothing_zone_size, nothing_zone_size, nothing_zone_size, 0,
                                ZoneType::sequential_write_required);
        limits_.max_transfer = 1 << 20;
        limits_.max_segments = 128;
    }
    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return identity_; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        return std::make_unique<NothingQueue>(loop, limits_, options.depth);
    }
    [[nodiscard]] tl::expected<void, Error> close() override { return {}; }

  private:
    Limits limits_;
    Identity identity_;
};

}  // namespace zonebridge::test
