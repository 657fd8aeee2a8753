// Reports a guest's commands that failed. The log gets those that were refused here or did not
// reach the disk; a RefusalSink gets those that the disk refused because of a zone.
//
// Threads: any.
// Ownership: a PassthroughLog owns the disk's name; everything else is borrowed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/rate_limit.h"
#include "transports/scsi/discover.h"
#include "transports/scsi/passthrough.h"
#include "transports/scsi/port.h"
#include "zbc/passthrough.h"
#include "zbc/sense.h"
#include "zone/refusal.h"

namespace zonebridge::scsi {

/// Logs a few lines a minute, and each refused command once.
class PassthroughLog {
  public:
    PassthroughLog(std::string path, LogLine write) : path_(std::move(path)), write_(write) {}

    /// A command that is not passed through; logged once if --allow would let it through.
    void refused(std::span<const std::uint8_t> cdb, const zbc::NotSent& refusal,
                 RateLimit::Clock::time_point now = RateLimit::Clock::now()) noexcept;
    /// A command that did not reach the disk, or whose answer was lost.
    void failed(std::span<const std::uint8_t> cdb, const Answer& answer) noexcept;

  private:
    void say(std::string_view text, std::uint64_t left_out) noexcept;

    std::string path_;
    LogLine write_;
    RateLimit limit_;
    /// By opcode, a bit for each service action.
    std::array<std::atomic<std::uint32_t>, 256> told_{};
};

/// Whether looking up the zone is worthwhile: a read, a write or a zone action broke a rule about
/// zones.
[[nodiscard]] bool is_zone_refusal(const zbc::Plan& plan, const Answer& answer) noexcept;

/// Asks the disk for the zone by one command through `port`, which blocks, and reports to `sink`.
/// Returns a unit attention that this command received in the guest's place, to be raised.
[[nodiscard]] std::optional<zbc::Attention> explain(Port& port, const DiskFacts& disk,
                                                    const zbc::Plan& plan, const Answer& answer,
                                                    RefusalSink& sink) noexcept;

}  // namespace zonebridge::scsi
