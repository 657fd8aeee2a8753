#include "transports/null/null.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace zonebridge::null {
namespace {

class NullQueue final : public Queue {
  public:
    NullQueue(Loop& loop, const Limits& limits, std::size_t depth)
        : Queue(loop, limits, depth), done_(Queue::depth()) {}

  private:
    void accept(std::span<const Request> requests) noexcept override {
        for (const auto& request : requests) done_.push({request.tag, {}, 0});
        if (!requests.empty()) loop().note_ready();
    }

    std::size_t collect(std::span<Completion> out) noexcept override {
        return hand_out(done_, out);
    }

    RingBuffer<Completion> done_;
};

class NullTransport final : public Transport {
  public:
    explicit NullTransport(std::uint64_t size) {
        limits_.layout = Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
        limits_.max_transfer = std::uint64_t{16} << 20;
        limits_.max_segments = 1024;
        limits_.any_length = true;
        limits_.fua = Support::native;
        limits_.max_discard = limits_.max_write_zeroes = std::uint64_t{1} << 30;
        limits_.discard_granularity = limits_.logical_block_size;
        limits_.write_zeroes_unmaps = true;
        identity_ = {.vendor = "ZBRIDGE",
                     .product = "NULL DISK",
                     .revision = "1",
                     .serial = fmt::format("null-{}", size),
                     .path = fmt::format("{}", size),
                     .transport = "null",
                     .reason = "named by the prefix null:",
                     .data_path = "none",
                     .notice = {},
                     .unique_id = size};
    }

    const Limits& limits() const noexcept override { return limits_; }
    const Identity& identity() const noexcept override { return identity_; }
    tl::expected<std::unique_ptr<Queue>, Error> open_queue(Loop& loop,
                                                           QueueOptions options) override {
        return std::make_unique<NullQueue>(loop, limits_, options.depth);
    }
    tl::expected<void, Error> close() override { return {}; }

  private:
    Limits limits_;
    Identity identity_;
};

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> open(std::uint64_t size) {
    if (size == 0 || size % 512 != 0)
        return tl::unexpected(
            Error{StatusCode::invalid_request,
                  fmt::format("null:{}: the size must be a multiple of 512 bytes, and not 0", size),
                  {}});
    return std::make_unique<NullTransport>(size);
}

}  // namespace zonebridge::null
