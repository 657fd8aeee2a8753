#include "zbc/initiators.h"

#include <bit>

namespace zonebridge::zbc {
namespace {

constexpr std::uint64_t known = 1;
constexpr std::uint64_t d_sense = 2;
constexpr std::uint64_t swp = 4;

constexpr unsigned first_attention = 8;
constexpr std::uint64_t all_attentions = ((1u << attention_count) - 1) << first_attention;

constexpr std::uint64_t bit_of(Attention attention) noexcept {
    return std::uint64_t{1} << (first_attention + static_cast<unsigned>(attention));
}
constexpr std::uint64_t newcomer(std::uint32_t initiator) noexcept {
    return static_cast<std::uint64_t>(initiator) << 32 | known | bit_of(Attention::power_on);
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
    return (find(initiator).load(std::memory_order_acquire) & all_attentions) != 0;
}

std::optional<Attention> Initiators::take_attention(std::uint32_t initiator) noexcept {
    for (;;) {
        const auto waiting = find(initiator).load(std::memory_order_acquire) & all_attentions;
        if (waiting == 0) return std::nullopt;
        const auto first = std::countr_zero(waiting);
        const auto bit = std::uint64_t{1} << first;
        if ((change(initiator, 0, bit) & bit) != 0)
            return static_cast<Attention>(static_cast<unsigned>(first) - first_attention);
    }
}

void Initiators::drop_attention(std::uint32_t initiator, Attention attention) noexcept {
    change(initiator, 0, bit_of(attention));
}

void Initiators::raise(Attention attention, std::optional<std::uint32_t> except) noexcept {
    for (auto& cell : cells_) {
        auto value = cell.load(std::memory_order_acquire);
        while (value != 0 && !(except && is_of(value, *except)) &&
               !cell.compare_exchange_weak(value, value | bit_of(attention),
                                           std::memory_order_acq_rel)) {
        }
    }
}

bool Initiators::descriptor_sense(std::uint32_t initiator) noexcept {
    return (find(initiator).load(std::memory_order_acquire) & d_sense) != 0;
}

void Initiators::set_descriptor_sense(std::uint32_t initiator, bool value) noexcept {
    change(initiator, value ? d_sense : 0, value ? 0 : d_sense);
}

bool Initiators::software_write_protected(std::uint32_t initiator) noexcept {
    return (find(initiator).load(std::memory_order_acquire) & swp) != 0;
}

void Initiators::set_software_write_protected(std::uint32_t initiator, bool value) noexcept {
    change(initiator, value ? swp : 0, value ? 0 : swp);
}

void Initiators::reset(std::uint32_t initiator) noexcept {
    // A reset stands for whatever else waited to be told.
    change(initiator, bit_of(Attention::power_on), d_sense | swp | all_attentions);
}

}  // namespace zonebridge::zbc
