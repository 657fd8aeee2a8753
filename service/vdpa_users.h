// Who uses the device node of a vDPA device, and getting their data out before it goes away.
//
// Threads: users_of: any. A WriteOut has a thread of its own and is used by one other.
// Ownership: a WriteOut owns its thread; destroying it waits for that.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "service/vdpa_driver.h"

namespace zonebridge::service {

/// In words, one a user: "is mounted at /mnt", "is open in qemu-system-x86 (process 123)"; none if
/// nobody does, as far as this process may look.
[[nodiscard]] std::vector<std::string> users_of(const std::string& node, VdpaAttach attach);

/// Writes out what the host's page cache holds of a disk: the file systems on it, then the disk
/// itself. Takes as long as it takes, since the data goes to the disk.
class WriteOut {
  public:
    explicit WriteOut(const std::string& node);
    WriteOut(const WriteOut&) = delete;
    WriteOut& operator=(const WriteOut&) = delete;
    ~WriteOut();

    /// Readable once it is done; -1, which poll() passes over, if that can't be told.
    [[nodiscard]] int done_fd() const noexcept { return done_.get(); }

  private:
    UniqueFd done_;
    std::thread thread_;
};

}  // namespace zonebridge::service
