// A SCSI disk of this machine, passed through by the real program; and the same disk by sg3_utils,
// to compare with.
//
// Threads: one.
// Ownership: owns the server and what it said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/served/served_disk.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::test {

using Bytes = std::vector<std::uint8_t>;

/// What sg_raw gets of a command; nothing if it does not end with GOOD.
[[nodiscard]] std::optional<Bytes> ask_host(const Bytes& cdb, std::uint32_t length);

/// What guests get.
[[nodiscard]] Bytes bytes_in(const driver::ScsiResult& result);

class PassedThrough {
  public:
    /// The disk in question: the environment's ZB_SG. Throws if the server does not get ready.
    explicit PassedThrough(const std::vector<std::string>& extra = {});
    [[nodiscard]] static std::string device();
    [[nodiscard]] std::string socket() const { return folder_ / "socket"; }
    [[nodiscard]] const std::string& said() const { return said_; }  ///< Its "ready" line.
    /// What it wrote about the disk until now.
    [[nodiscard]] std::string log() const;
    /// Everything it wrote, once that has `words` in it, or after ten seconds.
    [[nodiscard]] std::string log_with(const std::string& words) const;
    int stop() { return server_->stop(); }

  private:
    TemporaryFolder folder_;
    std::string said_;
    std::unique_ptr<Background> server_;
};

}  // namespace zonebridge::test
