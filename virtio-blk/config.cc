#include "virtio-blk/config.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/bytes.h"
#include "virtio/slots.h"

namespace zonebridge::virtio_blk {
namespace {

// A buffer that crosses regions of guest memory becomes several pieces.
constexpr std::uint32_t spare_segments = 8;

// Plus a header and a status.
static_assert(ring_size >= virtio::default_seg_max + 2);

std::uint8_t wire_model(Model model) noexcept {
    switch (model) {
        case Model::none:
            return 0;
        case Model::host_managed:
            return 1;
        case Model::host_aware:
            return 2;
    }
    return 0;
}

std::uint32_t segments(const Limits& limits) noexcept {
    if (limits.append == Support::absent && limits.any_length) return virtio::default_seg_max;
    auto most = limits.max_segments;
    if (most > 2 * spare_segments) most -= spare_segments;
    return std::clamp<std::uint32_t>(most, 1, virtio::default_seg_max);
}

std::uint64_t rounded_down(std::uint64_t value, std::uint64_t unit) noexcept {
    return value - value % unit;
}

// In one segment: whole physical blocks, and for a discard a multiple of its granularity.
std::uint32_t clear_sectors(std::uint64_t most, std::uint64_t unit) noexcept {
    constexpr std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();
    const auto bytes = std::min(most, limit * sector_size);
    return static_cast<std::uint32_t>((bytes < unit ? bytes : rounded_down(bytes, unit)) /
                                      sector_size);
}

bool may_clear(const Limits& limits) noexcept {
    return !limits.read_only && limits.model != Model::host_managed;
}

void put_clearing(Config& config, const Limits& limits) noexcept {
    if (!may_clear(limits)) return;
    const std::uint64_t block = limits.physical_block_size;
    if (limits.max_discard) {
        const auto unit = std::max<std::uint64_t>(block, limits.discard_granularity);
        config.max_discard_sectors = clear_sectors(*limits.max_discard, unit);
        config.max_discard_segments = max_clear_segments;
        config.discard_sector_alignment =
            static_cast<std::uint32_t>(limits.discard_granularity / sector_size);
    }
    if (!limits.max_write_zeroes) return;
    config.max_write_zeroes_sectors = clear_sectors(*limits.max_write_zeroes, block);
    config.max_write_zeroes_segments = max_clear_segments;
    config.write_zeroes_may_unmap = limits.write_zeroes_unmaps;
}

}  // namespace

Config make_config(const Limits& limits, std::uint16_t queues) noexcept {
    Config config;
    config.capacity = limits.size() / sector_size;
    config.seg_max = segments(limits);
    config.block_size = limits.logical_block_size;
    const auto blocks = std::max(limits.physical_block_size / limits.logical_block_size, 1U);
    config.physical_block_exponent = static_cast<std::uint8_t>(std::countr_zero(blocks));
    config.min_io_size = static_cast<std::uint16_t>(std::min(blocks, 0xFFFFU));
    config.num_queues = queues;
    put_clearing(config, limits);

    const auto& layout = limits.layout;
    if (layout.zone_count() == 0) return config;
    config.zone_sectors = static_cast<std::uint32_t>(layout.zone_size() / sector_size);
    config.max_open_zones = limits.max_open.value_or(0);
    config.max_active_zones = limits.max_active.value_or(0);
    config.write_granularity = limits.physical_block_size;
    if (limits.append != Support::absent)
        config.max_append_sectors = static_cast<std::uint32_t>(
            rounded_down(limits.max_append, config.write_granularity) / sector_size);
    config.model = limits.model;
    return config;
}

std::array<std::uint8_t, Config::size> encode(const Config& config) noexcept {
    std::array<std::uint8_t, Config::size> bytes{};
    ByteWriter fields(bytes);
    fields.le64(0, config.capacity);
    fields.le32(12, config.seg_max);
    fields.le32(20, config.block_size);
    bytes[24] = config.physical_block_exponent;
    bytes[25] = config.alignment_offset;
    fields.le16(26, config.min_io_size);
    fields.le32(28, config.opt_io_size);
    bytes[Config::writeback_at] = config.writeback ? 1 : 0;
    fields.le16(34, config.num_queues);
    fields.le32(36, config.max_discard_sectors);
    fields.le32(40, config.max_discard_segments);
    fields.le32(44, config.discard_sector_alignment);
    fields.le32(48, config.max_write_zeroes_sectors);
    fields.le32(52, config.max_write_zeroes_segments);
    bytes[56] = config.write_zeroes_may_unmap ? 1 : 0;
    fields.le32(72, config.zone_sectors);
    fields.le32(76, config.max_open_zones);
    fields.le32(80, config.max_active_zones);
    fields.le32(84, config.max_append_sectors);
    fields.le32(88, config.write_granularity);
    bytes[92] = wire_model(config.model);
    return bytes;
}

std::uint64_t offered_features(const Limits& limits) noexcept {
    auto features = feature::seg_max | feature::block_size | feature::flush | feature::topology |
                    feature::config_wce | feature::multiple_queues;
    if (limits.read_only) features |= feature::read_only;
    if (may_clear(limits) && limits.max_discard) features |= feature::discard;
    if (may_clear(limits) && limits.max_write_zeroes) features |= feature::write_zeroes;
    if (limits.layout.zone_count() != 0 && limits.model != Model::none) features |= feature::zoned;
    return features;
}

}  // namespace zonebridge::virtio_blk
