// ZBC commands for a zoned disk (ZBC-2, SBC-4).
//
// Threads: immutable; any thread.
#pragma once

#include "transports/scsi/dialect.h"

namespace zonebridge::scsi {

class ZbcDialect final : public Dialect {
  public:
    [[nodiscard]] Call read(std::uint64_t lba, std::uint32_t blocks) const noexcept override;
    [[nodiscard]] Call write(std::uint64_t lba, std::uint32_t blocks,
                             bool fua) const noexcept override;
    [[nodiscard]] Call flush() const noexcept override;
    [[nodiscard]] Call act(Operation operation,
                           std::optional<std::uint64_t> zone_lba) const noexcept override;
    [[nodiscard]] Call report(std::uint64_t lba, std::uint32_t length) const noexcept override;

    [[nodiscard]] Status judge(const Answer& answer, Operation operation,
                               std::uint32_t length) const noexcept override;
    [[nodiscard]] std::optional<zbc::ReportListHeader> report_header(
        std::span<const std::uint8_t> reply) const noexcept override;
    [[nodiscard]] std::optional<zbc::RawZone> zone_descriptor(
        std::span<const std::uint8_t> reply, std::size_t index) const noexcept override;
};

}  // namespace zonebridge::scsi
