// Logs commands that were refused or not delivered: a few lines a minute, and each refused command
// once.
//
// Ownership: owns the disk's name.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/rate_limit.h"
#include "transports/scsi/passthrough.h"
#include "transports/scsi/port.h"
#include "zbc/passthrough.h"

namespace zonebridge::scsi {

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

}  // namespace zonebridge::scsi
