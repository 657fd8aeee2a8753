#include "layers/sequencer/inbox.h"

#include <utility>

#include "layers/sequencer/zones.h"

namespace zonebridge::sequencer {

void Inbox::wake(const std::lock_guard<std::mutex>&) noexcept {
    // The eventfd is never read: every write triggers the watch again. Written under the lock,
    // because a queue that has received everything it waits for may be destroyed.
    if (filled_.exchange(true, std::memory_order_acq_rel)) return;
    signal_event(event_);
}

void Inbox::receive(Node& node) noexcept {
    const std::lock_guard guard(lock_);
    contents_.nodes.push(node);
    wake(guard);
}

void Inbox::receive(Line& line) noexcept {
    const std::lock_guard guard(lock_);
    contents_.lines.push(line);
    wake(guard);
}

void Inbox::wake() noexcept {
    const std::lock_guard guard(lock_);
    wake(guard);
}

Inbox::Contents Inbox::take() noexcept {
    const std::lock_guard guard(lock_);
    filled_.store(false, std::memory_order_release);
    return std::exchange(contents_, {});
}

}  // namespace zonebridge::sequencer
