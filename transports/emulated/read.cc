// Disk: finds the data of a read.
#include <algorithm>

#include "transports/emulated/disk.h"

namespace zonebridge::emulated {

StatusCode Disk::check_read(std::uint64_t offset, std::uint64_t length) noexcept {
    if (limits_.layout.zone_count() == 0) return StatusCode::ok;
    const std::lock_guard guard(lock_);
    return machine_.check_read(offset, length);
}

Disk::Extent Disk::extent_at(std::uint64_t offset, std::uint64_t length) noexcept {
    const auto& layout = limits_.layout;
    Extent extent;
    if (layout.zone_count() == 0) {
        extent.length = length;
        extent.file_at = plain_at(offset);
        return extent;
    }
    extent.zone = layout.zone_of(offset);
    if (layout.is_conventional(extent.zone)) {
        const auto end = layout.start_of(layout.conventional_count());
        extent.length = std::min(length, end - offset);
        extent.file_at = plain_at(offset);
        return extent;
    }
    const auto start = layout.start_of(extent.zone);
    const auto end = start + layout.length_of(extent.zone);
    const std::lock_guard guard(lock_);
    const auto written_end = machine_.written_end(extent.zone);
    if (offset < written_end) extent.slot = slots_.of(extent.zone);
    if (extent.slot) {
        extent.length = std::min(length, written_end - offset);
        extent.file_at = geometry_.slot_offset(*extent.slot) + (offset - start);
    } else {
        extent.length = std::min(length, end - offset);
    }
    return extent;
}

bool Disk::still_there(const Extent& extent) noexcept {
    if (!extent.slot) return true;
    const auto index = static_cast<std::uint32_t>(extent.zone / records_per_sector);
    std::optional<TableSector> newest;
    std::optional<ZoneRecord> record;
    for (std::size_t copy = 0; copy < 2; ++copy) {
        SectorBytes bytes;
        if (file_->read_all(bytes, geometry_.table_sector(index, copy)) != 0) continue;
        const auto sector = decode_sector(bytes, index, copy, superblock_.seed());
        if (!sector || (newest && newest->generation > sector->generation)) continue;
        newest = sector;
        record = decode_record(bytes, extent.zone % records_per_sector);
    }
    return record && record->slot == extent.slot;
}

}  // namespace zonebridge::emulated
