// Fuzzes the decoder of zone reports of NVMe namespaces, whose zones go to a survey.
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/fuzz/layout_check.h"
#include "zns/report.h"
#include "zone/survey.h"

/// Input: a byte with bits 1:0 the block size; 4 bytes: the zone size less one, 6 bytes: the
/// namespace's size less one, in blocks; the report.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace zonebridge;
    fuzz::Input input(data, size);
    const auto flags = input.byte();
    zns::ReportUnits units;
    units.block_size = 512U << (flags & 3);
    units.zone_size = (input.number(4) + 1) * units.block_size;
    units.size = (input.number(6) + 1) * units.block_size;
    const auto bytes = input.rest();

    const zns::Report report(bytes);
    fuzz::require(report.count() * zns::descriptor_size <= bytes.size());
    Survey survey(units.size, units.zone_size);
    std::vector<Zone> zones;
    for (std::size_t i = 0; i < report.count(); ++i) {
        const auto zone = report.zone(i, units);
        if (!zone) return 0;
        fuzz::require(zone->start < units.size && zone->length <= units.size - zone->start);
        if (survey.add({&*zone, 1})) return 0;
        zones.push_back(*zone);
    }
    const auto layout = survey.finish();
    if (!layout) return 0;
    fuzz::require_same(*layout, zones);
    for (std::uint32_t i = 0; i < layout->zone_count(); ++i)
        static_cast<void>(zns::fault_of(zones[i], i, *layout));
    return 0;
}
