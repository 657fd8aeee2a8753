#include "transports/scsi/zbc_dialect.h"

#include "transports/scsi/answer.h"
#include "zbc/cdb.h"
#include "zbc/commands.h"

namespace zonebridge::scsi {

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

}  // namespace zonebridge::scsi
