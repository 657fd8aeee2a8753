#include "layers/sequencer/sweeps.h"

#include "layers/sequencer/inbox.h"
#include "layers/sequencer/line.h"

namespace zonebridge::sequencer {

void Sweeps::add(Node& sweep) noexcept {
    const std::lock_guard guard(lock_);
    sweep.order = accepted_.load(std::memory_order_relaxed) + 1;
    pending_.push(sweep);
    accepted_.store(sweep.order, std::memory_order_release);
}

Node* Sweeps::first() noexcept {
    const std::lock_guard guard(lock_);
    return pending_.first;
}

void Sweeps::remove(Node& sweep) noexcept {
    const std::lock_guard guard(lock_);
    pending_.remove(sweep);
    const auto* first = pending_.first;
    ended_.store(first != nullptr ? first->order - 1 : accepted_.load(std::memory_order_relaxed),
                 std::memory_order_release);
    if (first != nullptr) first->owner->wake();
}

void Sweeps::wake_first() noexcept {
    // A queue removes its sweeps under this lock before it ends.
    const std::lock_guard guard(lock_);
    if (!pending_.empty()) pending_.first->owner->wake();
}

bool Sweeps::is_swept(std::uint32_t zone, std::uint64_t order) noexcept {
    const std::lock_guard guard(lock_);
    for (const auto* sweep = pending_.first; sweep != nullptr; sweep = sweep->next)
        if (sweep->order <= order && sweep->zone <= zone && zone <= sweep->last_zone) return true;
    return false;
}

}  // namespace zonebridge::sequencer
