#include "zns/limits.h"

#include <algorithm>

#include "zns/command.h"

namespace zonebridge::zns {
namespace {

constexpr unsigned least_page_shift = 12;

/// The smaller of `most` and 2^exponent pages; exponent 0 means no limit.
std::uint64_t within(std::uint64_t most, std::uint8_t exponent) {
    if (exponent == 0 || exponent + least_page_shift >= 64) return most;
    return std::min(most, std::uint64_t{1} << (exponent + least_page_shift));
}

}  // namespace

Limits limits_of(const Controller& controller, const Namespace& space,
                 const std::optional<ZonedNamespace>& zoned, std::uint8_t zasl,
                 const HostBounds& host) {
    Limits limits;
    limits.logical_block_size = space.block_size;
    limits.physical_block_size = space.block_size;

    auto most = std::min(host.max_transfer, std::uint64_t{max_blocks} * space.block_size);
    most = within(most, controller.mdts);
    limits.max_transfer = std::max<std::uint64_t>(most - most % space.block_size, space.block_size);
    limits.max_segments = std::max(host.max_segments, 1U);
    limits.fua = Support::native;
    if (!zoned) return limits;

    limits.model = Model::host_managed;
    limits.append = Support::native;
    // Select All does to the same zones what the model wants, except for OPEN: where the limit does
    // not allow all zones, devices have opened some of them when they report the error.
    limits.native_all =
        ZoneActions().with(ZoneAction::close).with(ZoneAction::finish).with(ZoneAction::reset);
    const auto append = within(limits.max_transfer, zasl);
    limits.max_append =
        std::max<std::uint64_t>(append - append % space.block_size, space.block_size);
    limits.max_open = zoned->max_open;
    limits.max_active = zoned->max_active;
    limits.reads_across_zones = zoned->reads_across_zones;
    return limits;
}

}  // namespace zonebridge::zns
