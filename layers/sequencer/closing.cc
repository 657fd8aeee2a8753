// The end of a queue: what it did not issue is withdrawn, what it issued for others is ended, and
// the lines it holds go to whoever waits there.
#include <thread>
#include <unistd.h>
#include <utility>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

SequencedQueue::~SequencedQueue() {
    closing_ = true;
    if (inner_ != nullptr) {
        withdraw();
        issue();
        while (busy())
            if (!loop().turn(Loop::Wait::sleep)) break;
        // A ring that fails can't tell what becomes of its requests, and holds none. What others
        // carry for this queue comes back whatever this loop does.
        if (busy()) abandon();
    }
    loop().remove_issuer(*this);
    inner_.reset();
    loop().unwatch(event_fd_);
    ::close(event_fd_);
}

void SequencedQueue::withdraw() noexcept {
    std::erase_if(outgoing_, [this](const Request& request) { return is_withdrawable(request); });
    for (auto& node : nodes_) {
        if (node.use == Node::Use::sweeping) {
            if (sweep_.node == &node && sweep_.step != Sweep::Step::drain) continue;
            if (sweep_.node == &node) sweep_.node = nullptr;
            zones_.remove_sweep(node);
            --sweeps_;
            unpark_swept(node.zone, node.last_zone);
        } else if (node.use == Node::Use::in_zone) {
            auto& line = zones_.line(node.zone);
            const std::lock_guard guard(line.lock);
            if (!node.waiting) continue;
            line.waiting.remove(node);
            node.waiting = false;
            // No queue has it, so nobody else would.
            if (line.parked && line.waiting.empty()) release(line);
        } else {
            continue;
        }
        --in_zones_;
        node.use = Node::Use::idle;
    }
}

/// Not so: what carries others' requests, and appends, which are counted.
bool SequencedQueue::is_withdrawable(const Request& outgoing) const noexcept {
    if (outgoing.tag == sweep_tag || (outgoing.tag & carrier_mark) != 0) return false;
    const auto& node = *reinterpret_cast<const Node*>(static_cast<std::uintptr_t>(outgoing.tag));
    return node.owner == this && node.use == Node::Use::passing;
}

bool SequencedQueue::busy() const noexcept {
    return in_zones_ != 0 || busy_carriers_ != 0 || passed_appends_ != 0 || !runnable_.empty() ||
           !stalled_.empty() || mail_.load(std::memory_order_acquire);
}

void SequencedQueue::abandon() noexcept {
    const Completion lost{0, {StatusCode::io_error, {}}, 0};
    outgoing_.clear();
    inner_.reset();
    in_device_ = 0;
    for (auto& carrier : carriers_) {
        if (carrier.line == nullptr) continue;
        switch (carrier.step) {
            case Carrier::Step::explain_append:
                append_explained(carrier, false);
                continue;
            case Carrier::Step::explain_read:
                read_explained(carrier, false);
                continue;
            case Carrier::Step::look_for_room:
            case Carrier::Step::close_for_room:
                room_made(carrier);
                continue;
            case Carrier::Step::look:
            case Carrier::Step::write:
            case Carrier::Step::explain_write:
            case Carrier::Step::judge_action:
            case Carrier::Step::act:
            case Carrier::Step::explain_action:
                break;
        }
        while (auto* node = carrier.nodes.pop()) finish(*node, lost.status, 0);
        carrier.line->known = Line::Known::nothing;
        go_on(carrier);
    }
    while (!foreign_appends_.empty()) append_passed(*foreign_appends_.first, lost);
    for (auto& node : nodes_)
        if (node.use == Node::Use::appending) append_passed(node, lost);
    if (sweep_.node != nullptr) end_sweep(lost.status);
    for (issue(); busy(); issue()) std::this_thread::yield();
}

}  // namespace zonebridge::sequencer
