#include "layers/sequencer/line.h"

#include <utility>

namespace zonebridge::sequencer {

StatusCode WritePointer::refusal() const noexcept {
    switch (known_) {
        case Known::full:
            return StatusCode::zone_full;
        case Known::read_only:
            return StatusCode::zone_read_only;
        case Known::offline:
            return StatusCode::zone_offline;
        case Known::nothing:
        case Known::pointer:
            break;
    }
    return StatusCode::ok;
}

void WritePointer::learn(const Zone& zone) noexcept {
    confirmed_ = true;
    switch (zone.state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            return move(zone.write_pointer.value_or(zone.start));
        case ZoneState::full:
            return fill();
        case ZoneState::read_only:
            known_ = Known::read_only;
            return;
        case ZoneState::offline:
            known_ = Known::offline;
            return;
        case ZoneState::not_write_pointer:
            return forget();
    }
}

void Line::put_back(List<Node> requests) noexcept {
    if (requests.empty()) return;
    for (auto* node = requests.first; node != nullptr; node = node->next) node->pending = true;
    requests.last->next = pending.first;
    if (pending.empty()) pending.last = requests.last;
    pending.first = requests.first;
}

List<Node> Line::take_all() noexcept {
    for (auto* node = pending.first; node != nullptr; node = node->next) node->pending = false;
    return std::exchange(pending, {});
}

}  // namespace zonebridge::sequencer
