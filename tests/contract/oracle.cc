#include "tests/contract/oracle.h"

#include <algorithm>

#include <fmt/format.h>

#include "zone/check.h"

namespace zonebridge::contract {
namespace {

std::string describe(const Zone& zone) {
    return fmt::format(
        "{}+{} capacity {} {} {} pointer {}", zone.start, zone.length, zone.capacity,
        to_string(zone.type), to_string(zone.state),
        zone.write_pointer ? fmt::format("+{}", *zone.write_pointer - zone.start) : "none");
}

}  // namespace

Oracle::Oracle(const Limits& limits, std::span<const Zone> now) : limits_(limits) {
    machine_.emplace(limits);
    if (!adopt(now)) ADD_FAILURE() << "the device's zones are none the machine can be in";
}

Completion Oracle::expect(const Request& request) {
    last_ = request.operation;
    refused_ = false;
    before_ = machine_;
    Completion out{request.tag, {}, 0};
    auto& code = out.status.code;
    code = check(limits_, request);
    if (code != StatusCode::ok) return out;
    switch (request.operation) {
        case Operation::read:
            code = machine_->check_read(request.offset, request.length);
            break;
        case Operation::write:
        case Operation::write_zeroes:
            code = machine_->begin_write(request.offset, request.length);
            if (code == StatusCode::ok) machine_->advance(request.offset, request.length);
            break;
        case Operation::append:
            if (const auto at = machine_->begin_append(request.offset, request.length)) {
                out.result = *at;
                machine_->advance(*at, request.length);
            } else {
                code = at.error();
            }
            break;
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            code = act(request, out.result);
            break;
        case Operation::flush:
        case Operation::report:
        case Operation::discard:
            break;
    }
    refused_ = code == StatusCode::too_many_active || code == StatusCode::too_many_open;
    return out;
}

bool Oracle::excuses(StatusCode code) {
    if (code != StatusCode::too_many_open || !limits_.max_open || !limits_.max_active ||
        before_->active_count() < *limits_.max_active || before_->open_count() < *limits_.max_open)
        return false;
    machine_ = before_;
    refused_ = true;
    return true;
}

StatusCode Oracle::act(const Request& request, std::uint64_t& acted) {
    if (request.scope == Scope::all) return machine_->act_all(request.operation);
    const auto& layout = limits_.layout;
    const auto last = layout.zone_of(request.offset + request.length - 1);
    for (auto zone = layout.zone_of(request.offset); zone <= last; ++zone, ++acted)
        if (const auto code = machine_->act(request.operation, zone); code != StatusCode::ok)
            return code;
    return StatusCode::ok;
}

::testing::AssertionResult Oracle::agrees(std::span<const Zone> reported) {
    const auto count = limits_.layout.zone_count();
    if (reported.size() != count)
        return ::testing::AssertionFailure() << reported.size() << " zones, not " << count;
    bool differs = false;
    int closed_here = 0;   // open in the model, closed on the device
    int closed_there = 0;  // closed in the model, open on the device
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto expected = machine_->describe(i);
        auto got = reported[i];
        // A read-only or offline zone may report another capacity.
        if (expected.state == ZoneState::offline || expected.state == ZoneState::read_only)
            got.capacity = expected.capacity;
        if (got == expected) continue;
        differs = true;
        auto alike = got;
        alike.state = expected.state;
        const auto at_start = got.write_pointer == got.start;
        if (alike == expected && limits_.max_open) {
            if (expected.state == ZoneState::implicit_open && got.state == ZoneState::closed) {
                ++closed_here;
                continue;
            }
            if (expected.state == ZoneState::closed && got.state == ZoneState::implicit_open) {
                ++closed_there;
                continue;
            }
        }
        if (alike == expected && last_ == Operation::close && at_start &&
            expected.state == ZoneState::empty && got.state == ZoneState::closed)
            continue;
        return ::testing::AssertionFailure()
               << "zone " << i << ": " << describe(got) << "\n  expected: " << describe(expected);
    }
    if (!differs) return ::testing::AssertionSuccess();
    const auto excused = (last_ == Operation::finish && closed_here < closed_there) ||
                         (refused_ && closed_here == closed_there + 1);
    if (closed_here != closed_there && !excused)
        return ::testing::AssertionFailure()
               << closed_here << " zones were closed that should be open, " << closed_there
               << " are open that should be closed";
    const auto open = std::count_if(reported.begin(), reported.end(),
                                    [](const Zone& zone) { return is_open(zone.state); });
    if (!adopt(reported))
        return ::testing::AssertionFailure()
               << "more zones are open (" << open << ") or active than the limits allow";
    return ::testing::AssertionSuccess();
}

bool Oracle::adopt(std::span<const Zone> zones) {
    Machine fresh(limits_);
    for (std::uint32_t i = 0; i < zones.size(); ++i) {
        const auto& zone = zones[i];
        const auto written = zone.write_pointer              ? *zone.write_pointer - zone.start
                             : zone.state == ZoneState::full ? machine_->written_end(i) - zone.start
                                                             : 0;
        if (!fresh.restore(i, zone.state, written)) return false;
    }
    machine_ = std::move(fresh);
    return true;
}

Request request_of(Operation operation, std::uint64_t offset, std::uint64_t length,
                   std::span<const iovec> data) {
    return {.operation = operation, .offset = offset, .length = length, .data = data, .zones = {}};
}

}  // namespace zonebridge::contract
