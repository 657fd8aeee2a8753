#include "transports/block/control_job.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/fs.h>
#include <sys/ioctl.h>

namespace zonebridge::block {
namespace {

// Zones for each ioctl: 64 KiB of report.
constexpr std::size_t zones_a_step = 1023;

// Whether the zone agrees with the layout found when the disk was opened.
bool fits(const Zone& zone, const Layout& layout, std::uint32_t index) noexcept {
    if (zone.start != layout.start_of(index) || zone.length != layout.length_of(index) ||
        zone.type != layout.type_of(index) || !parse_zone_state(to_string(zone.state)))
        return false;
    if (!zone.write_pointer) return true;
    return *zone.write_pointer >= zone.start &&
           *zone.write_pointer - zone.start <= layout.capacity_of(index);
}

}  // namespace

ControlJob::ControlJob(const KernelDisk& disk, Owner& owner, const std::atomic<bool>& over)
    : disk_(disk), owner_(owner), over_(over), buffer_(zones_a_step) {}

void ControlJob::begin(const Request& request) noexcept {
    request_ = request;
    completion_ = {request.tag, {}, 0};
}

void ControlJob::run() noexcept {
    if (request_.operation == Operation::discard)
        completion_.status = discard();
    else if (request_.operation == Operation::report)
        completion_.status = report();
    else if (request_.scope == Scope::zones)
        completion_.status = act_on_range();
    else
        completion_.status = reset_all();  // the only one among the limits
}

template <typename Visit>
Status ControlJob::for_each_zone(std::uint64_t from, std::size_t most, Visit visit) noexcept {
    const auto& layout = disk_.layout();
    auto index = layout.zone_of(from);
    const auto end = index + std::min<std::size_t>(most, layout.zone_count() - index);
    while (index < end) {
        if (over_.load(std::memory_order_relaxed)) return {StatusCode::aborted, {}};
        const auto left = end - index;
        const auto count =
            disk_.zones().report(layout.start_of(index), left, ZonePort::From::device, buffer_);
        if (!count) return disk_.status_of(count.error());
        if (*count == 0 || *count > left) return disk_.status_of(EBADMSG);
        for (std::size_t i = 0; i < *count; ++i, ++index) {
            auto zone = to_zone(buffer_.zones()[i], buffer_.header().flags, ZonePort::From::device);
            if (!fits(zone, layout, index)) return disk_.status_of(EBADMSG);
            zone.capacity = layout.capacity_of(index);
            if (const Status status = visit(zone); !status.ok()) return status;
        }
    }
    return {};
}

Status ControlJob::discard() noexcept {
    if (over_.load(std::memory_order_relaxed)) return {StatusCode::aborted, {}};
    std::array<std::uint64_t, 2> range{request_.offset, request_.length};
    return ::ioctl(disk_.fd(), BLKDISCARD, range.data()) == 0 ? Status{} : disk_.status_of(errno);
}

Status ControlJob::report() noexcept {
    auto& filled = completion_.result;
    return for_each_zone(request_.offset, request_.zones.size(), [&](const Zone& zone) {
        request_.zones[filled++] = zone;
        return Status{};
    });
}

Status ControlJob::act(Operation operation, const Zone& zone) noexcept {
    if (over_.load(std::memory_order_relaxed)) return {StatusCode::aborted, {}};
    const auto error = disk_.zones().act(operation, zone.start, zone.length);
    return error == 0 ? Status{} : disk_.status_of(error);
}

// Zone by zone: for a whole range the kernel does not say how far it got.
Status ControlJob::act_on_range() noexcept {
    const auto& layout = disk_.layout();
    const auto end = request_.offset + request_.length;
    for (auto index = layout.zone_of(request_.offset);
         index < layout.zone_count() && layout.start_of(index) < end; ++index) {
        Zone zone;
        zone.start = layout.start_of(index);
        zone.length = layout.length_of(index);
        if (const auto status = act(request_.operation, zone); !status.ok()) return status;
        ++completion_.result;
    }
    return {};
}

Status ControlJob::reset_all() noexcept {
    const auto error = disk_.zones().act(Operation::reset, 0, disk_.layout().size());
    return error == 0 ? Status{} : disk_.status_of(error);
}

}  // namespace zonebridge::block
