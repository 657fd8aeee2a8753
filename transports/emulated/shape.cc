// Which shapes make sense, and how they read in a message.
#include <fmt/format.h>

#include "transports/emulated/emulated.h"
#include "transports/emulated/format.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t max_size = std::uint64_t{1} << 56;

tl::expected<void, Error> refuse(std::string message) {
    return tl::make_unexpected(Error{StatusCode::invalid_request, std::move(message), {}});
}

tl::expected<void, Error> validate_sizes(const Shape& shape) {
    for (const auto block : {shape.logical_block_size, shape.physical_block_size})
        if (block != 512 && block != 4096)
            return refuse(
                fmt::format("a block size of {} is not possible: give 512 or 4096", block));
    if (shape.physical_block_size < shape.logical_block_size)
        return refuse(fmt::format("physical block size {} is smaller than the block size {}",
                                  shape.physical_block_size, shape.logical_block_size));
    if (shape.size == 0) return refuse("the disk size must be more than 0");
    if (shape.size > max_size)
        return refuse(fmt::format("size {} is larger than the {} an emulated disk can have",
                                  in_words(shape.size), in_words(max_size)));
    if (shape.size % shape.physical_block_size != 0)
        return refuse(fmt::format("size {} is not a whole number of physical blocks ({} bytes)",
                                  in_words(shape.size), shape.physical_block_size));
    return {};
}

tl::expected<void, Error> validate_zones(const Shape& shape) {
    const auto block = shape.physical_block_size;
    if (shape.zone_size == 0) return refuse("a zoned disk needs a zone size");
    if (shape.zone_size % block != 0)
        return refuse(
            fmt::format("zone size {} is not a whole number of physical blocks ({} "
                        "bytes)",
                        in_words(shape.zone_size), block));
    if (shape.zone_size > shape.size)
        return refuse(fmt::format("zone size {} is larger than the disk ({})",
                                  in_words(shape.zone_size), in_words(shape.size)));
    if (shape.zone_size > Layout::max_zone_size)
        return refuse(fmt::format("zone size {} is too large: a zone is smaller than 2 TiB",
                                  in_words(shape.zone_size)));
    const auto zones = (shape.size + shape.zone_size - 1) / shape.zone_size;
    if (zones > max_zones)
        return refuse(
            fmt::format("zone size {} makes {} zones; more than {} are not supported: "
                        "choose larger zones",
                        in_words(shape.zone_size), zones, max_zones));
    if (shape.zone_capacity) {
        if (*shape.zone_capacity == 0) return refuse("the zone capacity must be more than 0");
        if (*shape.zone_capacity > shape.zone_size)
            return refuse(fmt::format("zone capacity {} is larger than the zone size {}",
                                      in_words(*shape.zone_capacity), in_words(shape.zone_size)));
        if (*shape.zone_capacity % block != 0)
            return refuse(
                fmt::format("zone capacity {} is not a whole number of physical blocks "
                            "({} bytes)",
                            in_words(*shape.zone_capacity), block));
    }
    if (shape.conventional >= zones)
        return refuse(fmt::format("{} conventional zones of {} leave no sequential zone",
                                  shape.conventional, zones));
    const auto sequential = zones - shape.conventional;
    for (const auto& [limit, name] :
         {std::pair{shape.max_open, "open"}, std::pair{shape.max_active, "active"}}) {
        if (!limit) continue;
        if (*limit == 0)
            return refuse(
                fmt::format("with a limit of 0 {} zones, the disk could never be written", name));
        if (*limit > sequential)
            return refuse(
                fmt::format("a limit of {} {} zones is larger than the {} sequential "
                            "zones there are: leave it out for no limit",
                            *limit, name, sequential));
    }
    if (shape.max_open && shape.max_active && *shape.max_open > *shape.max_active)
        return refuse(
            fmt::format("max open {} is larger than max active {}: an open zone is "
                        "active",
                        *shape.max_open, *shape.max_active));
    return {};
}

tl::expected<void, Error> validate_plain(const Shape& shape) {
    if (shape.zone_size != 0) return refuse("a disk without zones has no zone size");
    if (shape.zone_capacity) return refuse("a disk without zones has no zone capacity");
    if (shape.conventional != 0) return refuse("a disk without zones has no conventional zones");
    if (shape.max_open) return refuse("a disk without zones has no limit of open zones");
    if (shape.max_active) return refuse("a disk without zones has no limit of active zones");
    return {};
}

}  // namespace

std::string in_words(std::uint64_t bytes) {
    constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    while (unit + 1 < std::size(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{} {}", bytes, units[unit]);
}

tl::expected<void, Error> validate(const Shape& shape) {
    if (auto sizes = validate_sizes(shape); !sizes) return sizes;
    switch (shape.model) {
        case Model::none:
            return validate_plain(shape);
        case Model::host_aware:
        case Model::host_managed:
            return validate_zones(shape);
    }
    return refuse("no such zone model");
}

}  // namespace zonebridge::emulated
