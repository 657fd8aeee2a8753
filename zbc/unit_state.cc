#include "zbc/unit_state.h"

#include <bit>

namespace zonebridge::zbc {
namespace {

constexpr std::uint32_t bit_of(Attention attention) noexcept {
    return std::uint32_t{1} << static_cast<unsigned>(attention);
}
static_assert(bit_of(Attention::power_on) == 1);

}  // namespace

std::optional<Attention> Attentions::take() noexcept {
    auto pending = pending_.load(std::memory_order_acquire);
    while (pending != 0) {
        const auto first = pending & -pending;
        if (pending_.compare_exchange_weak(pending, pending & ~first, std::memory_order_acq_rel))
            return static_cast<Attention>(std::countr_zero(first));
    }
    return std::nullopt;
}

void Attentions::raise(Attention attention) noexcept {
    pending_.fetch_or(bit_of(attention), std::memory_order_acq_rel);
}

void Attentions::reset() noexcept {
    pending_.store(bit_of(Attention::power_on), std::memory_order_release);
}

ModeValues UnitState::mode_values() const noexcept {
    return {descriptor_sense(), software_write_protected(), write_cache()};
}

void UnitState::set_mode_values(const ModeValues& values) noexcept {
    descriptor_sense_.store(values.descriptor_sense);
    write_protect_.store(values.software_write_protect);
    write_cache_.store(values.write_cache);
}

void UnitState::reset() noexcept {
    set_stopped(false);
    set_continued(false);
    set_mode_values(ModeValues());
    attentions_.reset();
}

}  // namespace zonebridge::zbc
