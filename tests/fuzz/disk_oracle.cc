#include "tests/fuzz/disk_oracle.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/size.h"

namespace zonebridge::fuzz {
namespace {

std::uint64_t size_of(const test::MachineDiskShape& shape) {
    return shape.zones * shape.zone_size -
           (shape.last_zone_size == 0 ? 0 : shape.zone_size - shape.last_zone_size);
}

test::Disk disk_of(const test::MachineDiskShape& shape) {
    test::Disk disk;
    disk.size = size_of(shape);
    disk.zone_size = shape.model == Model::none ? disk.size : shape.zone_size;
    disk.zone_capacity = shape.zone_capacity.value_or(shape.zone_size);
    disk.conventional = shape.model == Model::none ? 1 : shape.conventional;
    disk.type = shape.model == Model::host_aware ? ZoneType::sequential_write_preferred
                                                 : ZoneType::sequential_write_required;
    disk.max_open = shape.max_open;
    disk.max_active = shape.max_active;
    return disk;
}

}  // namespace

std::vector<std::uint8_t> first_bytes(const test::MachineDiskShape& shape) {
    const auto disk = disk_of(shape);
    return first_bytes(disk.size, disk.zone_size);
}

void give_back(test::MachineDisk& disk) {
    const auto zone_size = disk_of(disk.shape()).zone_size;
    std::vector<ByteRange> changed;
    for (const auto& request : disk.taken) {
        switch (request.operation) {
            case Operation::write:
            case Operation::discard:
            case Operation::write_zeroes:
                changed.push_back({request.offset, request.length});
                break;
            case Operation::append:  // somewhere in the zone
                changed.push_back({request.offset, zone_size});
                break;
            default:
                break;
        }
    }
    give_back(std::move(disk.bytes()), zone_size, changed);
}

test::MachineDiskShape some_shape(Input& input) {
    const auto kind = input.byte();
    const auto more = input.byte();
    test::MachineDiskShape shape;
    shape.zones = 8;
    shape.zone_size = (kind & 0x01) != 0 ? 24 * KiB : 16 * KiB;
    if ((kind & 0x02) != 0) shape.zone_capacity = 12 * KiB;
    shape.conventional = 1 + (kind >> 2 & 1);
    if ((kind & 0x08) != 0) shape.last_zone_size = 8 * KiB;
    if ((kind & 0x10) != 0) shape.max_open = 2;
    if ((kind & 0x20) != 0) shape.max_active = 3;
    shape.logical_block_size = (kind & 0x40) != 0 ? 4096 : 512;
    shape.physical_block_size = (kind & 0x80) != 0 ? shape.logical_block_size : 4096;
    constexpr std::array models{Model::host_managed, Model::host_managed, Model::host_aware,
                                Model::none};
    shape.model = models[more & 3];
    shape.fua = (more & 0x04) != 0 ? Support::absent : Support::native;
    shape.reads_past_pointer = (more & 0x08) == 0;
    shape.append = (more & 0x10) != 0 ? Support::absent : Support::emulated;
    shape.max_transfer = (more & 0x20) != 0 ? 8 * KiB : 32 * KiB;
    shape.max_segments = (more & 0x20) != 0 ? 3 : 16;
    shape.read_only = (more & 0xC0) == 0xC0;
    if (shape.model != Model::host_managed && (more & 0xC0) == 0x40) shape.max_clear = 16 * KiB;
    return shape;
}

DiskOracle::DiskOracle(const test::MachineDiskShape& shape)
    : shape_(shape),
      size_(size_of(shape)),
      zone_size_(disk_of(shape).zone_size),
      model_(disk_of(shape)),
      bytes_(first_bytes(shape)) {}

DiskOracle::~DiskOracle() {
    give_back(std::move(bytes_), zone_size_, changed_);
}

StatusCode DiskOracle::judge_write(std::uint64_t offset, std::uint64_t length) const {
    if (!on_disk(offset, length)) return StatusCode::out_of_range;
    if ((offset | length) % shape_.logical_block_size != 0) return StatusCode::misaligned;
    auto model = model_;
    const auto touched = model.zones_of(offset, length);
    for (const auto* zone : touched) {
        const auto required = is_required(*zone);
        if (required && touched.size() > 1) return StatusCode::crosses_boundary;
        const auto end = std::min(offset + length, zone->start + zone->length);
        if (end > zone->start + zone->capacity) return StatusCode::crosses_boundary;
        if (required && (offset | length) % shape_.physical_block_size != 0)
            return StatusCode::unaligned_write;
    }
    return model.begin_write(offset, length);
}

StatusCode DiskOracle::judge_read(std::uint64_t offset, std::uint64_t length) const {
    using enum ZoneState;
    if (!on_disk(offset, length)) return StatusCode::out_of_range;
    for (const auto& zone : model_.zones) {
        if (zone.start >= offset + length || offset >= zone.start + zone.length) continue;
        if (zone.state == offline) return StatusCode::zone_offline;
        const auto open_end = zone.state == empty || test::PlainModel::is_active(zone);
        if (!shape_.reads_past_pointer && is_required(zone) && open_end &&
            offset + length > zone.start + zone.written)
            return StatusCode::read_past_pointer;
    }
    return StatusCode::ok;
}

bool DiskOracle::is_plain_read(std::uint64_t offset, std::uint64_t length) const {
    if (!on_disk(offset, length)) return false;
    const auto& zone = zone_at(offset);
    return offset + length <= zone.start + zone.capacity;
}

void DiskOracle::write(std::uint64_t offset, std::span<const std::uint8_t> data) {
    require(model_.begin_write(offset, data.size()) == StatusCode::ok);
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    changed_.push_back({offset, data.size()});
    model_.advance(offset, data.size());
}

void DiskOracle::discard(std::uint64_t offset, std::uint64_t length) {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length,
                test::MachineDisk::discarded);
    changed_.push_back({offset, length});
}

std::vector<std::uint8_t> DiskOracle::read(std::uint64_t offset, std::uint64_t length) const {
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    std::vector<std::uint8_t> out(from, from + static_cast<std::ptrdiff_t>(length));
    for (const auto& zone : model_.zones) {
        if (zone.conventional) continue;
        const auto first = std::max(offset, zone.start + zone.written);
        const auto last = std::min(offset + length, zone.start + zone.length);
        if (first < last)
            std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(first - offset), last - first, 0);
    }
    return out;
}

void DiskOracle::restore(test::MachineDisk& disk, std::size_t zone, ZoneState state,
                         std::uint64_t written) {
    if (shape_.model == Model::none) return;
    if (disk.machine().restore(static_cast<std::uint32_t>(zone), state, written))
        model_.restore(model_.zones[zone], state, written);
}

void DiskOracle::begin(test::MachineDisk& disk, Input& input) {
    using enum ZoneState;
    constexpr std::array states{empty, implicit_open, explicit_open, closed,
                                full,  read_only,     offline,       empty};
    const auto block = std::max(shape_.physical_block_size, shape_.logical_block_size);
    for (std::size_t i = 0; i < model_.zones.size(); ++i) {
        const auto choice = input.byte();
        const auto& zone = model_.zones[i];
        const auto state = states[choice & 7];
        const auto written = (choice >> 3) * std::uint64_t{block} % (zone.capacity + 1);
        if (state == empty) continue;
        const auto bad = state == read_only || state == offline;
        restore(disk, i, state,
                zone.conventional                ? 0
                : bad || written < zone.capacity ? written
                                                 : zone.capacity - block);
    }
}

void DiskOracle::spoil(test::MachineDisk& disk, std::size_t zone, ZoneState state) {
    if (zone < model_.zones.size()) restore(disk, zone, state, model_.zones[zone].written);
}

std::optional<std::uint64_t> DiskOracle::pointer_of(const Zone& zone) {
    if (zone.state != ZoneState::empty && !test::PlainModel::is_active(zone)) return std::nullopt;
    return zone.start + zone.written;
}

void DiskOracle::require_same(test::MachineDisk& disk) const {
    if (shape_.model == Model::none) return;
    for (std::size_t i = 0; i < model_.zones.size(); ++i) {
        const auto shown = disk.machine().describe(static_cast<std::uint32_t>(i));
        require(shown.state == model_.zones[i].state);
        require(shown.write_pointer == pointer_of(model_.zones[i]));
    }
}

}  // namespace zonebridge::fuzz
