#include "zbc/initiators.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint64_t known = 1;
constexpr std::uint64_t attention = 2;
constexpr std::uint64_t d_sense = 4;

constexpr std::uint64_t newcomer(std::uint32_t initiator) noexcept {
    return static_cast<std::uint64_t>(initiator) << 32 | known | attention;
}
constexpr bool is_of(std::uint64_t cell, std::uint32_t initiator) noexcept {
    return cell != 0 && cell >> 32 == initiator;
}

}  // namespace

Initiators::Cell& Initiators::find(std::uint32_t initiator) noexcept {
    for (;;) {
        auto full = true;
        for (auto& cell : cells_) {
            auto value = cell.load(std::memory_order_acquire);
            if (is_of(value, initiator)) return cell;
            if (value != 0) continue;
            full = false;
            // Cells are taken in order and never given back, so all after this are free as well.
            if (cell.compare_exchange_strong(value, newcomer(initiator), std::memory_order_acq_rel))
                return cell;
            break;  // another thread took it, perhaps for the same initiator
        }
        if (!full) continue;
        auto& cell = cells_[next_victim_.fetch_add(1, std::memory_order_relaxed) % max_known];
        cell.store(newcomer(initiator), std::memory_order_release);
        return cell;
    }
}

std::uint64_t Initiators::change(std::uint32_t initiator, std::uint64_t set,
                                 std::uint64_t clear) noexcept {
    for (;;) {
        auto& cell = find(initiator);
        auto value = cell.load(std::memory_order_acquire);
        while (is_of(value, initiator))
            if (cell.compare_exchange_weak(value, (value & ~clear) | set,
                                           std::memory_order_acq_rel))
                return value;
    }
}

bool Initiators::attention_pending(std::uint32_t initiator) noexcept {
    return (find(initiator).load(std::memory_order_acquire) & attention) != 0;
}

bool Initiators::take_attention(std::uint32_t initiator) noexcept {
    return (change(initiator, 0, attention) & attention) != 0;
}

bool Initiators::descriptor_sense(std::uint32_t initiator) noexcept {
    return (find(initiator).load(std::memory_order_acquire) & d_sense) != 0;
}

void Initiators::set_descriptor_sense(std::uint32_t initiator, bool value) noexcept {
    change(initiator, value ? d_sense : 0, value ? 0 : d_sense);
}

void Initiators::reset(std::uint32_t initiator) noexcept {
    change(initiator, attention, d_sense);
}

}  // namespace zonebridge::zbc
