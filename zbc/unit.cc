#include "zbc/unit.h"

#include <algorithm>
#include <bit>
#include <limits>

#include <fmt/format.h>

namespace zonebridge::zbc {
namespace {

tl::unexpected<Error> impossible(const Identity& identity, const std::string& why) {
    return tl::unexpected(Error{StatusCode::unsupported,
                                fmt::format("{}: can't be shown as a SCSI disk: {}",
                                            identity.path.empty() ? "disk" : identity.path, why),
                                {}});
}

std::optional<std::uint32_t> open_limit(const Limits& limits) noexcept {
    if (limits.max_open && limits.max_active) return std::min(*limits.max_open, *limits.max_active);
    return limits.max_open ? limits.max_open : limits.max_active;
}

}  // namespace

tl::expected<Unit, Error> describe_unit(const Limits& limits, const Identity& identity,
                                        const UnitOptions& options) {
    const auto block = limits.logical_block_size;
    const auto physical = limits.physical_block_size;
    const auto& layout = limits.layout;
    if (block < 512 || !std::has_single_bit(block))
        return impossible(identity, fmt::format("its logical block is {} bytes", block));
    if (!std::has_single_bit(physical) || physical < block || physical / block > 1u << 15)
        return impossible(identity, fmt::format("its physical block is {} bytes, its logical {}",
                                                physical, block));
    if (limits.size() == 0) return impossible(identity, "it is empty");
    if (limits.size() % block != 0 || layout.zone_size() % block != 0 ||
        layout.zone_capacity() % block != 0)
        return impossible(
            identity,
            fmt::format("its size ({}), zone size ({}) or zone capacity ({}) is not a whole number "
                        "of {}-byte blocks",
                        limits.size(), layout.zone_size(), layout.zone_capacity(), block));
    if (limits.model != Model::none && layout.zone_count() == 0)
        return impossible(identity, "it says it is zoned, but has no zones");

    if (options.reads_past_pointer == true && !limits.reads_past_pointer)
        return impossible(
            identity,
            "reads past the write pointer can't be allowed (URSWRZ 1), since the disk "
            "itself refuses them");
    if (options.reads_past_pointer == false && limits.model != Model::host_managed)
        return impossible(identity,
                          "reads past the write pointer can't be refused (URSWRZ 0), since it has "
                          "no zones that must be written sequentially");

    Unit unit;
    unit.model = limits.model;
    unit.blocks = limits.size() / block;
    unit.block_size = block;
    unit.physical_exponent = static_cast<std::uint8_t>(std::countr_zero(physical / block));
    // Whole physical blocks, so that an initiator that splits at the limit stays aligned.
    const auto most = limits.max_transfer / physical * physical / block;
    unit.max_transfer_blocks = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(most, std::numeric_limits<std::uint32_t>::max()));
    if (unit.zoned()) {
        unit.max_open = open_limit(limits);
        unit.reads_past_pointer = options.reads_past_pointer.value_or(limits.reads_past_pointer);
        if (layout.zone_capacity() < layout.zone_size())
            unit.zone_granularity_blocks = layout.zone_size() / block;
    }
    unit.read_only = limits.read_only || options.read_only;
    unit.fua = limits.fua != Support::absent;
    unit.vendor = identity.vendor;
    unit.product = identity.product;
    unit.revision = identity.revision;
    unit.serial = options.serial.value_or(identity.serial).substr(0, max_serial_length);
    unit.unique_id = identity.unique_id;
    return unit;
}

}  // namespace zonebridge::zbc
