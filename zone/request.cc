#include "zone/request.h"

namespace zonebridge {

std::string_view to_string(Operation operation) noexcept {
    switch (operation) {
        case Operation::read:
            return "read";
        case Operation::write:
            return "write";
        case Operation::append:
            return "append";
        case Operation::flush:
            return "flush";
        case Operation::open:
            return "open";
        case Operation::close:
            return "close";
        case Operation::finish:
            return "finish";
        case Operation::reset:
            return "reset";
        case Operation::report:
            return "report";
        case Operation::discard:
            return "discard";
        case Operation::write_zeroes:
            return "write-zeroes";
    }
    return "unknown";
}

bool is_zone_action(Operation operation) noexcept {
    switch (operation) {
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return true;
        case Operation::read:
        case Operation::write:
        case Operation::append:
        case Operation::flush:
        case Operation::report:
        case Operation::discard:
        case Operation::write_zeroes:
            return false;
    }
    return false;
}

bool all_acts_on(Operation operation, ZoneState state) noexcept {
    const auto open = state == ZoneState::implicit_open || state == ZoneState::explicit_open;
    const auto closed = state == ZoneState::closed;
    switch (operation) {
        case Operation::open:
            return closed;
        case Operation::close:
            return open;
        case Operation::finish:
            return open || closed;
        case Operation::reset:
            return open || closed || state == ZoneState::full;
        case Operation::read:
        case Operation::write:
        case Operation::append:
        case Operation::flush:
        case Operation::report:
        case Operation::discard:
        case Operation::write_zeroes:
            break;
    }
    return false;
}

bool clears(Operation operation) noexcept {
    switch (operation) {
        case Operation::discard:
        case Operation::write_zeroes:
            return true;
        case Operation::read:
        case Operation::write:
        case Operation::append:
        case Operation::flush:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
            return false;
    }
    return false;
}

}  // namespace zonebridge
