#include "zone/transport.h"

#include <algorithm>

#include "zone/check.h"

namespace zonebridge {

Queue::Queue(Loop& loop, const Limits& limits, std::size_t depth)
    : loop_(loop), limits_(limits), depth_(std::max<std::size_t>(depth, 1)), refused_(depth_) {}

std::size_t Queue::submit(std::span<const Request> requests) noexcept {
    const auto limit = std::min(requests.size(), depth_ - in_flight_);
    const auto refused_before = refused_.size();
    std::size_t taken = 0;
    while (taken < limit) {
        // Pass on the longest run of valid requests, so that a transport sees a whole batch at
        // once.
        auto end = taken;
        auto code = StatusCode::ok;
        while (end < limit && (code = check(limits_, requests[end])) == StatusCode::ok) ++end;
        if (end > taken) {
            accept(requests.subspan(taken, end - taken));
            taken = end;
        }
        if (end < limit) {
            if (!take_refused(requests[end], code))
                refused_.push({requests[end].tag, {code, {}}, 0});
            ++taken;
        }
    }
    in_flight_ += taken;
    if (refused_.size() != refused_before) loop_.note_ready();
    if (taken != 0) loop_.note_queued();
    return taken;
}

void Queue::take_checked(std::span<const Request> requests) noexcept {
    in_flight_ += requests.size();
    accept(requests);
}

bool Queue::take_refused(const Request&, StatusCode) noexcept {
    return false;
}

std::size_t Queue::reap(std::span<Completion> out) noexcept {
    auto count = hand_out(refused_, out);
    // Collect even if `out` is full: the transport then notes its completions, and the loop does
    // not sleep on them.
    count += collect(out.subspan(count));
    in_flight_ -= count;
    return count;
}

}  // namespace zonebridge
