#include "zbc/verify_run.h"

#include <algorithm>

namespace zonebridge::zbc {

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

}  // namespace zonebridge::zbc
