#include "zbc/verify_run.h"

#include <algorithm>

namespace zonebridge::zbc {
namespace {

// What is read at once: enough to keep the disk busy.
constexpr std::uint64_t most_at_once = 256 << 10;

std::size_t piece_of(const Limits& limits) noexcept {
    const auto block = limits.physical_block_size;
    const auto most = std::min(limits.max_transfer, most_at_once) / block * block;
    return static_cast<std::size_t>(std::max<std::uint64_t>(most, limits.logical_block_size));
}

constexpr std::size_t pages_for(std::size_t bytes, std::size_t page) noexcept {
    return (bytes + page - 1) / page;
}

}  // namespace

std::optional<ByteCheck> parse_byte_check(std::uint8_t value) noexcept {
    switch (value) {
        case 0:
            return ByteCheck::medium;
        case 1:
            return ByteCheck::all;
        case 3:
            return ByteCheck::one_block;
        default:
            return std::nullopt;
    }
}

void VerifyRun::begin(const Layout& layout, std::uint64_t offset, std::uint64_t length,
                      ByteCheck check) noexcept {
    *this = VerifyRun();
    layout_ = &layout;
    start_ = next_ = offset;
    end_ = offset + length;
    check_ = check;
}

std::optional<VerifyRun::Next> VerifyRun::next(std::uint64_t most) const noexcept {
    if (next_ >= end_) return std::nullopt;
    auto end = end_;
    if (layout_->zone_count() != 0) {
        const auto zone = layout_->zone_of(next_);
        end = std::min(end, layout_->start_of(zone) + layout_->length_of(zone));
    }
    return Next{next_, std::min(most, end - next_)};
}

std::optional<std::uint64_t> VerifyRun::feed(std::span<const std::uint8_t> bytes) noexcept {
    const auto before = next_ - start_;
    next_ += bytes.size();
    switch (check_) {
        case ByteCheck::medium:
            break;
        case ByteCheck::all:
            if (const auto place = data_.compare(bytes)) return before + *place;
            break;
        case ByteCheck::one_block:
            for (std::size_t at = 0; at < bytes.size(); at += block_.size()) {
                const auto [ours, theirs] =
                    std::mismatch(block_.begin(), block_.end(), bytes.begin() + at);
                if (ours != block_.end()) return ours - block_.begin();
            }
            break;
    }
    return std::nullopt;
}

VerifyScratch::VerifyScratch(const Limits& limits, std::size_t depth)
    : piece_(piece_of(limits)),
      block_(limits.logical_block_size),
      // Left uninitialised: pages that are never used are never there.
      pages_(std::make_unique_for_overwrite<Page[]>(pages_for(piece_ + block_, sizeof(Page)))),
      waiting_(depth) {}

bool VerifyScratch::take(std::uint32_t slot) noexcept {
    if (!taken_) return taken_ = true;
    waiting_.push(slot);
    return false;
}

std::optional<std::uint32_t> VerifyScratch::give_back() noexcept {
    if (!waiting_.empty()) return waiting_.pop();
    taken_ = false;
    return std::nullopt;
}

std::span<std::uint8_t> VerifyScratch::piece() noexcept {
    return {reinterpret_cast<std::uint8_t*>(pages_.get()), piece_};
}

std::span<std::uint8_t> VerifyScratch::block() noexcept {
    return {reinterpret_cast<std::uint8_t*>(pages_.get()) + piece_, block_};
}

std::span<const iovec> VerifyScratch::list(std::uint64_t length) noexcept {
    list_ = {piece().data(), static_cast<std::size_t>(length)};
    return {&list_, 1};
}

}  // namespace zonebridge::zbc
