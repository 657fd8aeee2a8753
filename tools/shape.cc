#include "tools/shape.h"

#include <fmt/format.h>

namespace zonebridge::tools {
namespace {

bool conventional_ones_come_first(const Layout& layout) {
    for (std::uint32_t zone = 0; zone < layout.conventional_count(); ++zone)
        if (!layout.is_conventional(zone)) return false;
    return true;
}

bool can_be_emulated(std::uint32_t block) {
    return block == 512 || block == 4096;
}

}  // namespace

emulated::Shape ShapeOptions::over(emulated::Shape shape) const {
    shape.size = size.value_or(shape.size);
    shape.zone_size = zone_size.value_or(shape.zone_size);
    // A capacity equal to the zone size stays equal when the size changes.
    if (zone_capacity)
        shape.zone_capacity = zone_capacity;
    else if (zone_size && shape.zone_capacity && *shape.zone_capacity > *zone_size)
        shape.zone_capacity.reset();
    shape.conventional = conventional.value_or(shape.conventional);
    if (max_open) shape.max_open = max_open;
    if (max_active) shape.max_active = max_active;
    shape.logical_block_size = block_size.value_or(shape.logical_block_size);
    shape.physical_block_size = physical_block_size.value_or(shape.physical_block_size);
    shape.model = model.value_or(shape.model);
    return shape;
}

tl::expected<emulated::Shape, Failure> shape_like(const Limits& limits, const ShapeOptions& options,
                                                  std::string_view device) {
    const auto& layout = limits.layout;
    const auto refuse = [device](std::string why) {
        return tl::unexpected(refusal(fmt::format("{}: {}", device, std::move(why))));
    };
    emulated::Shape shape;
    shape.size = layout.size();
    shape.logical_block_size = limits.logical_block_size;
    shape.physical_block_size = limits.physical_block_size;
    if (!options.block_size && !can_be_emulated(limits.logical_block_size))
        return refuse(
            fmt::format("this disk has blocks of {} bytes, and an emulated disk has blocks of 512 "
                        "or 4096; choose with --block-size",
                        limits.logical_block_size));
    if (!options.physical_block_size && !can_be_emulated(limits.physical_block_size))
        return refuse(
            fmt::format("this disk has physical blocks of {} bytes, and an emulated disk has 512 "
                        "or 4096; choose with --physical-block-size",
                        limits.physical_block_size));
    shape.model = options.model.value_or(limits.model);
    if (shape.model == Model::none || layout.zone_count() == 0) return options.over(shape);

    if (!options.conventional && !conventional_ones_come_first(layout))
        return refuse(fmt::format(
            "this disk has conventional zones behind sequential ones, which an emulated disk can't "
            "have; give --conventional N to make the first N zones conventional (this disk has {})",
            layout.conventional_count()));
    shape.zone_size = layout.zone_size();
    if (layout.zone_capacity() != layout.zone_size()) shape.zone_capacity = layout.zone_capacity();
    shape.conventional = layout.conventional_count();
    shape = options.over(shape);
    // Limits that a smaller disk can't reach are dropped.
    const auto zones =
        shape.zone_size == 0 ? 0 : (shape.size + shape.zone_size - 1) / shape.zone_size;
    const auto binds = [&](std::optional<std::uint32_t> limit) {
        return limit && shape.conventional + std::uint64_t{*limit} <= zones;
    };
    if (!options.max_open && binds(limits.max_open)) shape.max_open = limits.max_open;
    if (!options.max_active && binds(limits.max_active)) shape.max_active = limits.max_active;
    return shape;
}

}  // namespace zonebridge::tools
