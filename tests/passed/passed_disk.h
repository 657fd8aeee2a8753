// A SCSI disk of this machine, passed through by the real program, and the same disk accessed with
// sg3_utils for comparison.
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

/// The data that sg_raw gets for a command; nothing if the status is not GOOD.
[[nodiscard]] std::optional<Bytes> ask_host(const Bytes& cdb, std::uint32_t length);

/// The data of a guest's command.
[[nodiscard]] Bytes bytes_in(const driver::ScsiResult& result);

class PassedThrough {
  public:
    /// Serves the disk that the environment's ZB_SG names. Throws if the server does not get ready.
    explicit PassedThrough(const std::vector<std::string>& extra = {});
    [[nodiscard]] static std::string device();
    [[nodiscard]] std::string socket() const { return folder_ / "socket"; }
    [[nodiscard]] const std::string& output() const {
        return output_;
    }  ///< Standard output up to the "ready" line.
    /// The log lines about the disk so far.
    [[nodiscard]] std::string log() const;
    /// The whole log, once it contains `words`, or after ten seconds.
    [[nodiscard]] std::string log_with(const std::string& words) const;
    int stop() { return server_->stop(); }

  private:
    TemporaryFolder folder_;
    std::string output_;
    std::unique_ptr<Background> server_;
};

}  // namespace zonebridge::test
