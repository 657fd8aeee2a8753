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
    }
    return "unknown";
}

}  // namespace zonebridge
