// Fuzzes the decoders of zone reports of ZBC and ZAC disks, whose zones go to a survey.
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/fuzz/layout_check.h"
#include "zbc/report_decode.h"
#include "zbc/zac.h"
#include "zone/survey.h"

/// Input: a byte with bit 0 ZAC and bits 2:1 the block size; 8 bytes: the disk's size in blocks;
/// the report.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace zonebridge;
    fuzz::Input input(data, size);
    const auto flags = input.byte();
    const auto by_zac = (flags & 1) != 0;
    const auto block = 512U << (flags >> 1 & 3);
    const auto blocks = input.number(8) % (std::uint64_t{1} << 48);
    const auto reply = input.rest();

    const auto header =
        by_zac ? zbc::zac::decode_report_header(reply) : zbc::decode_report_header(reply);
    if (!header) return 0;
    const auto count = zbc::descriptors_in(*header, reply.size());
    fuzz::require(count <= reply.size() / 64);

    Survey survey(blocks * block);
    zbc::ZoneFolder folder;
    std::vector<Zone> zones;
    for (std::size_t i = 0; i < count; ++i) {
        const auto raw = by_zac ? zbc::zac::decode_zone_descriptor(reply, i)
                                : zbc::decode_zone_descriptor(reply, i);
        fuzz::require(raw.has_value());
        const auto zone = zbc::read_zone(*raw, block);
        if (!zone) return 0;
        fuzz::require(zone->length != 0 && zone->start + zone->length > zone->start);
        const auto whole = folder.add(*zone);
        if (!whole) return 0;
        if (!*whole) continue;
        if (survey.add({&**whole, 1})) return 0;
        zones.push_back(**whole);
    }
    if (const auto last = folder.finish()) {
        if (survey.add({&*last, 1})) return 0;
        zones.push_back(*last);
    }
    if (const auto layout = survey.finish()) fuzz::require_same(*layout, zones);
    return 0;
}
