// A test builds this file with the fault that the four stages prevent.
#include "transports/emulated/slots.h"

#include <algorithm>

namespace zonebridge::emulated {

bool SlotMap::adopt(std::uint32_t zone, std::uint32_t slot) noexcept {
    if (slot >= taken_.size() || taken_.test(slot)) return false;
    taken_.set(slot);
    of_zone_[zone - first_zone_] = slot + 1;
    return true;
}

std::optional<std::uint32_t> SlotMap::allocate(std::uint32_t zone) noexcept {
    auto found = taken_.next_clear(lowest_free_);
    if (found) {
        lowest_free_ = *found + 1;
    } else {
        lowest_free_ = taken_.size();
        found = punchable_.next_set(0);
        if (!found) return std::nullopt;
        punchable_.clear(*found);
    }
    taken_.set(*found);
    of_zone_[zone - first_zone_] = static_cast<std::uint32_t>(*found) + 1;
    return static_cast<std::uint32_t>(*found);
}

void SlotMap::release(std::uint32_t zone) noexcept {
    const auto slot = of(zone);
    if (!slot) return;
    of_zone_[zone - first_zone_] = 0;
#ifdef ZONEBRIDGE_BREAK_REUSE_BEFORE_COMMIT
    punchable_.set(*slot);
#else
    freed_.set(*slot);
#endif
}

void SlotMap::give_back(std::uint32_t zone) noexcept {
    const auto slot = of(zone);
    if (!slot) return;
    of_zone_[zone - first_zone_] = 0;
    free({*slot, 1});
}

std::optional<SlotMap::Run> SlotMap::take_punchable(std::uint32_t most) noexcept {
    const auto first = punchable_.next_set(0);
    if (!first) return std::nullopt;
    Run run{static_cast<std::uint32_t>(*first), 0};
    while (run.count < most && *first + run.count < punchable_.size() &&
           punchable_.test(*first + run.count)) {
        punchable_.clear(*first + run.count);
        ++run.count;
    }
    punching_ += run.count;
    return run;
}

void SlotMap::punched(Run run) noexcept {
    punching_ -= run.count;
    free(run);
}

void SlotMap::free(Run run) noexcept {
    for (std::uint32_t i = 0; i < run.count; ++i) taken_.clear(run.first + i);
    lowest_free_ = std::min<std::size_t>(lowest_free_, run.first);
}

bool SlotMap::discard(std::uint32_t slot) noexcept {
    if (taken_.test(slot)) return false;
    taken_.set(slot);
    punchable_.set(slot);
    return true;
}

}  // namespace zonebridge::emulated
