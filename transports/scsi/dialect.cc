#include "transports/scsi/dialect.h"

#include <algorithm>

#include "transports/scsi/answer.h"
#include "transports/scsi/status_bytes.h"
#include "zbc/cdb.h"
#include "zbc/commands.h"
#include "zbc/zac.h"
#include "zbc/zac_sense.h"

namespace zonebridge::scsi {

// ---- ZBC.

Call ZbcDialect::read(std::uint64_t lba, std::uint32_t blocks) const noexcept {
    return Call::of(zbc::encode_read_16(lba, blocks), Direction::in, zbc::data_limit_ms);
}

Call ZbcDialect::write(std::uint64_t lba, std::uint32_t blocks, bool fua) const noexcept {
    return Call::of(zbc::encode_write_16(lba, blocks, fua), Direction::out, zbc::data_limit_ms);
}

Call ZbcDialect::flush() const noexcept {
    return Call::of(zbc::encode_synchronize_cache_16(), Direction::none, zbc::flush_limit_ms);
}

Call ZbcDialect::act(Operation operation, std::optional<std::uint64_t> zone_lba) const noexcept {
    const auto all = !zone_lba;
    // ZONE COUNT stays 0, which means one zone: the field is reserved in ZBC-1.
    return Call::of(zbc::encode_zone_action(operation, {zone_lba.value_or(0), 0, all}),
                    Direction::none, zbc::action_limit_ms(operation, all));
}

Call ZbcDialect::report(std::uint64_t lba, std::uint32_t length) const noexcept {
    // PARTIAL: the disk need not count zones that do not fit.
    return Call::of(zbc::encode_report_zones({lba, length, true, 0}), Direction::in,
                    zbc::report_limit_ms);
}

Status ZbcDialect::judge(const Answer& answer, Operation operation,
                         std::uint32_t length) const noexcept {
    return scsi::judge(answer, operation, length);
}

std::optional<zbc::ReportListHeader> ZbcDialect::report_header(
    std::span<const std::uint8_t> reply) const noexcept {
    return zbc::decode_report_header(reply);
}

std::optional<zbc::RawZone> ZbcDialect::zone_descriptor(std::span<const std::uint8_t> reply,
                                                        std::size_t index) const noexcept {
    return zbc::decode_zone_descriptor(reply, index);
}

// ---- ZAC.

Call ZacDialect::read(std::uint64_t lba, std::uint32_t blocks) const noexcept {
    return Call::of(zbc::zac::encode_read(lba, blocks, sector_size_), Direction::in,
                    zbc::data_limit_ms);
}

Call ZacDialect::write(std::uint64_t lba, std::uint32_t blocks, bool fua) const noexcept {
    return Call::of(zbc::zac::encode_write(lba, blocks, sector_size_, fua), Direction::out,
                    zbc::data_limit_ms);
}

Call ZacDialect::flush() const noexcept {
    return Call::of(zbc::zac::encode_flush(), Direction::none, zbc::flush_limit_ms);
}

Call ZacDialect::act(Operation operation, std::optional<std::uint64_t> zone_lba) const noexcept {
    const auto cdb = zone_lba ? zbc::zac::encode_zone_action(operation, *zone_lba)
                              : zbc::zac::encode_zone_action_all(operation);
    return Call::of(cdb, Direction::none, zbc::action_limit_ms(operation, !zone_lba));
}

Call ZacDialect::report(std::uint64_t lba, std::uint32_t length) const noexcept {
    const auto pages =
        std::min(static_cast<std::uint32_t>(length / zbc::zac::page_length), zbc::zac::max_count);
    return Call::of(zbc::zac::encode_report_zones(lba, pages, true), Direction::in,
                    zbc::report_limit_ms);
}

Status ZacDialect::judge(const Answer& answer, Operation operation,
                         std::uint32_t length) const noexcept {
    if (answer.os_error != 0 || answer.status != sam::check_condition)
        return scsi::judge(answer, operation, length);
    const auto code = zbc::zac::status_of(answer.sense_bytes(), operation);
    if (code == StatusCode::ok) {
        auto well = answer;
        well.status = sam::good;
        return scsi::judge(well, operation, length);
    }
    const auto sense = sense_of(answer);
    if (!sense) return scsi::judge(answer, operation, length);
    return {code, {NativeCause::Source::scsi_sense, sense->code()}};
}

std::optional<zbc::ReportListHeader> ZacDialect::report_header(
    std::span<const std::uint8_t> reply) const noexcept {
    return zbc::zac::decode_report_header(reply);
}

std::optional<zbc::RawZone> ZacDialect::zone_descriptor(std::span<const std::uint8_t> reply,
                                                        std::size_t index) const noexcept {
    return zbc::zac::decode_zone_descriptor(reply, index);
}

}  // namespace zonebridge::scsi
