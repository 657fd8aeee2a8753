// Closing a queue: requests that it did not issue are withdrawn, requests that it issued for other
// queues end, and the lines that it holds go to the queues whose requests are pending there.
#include <thread>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

SequencedQueue::~SequencedQueue() {
    channel_.closing = true;
    if (channel_.device.is_open()) {
        withdraw();
        issue();
        while (is_busy())
            if (!loop().turn(Loop::Wait::sleep)) break;
        // A ring that fails can't report what becomes of its requests, and holds none. Requests
        // that other queues issued for this one come back regardless of this loop.
        if (is_busy()) abandon();
    }
    loop().remove_issuer(*this);
    channel_.device.close();
    loop().unwatch(channel_.inbox.event_fd());
}

void SequencedQueue::withdraw() noexcept {
    // Commands stay: they may contain other queues' requests.
    channel_.device.withdraw([this](std::uint64_t tag) {
        return is_node(tag) && passed_.can_be_withdrawn(node_of(tag));
    });
    for (auto& node : channel_.requests.all()) {
        switch (node.use) {
            case Node::Use::sweeping:
                if (sweep_.withdraw(node)) channel_.requests.withdraw(node);
                break;
            case Node::Use::in_zone:
                if (order_.withdraw(node)) channel_.requests.withdraw(node);
                break;
            case Node::Use::idle:
            case Node::Use::passing:
            case Node::Use::appending:
                break;
        }
    }
}

bool SequencedQueue::is_busy() const noexcept {
    return channel_.requests.ordered() != 0 || channel_.commands.in_use() != 0 ||
           passed_.appends_in_flight() != 0 || !channel_.lines.empty() ||
           !channel_.inbox.is_empty();
}

void SequencedQueue::abandon() noexcept {
    const Status lost{StatusCode::io_error, {}};
    while (channel_.device.take_unsent()) continue;
    channel_.device.close();
    for (auto& command : channel_.commands.all())
        if (command.line != nullptr) order_.abandon(command, lost);
    passed_.abandon(lost);
    sweep_.abandon(lost);
    for (issue(); is_busy(); issue()) std::this_thread::yield();
}

}  // namespace zonebridge::sequencer
