// A simulated ATA disk behind a SATL that passes ATA commands through and translates no ZBC, at the
// Port interface. The guest tests have no such disk: QEMU has no ZAC disk, and Linux's scsi_debug
// speaks ZBC. Its zones are the real state machine over memory (MachineDisk).
//
// Threads: any thread may call run(); a mutex lets one in at a time. Set the disk up before.
// Ownership: owns its disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "transports/scsi/port.h"
#include "zbc/sense.h"
#include "zbc/zac.h"

namespace zonebridge::test {

struct SimulatedAtaShape {
    MachineDiskShape disk;
    zbc::SenseFormat sense = zbc::SenseFormat::fixed;
    /// The disk gives the reason of a refusal (sense data reporting); else only ABRT, IDNF or UNC.
    bool reports_sense = true;
    /// The SATL puts the registers into fixed format sense data; Linux before 6.11 did not.
    bool registers_in_fixed = true;
    /// The type that the SATL reports: 00h, or 14h if it knows that the disk is host-managed.
    std::uint8_t peripheral_type = 0x00;
    /// The SATL keeps the disk's signature in VPD page 89h.
    bool keeps_signature = true;
    bool log_dma = true;
    /// The process may not pass ATA commands through (no CAP_SYS_RAWIO).
    bool forbidden = false;
    /// The SATL passes no ATA commands through.
    bool no_pass_through = false;
    /// The ZONED fields of a drive-managed disk.
    bool drive_managed = false;
    /// A disk without zones.
    bool no_zones = false;
};

class SimulatedAta final : public scsi::Port {
  public:
    explicit SimulatedAta(const SimulatedAtaShape& shape = {});
    ~SimulatedAta() override;

    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override;

    [[nodiscard]] MachineDisk& disk() noexcept { return disk_; }

    /// READ CAPACITY(16) reports this instead of the real block size.
    std::optional<std::uint32_t> claimed_block_size;

    // ---- Hooks that change a reply before it is sent.

    using Page = std::vector<std::uint8_t>;
    std::function<void(Page&)> on_identify;
    /// A page of log 30h, by its number.
    std::function<void(std::uint8_t page, Page&)> on_log;
    std::function<void(Page&)> on_report;

    /// The opcodes of the ATA commands that the disk received, in order.
    std::vector<zbc::zac::Opcode> commands;
    /// The SCSI commands other than ATA PASS-THROUGH that the disk received.
    std::vector<std::uint8_t> scsi_commands;

  private:
    [[nodiscard]] scsi::Answer run_scsi(const scsi::Command& command);
    [[nodiscard]] scsi::Answer run_ata(const scsi::Command& command,
                                       const zbc::zac::AtaCommand& ata);
    [[nodiscard]] scsi::Answer run_data(const scsi::Command& command,
                                        const zbc::zac::AtaCommand& ata, Operation operation,
                                        bool fua);
    [[nodiscard]] scsi::Answer run_action(const zbc::zac::AtaCommand& ata);
    [[nodiscard]] scsi::Answer run_log(const scsi::Command& command,
                                       const zbc::zac::AtaCommand& ata);
    [[nodiscard]] scsi::Answer run_report(const scsi::Command& command,
                                          const zbc::zac::AtaCommand& ata);
    [[nodiscard]] StatusCode ask(Request request);
    [[nodiscard]] scsi::Answer failed(StatusCode code, Operation operation,
                                      const zbc::zac::AtaCommand& ata) const;
    [[nodiscard]] scsi::Answer check_condition(const zbc::Sense& sense) const;
    [[nodiscard]] scsi::Answer run_inquiry(const scsi::Command& command);
    [[nodiscard]] Page identify() const;
    [[nodiscard]] Page log_page(std::uint8_t number) const;
    [[nodiscard]] Page report(const zbc::zac::AtaCommand& ata);

    SimulatedAtaShape shape_;
    MachineDisk disk_;
    HandLoop loop_;
    std::unique_ptr<Queue> queue_;
    std::mutex lock_;
};

}  // namespace zonebridge::test
