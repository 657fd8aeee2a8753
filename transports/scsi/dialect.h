// The command set of a zoned disk: ZBC, or ZAC in ATA PASS-THROUGH. A dialect only encodes and
// decodes; sending, retrying, splitting and walking a report are the same for both
// (transports/scsi/executor.h, reporter.h).
//
// Threads: immutable; any thread.
// Ownership: borrows spans for the time of the call.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "transports/scsi/port.h"
#include "zbc/report_decode.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// One command, complete except for its data.
struct Call {
    std::array<std::uint8_t, 32> bytes{};
    std::uint8_t length = 16;
    Direction direction = Direction::none;
    std::uint32_t timeout_ms = 30'000;

    template <std::size_t size>
    [[nodiscard]] static Call of(const std::array<std::uint8_t, size>& cdb, Direction direction,
                                 std::uint32_t timeout_ms) noexcept {
        static_assert(size <= 32);
        Call call;
        std::copy(cdb.begin(), cdb.end(), call.bytes.begin());
        call.length = static_cast<std::uint8_t>(size);
        call.direction = direction;
        call.timeout_ms = timeout_ms;
        return call;
    }
    [[nodiscard]] std::span<const std::uint8_t> cdb() const noexcept {
        return std::span(bytes).first(length);
    }
};

class Dialect {
  public:
    virtual ~Dialect() = default;

    // ---- Commands. LBAs and lengths are the disk's logical blocks.

    [[nodiscard]] virtual Call read(std::uint64_t lba, std::uint32_t blocks) const noexcept = 0;
    [[nodiscard]] virtual Call write(std::uint64_t lba, std::uint32_t blocks,
                                     bool fua) const noexcept = 0;
    [[nodiscard]] virtual Call flush() const noexcept = 0;
    /// OPEN, CLOSE, FINISH or RESET of the zone that starts at `zone_lba`; of all zones without
    /// one.
    [[nodiscard]] virtual Call act(Operation operation,
                                   std::optional<std::uint64_t> zone_lba) const noexcept = 0;
    /// A report of the zones from the one that holds `lba` on, as many as `length` bytes of reply
    /// hold; `length` is a multiple of 512.
    [[nodiscard]] virtual Call report(std::uint64_t lba, std::uint32_t length) const noexcept = 0;

    // ---- Answers.

    /// The status of `operation`. `length`: the bytes to be moved; moving less is a failure. 0 for
    /// reports, which may be short.
    [[nodiscard]] virtual Status judge(const Answer& answer, Operation operation,
                                       std::uint32_t length) const noexcept = 0;
    /// Like zbc::decode_report_header and zbc::decode_zone_descriptor.
    [[nodiscard]] virtual std::optional<zbc::ReportListHeader> report_header(
        std::span<const std::uint8_t> reply) const noexcept = 0;
    [[nodiscard]] virtual std::optional<zbc::RawZone> zone_descriptor(
        std::span<const std::uint8_t> reply, std::size_t index) const noexcept = 0;
};

/// ZBC-2, SBC-4.
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

/// ZAC-2 and ACS-4, each command inside an ATA PASS-THROUGH(16) (SAT-4): for ATA disks whose SATL
/// does not translate ZBC.
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
