// ZAC commands for a zoned ATA disk, each inside an ATA PASS-THROUGH(16): for disks whose SATL does
// not translate ZBC (SAT-4, ZAC-2, ACS-4).
//
// Threads: immutable; any thread.
#pragma once

#include "transports/scsi/dialect.h"

namespace zonebridge::scsi {

class ZacDialect final : public Dialect {
  public:
    /// `sector_size`: bytes in a logical sector.
    explicit ZacDialect(std::uint32_t sector_size) noexcept : sector_size_(sector_size) {}

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

  private:
    std::uint32_t sector_size_;
};

}  // namespace zonebridge::scsi
