// The end of a queue: what it did not issue is withdrawn, what it issued for others is ended, and
// the lines it holds go to whoever waits there.
#include <thread>
#include <utility>

#include "transports/sequencer/queue.h"

namespace zonebridge::sequencer {

SequencedQueue::~SequencedQueue() {
    channel_.closing = true;
    if (channel_.device.is_open()) {
        withdraw();
        issue();
        while (busy())
            if (!loop().turn(Loop::Wait::sleep)) break;
        // A ring that fails can't tell what becomes of its requests, and holds none. What others
        // carry for this queue comes back whatever this loop does.
        if (busy()) abandon();
    }
    loop().remove_issuer(*this);
    channel_.device.close();
    loop().unwatch(channel_.inbox.event_fd());
}

void SequencedQueue::withdraw() noexcept {
    channel_.device.withdraw([this](std::uint64_t tag) { return is_withdrawable(tag); });
    for (auto& node : channel_.requests.all()) {
        if (node.use == Node::Use::sweeping) {
            if (!sweep_.withdraw(node)) continue;
        } else if (node.use == Node::Use::in_zone) {
            auto& line = zones_.line(node.zone);
            const std::lock_guard guard(line.lock);
            if (!node.waiting) continue;
            line.waiting.remove(node);
            node.waiting = false;
            // No queue has it, so nobody else would. With a wish for room it waits for native
            // appends, and is taken up when they have ended.
            if (line.state == Line::State::parked && line.waiting.empty() && !line.room.wanted)
                channel_.lines.release(line);
        } else {
            continue;
        }
        channel_.requests.withdraw(node);
    }
}

/// Not so: commands, which others' requests may be in, and appends, which are counted.
bool SequencedQueue::is_withdrawable(std::uint64_t tag) const noexcept {
    if (tag == sweep_tag || command_of(tag) != nullptr) return false;
    const auto& node = node_of(tag);
    return channel_.requests.owns(node) && node.use == Node::Use::passing;
}

bool SequencedQueue::busy() const noexcept {
    return channel_.requests.ordered() != 0 || channel_.commands.in_use() != 0 ||
           passed_appends_ != 0 || !channel_.lines.empty() || !channel_.inbox.is_empty();
}

void SequencedQueue::abandon() noexcept {
    const Completion lost{0, {StatusCode::io_error, {}}, 0};
    while (channel_.device.take_unsent()) continue;
    channel_.device.close();
    for (auto& command : channel_.commands.all()) {
        if (command.line == nullptr) continue;
        switch (command.step) {
            case Command::Step::explain_append:
                append_explained(command, false);
                continue;
            case Command::Step::explain_read:
                read_explained(command, false);
                continue;
            case Command::Step::look_for_room:
            case Command::Step::close_for_room:
                zones_.room.ended(channel_, command);
                continue;
            case Command::Step::write:
            case Command::Step::explain_write:
                command.write.fail(channel_.requests, lost.status);
                break;
            case Command::Step::judge_action:
            case Command::Step::act:
            case Command::Step::explain_action:
                channel_.requests.finish(*command.node, lost.status, 0);
                break;
            case Command::Step::look:
                break;
        }
        command.line->known = Line::Known::nothing;
        channel_.go_on(command);
    }
    while (!foreign_appends_.empty()) append_passed(*foreign_appends_.first, lost);
    for (auto& node : channel_.requests.all())
        if (node.use == Node::Use::appending) append_passed(node, lost);
    sweep_.abandon(lost.status);
    for (issue(); busy(); issue()) std::this_thread::yield();
}

}  // namespace zonebridge::sequencer
