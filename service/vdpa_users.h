// Finds the users of a vDPA device's node, and writes out their data before the device goes away.
//
// Threads: users_of: any. A WriteOut has its own thread and belongs to one other.
// Ownership: a WriteOut owns its thread; the destructor waits for that thread.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "service/vdpa_driver.h"

namespace zonebridge::service {

/// One sentence part for each user: "is mounted at /mnt", "is open in qemu-system-x86 (process
/// 123)". Lists only users that this process may see.
[[nodiscard]] std::vector<std::string> users_of(const std::string& node, VdpaAttach attach);

/// Writes out the host's cached data of a disk: the file systems on it, then the disk itself. Has
/// no time limit, since the data goes to the disk.
class WriteOut {
  public:
    explicit WriteOut(const std::string& node);
    WriteOut(const WriteOut&) = delete;
    WriteOut& operator=(const WriteOut&) = delete;
    ~WriteOut();

    /// Readable when the write-out has ended; -1, which poll() ignores, if there is no descriptor
    /// for that.
    [[nodiscard]] int done_fd() const noexcept { return done_.get(); }

  private:
    UniqueFd done_;
    std::thread thread_;
};

}  // namespace zonebridge::service
