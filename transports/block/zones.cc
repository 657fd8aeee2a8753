#include "transports/block/zones.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <sys/ioctl.h>

namespace zonebridge::block {
namespace {

// The sector of the kernel's interfaces, whatever the device's block size.
constexpr std::uint64_t sector = 512;

// As in linux/blkzoned.h of Linux 6.19 and later.
constexpr unsigned long report_from_memory_request = _IOWR(0x12, 142, blk_zone_report);
constexpr std::uint32_t report_cached = std::uint32_t{1} << 31;
constexpr std::uint8_t condition_active = 0xFF;

std::uint64_t to_bytes(std::uint64_t sectors) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max() / sector;
    return std::min(sectors, most) * sector;  // invalid numbers stay too large to be accepted
}

unsigned long request_for(ZoneAction action) noexcept {
    switch (action) {
        case ZoneAction::open:
            return BLKOPENZONE;
        case ZoneAction::close:
            return BLKCLOSEZONE;
        case ZoneAction::finish:
            return BLKFINISHZONE;
        case ZoneAction::reset:
            break;
    }
    return BLKRESETZONE;
}

bool has_pointer(ZoneState state) noexcept {
    return is_open(state) || state == ZoneState::closed;
}

}  // namespace

ReportBuffer::ReportBuffer(std::size_t zones)
    : capacity_(zones),
      memory_((sizeof(blk_zone_report) + zones * sizeof(blk_zone)) / sizeof(std::uint64_t)) {
    static_assert(sizeof(blk_zone_report) % sizeof(std::uint64_t) == 0);
    static_assert(sizeof(blk_zone) % sizeof(std::uint64_t) == 0);
}

blk_zone_report& ReportBuffer::header() noexcept {
    return *reinterpret_cast<blk_zone_report*>(memory_.data());
}

blk_zone* ReportBuffer::zones() noexcept {
    return header().zones;
}

tl::expected<std::size_t, int> KernelZones::report(std::uint64_t offset, std::size_t most,
                                                   From from, ReportBuffer& buffer) noexcept {
    auto& header = buffer.header();
    const auto prepare = [&](std::uint32_t flags) {
        header.sector = offset / sector;
        header.nr_zones = static_cast<std::uint32_t>(std::min(most, buffer.capacity()));
        header.flags = flags;
    };
    const auto result = [&]() -> tl::expected<std::size_t, int> {
        return std::min<std::size_t>(header.nr_zones, buffer.capacity());
    };
    if (from == From::memory && remembers_.load(std::memory_order_relaxed)) {
        prepare(report_cached);
        if (::ioctl(fd_, report_from_memory_request, &header) == 0) return result();
        // Older kernels lack this ioctl, and so may some drivers of newer ones.
        remembers_.store(false, std::memory_order_relaxed);
    }
    prepare(0);
    if (::ioctl(fd_, BLKREPORTZONE, &header) != 0) return tl::make_unexpected(errno);
    return result();
}

int KernelZones::act(Operation operation, std::uint64_t offset, std::uint64_t length) noexcept {
    if (!is_zone_action(operation)) return EINVAL;
    const auto request = request_for(zone_action_of(operation));
    blk_zone_range range{offset / sector, length / sector};
    return ::ioctl(fd_, request, &range) == 0 ? 0 : errno;
}

Zone to_zone(const blk_zone& raw, std::uint32_t flags, ZonePort::From from) noexcept {
    Zone zone;
    zone.start = to_bytes(raw.start);
    zone.length = to_bytes(raw.len);
    zone.type = static_cast<ZoneType>(raw.type);
    zone.state = static_cast<ZoneState>(raw.cond);
    // The kernel does not cache whether the zone is open or closed; it does cache the pointer.
    if (from == ZonePort::From::memory && raw.cond == condition_active)
        zone.state = ZoneState::closed;
    const auto told = (flags & BLK_ZONE_REP_CAPACITY) != 0;
    const auto conventional = zone.type == ZoneType::conventional;
    zone.capacity = told && !conventional ? to_bytes(raw.capacity) : zone.length;
    if (conventional) return zone;
    if (zone.state == ZoneState::empty) zone.write_pointer = zone.start;
    if (has_pointer(zone.state)) zone.write_pointer = to_bytes(raw.wp);
    return zone;
}

}  // namespace zonebridge::block
