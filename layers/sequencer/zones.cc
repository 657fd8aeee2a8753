#include "layers/sequencer/zones.h"

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

void Zones::add_sweep(Node& sweep) noexcept {
    const std::lock_guard guard(sweeps_lock_);
    sweep.order = accepted_.load(std::memory_order_relaxed) + 1;
    sweeps_.push(sweep);
    accepted_.store(sweep.order, std::memory_order_release);
}

Node* Zones::first_sweep() noexcept {
    const std::lock_guard guard(sweeps_lock_);
    return sweeps_.first;
}

void Zones::remove_sweep(Node& sweep) noexcept {
    const std::lock_guard guard(sweeps_lock_);
    sweeps_.remove(sweep);
    const auto* first = sweeps_.first;
    ended_.store(first != nullptr ? first->order - 1 : accepted_.load(std::memory_order_relaxed),
                 std::memory_order_release);
    if (first != nullptr) first->owner->poke();
}

void Zones::poke_sweep() noexcept {
    // A queue takes its sweeps out under this lock before it ends.
    const std::lock_guard guard(sweeps_lock_);
    if (!sweeps_.empty()) sweeps_.first->owner->poke();
}

bool Zones::is_swept(std::uint32_t zone, std::uint64_t order) noexcept {
    const std::lock_guard guard(sweeps_lock_);
    for (const auto* sweep = sweeps_.first; sweep != nullptr; sweep = sweep->next)
        if (sweep->order <= order && sweep->zone <= zone && zone <= sweep->last_zone) return true;
    return false;
}

}  // namespace zonebridge::sequencer
