// A Port by the SG_IO ioctl itself, for data: the buffers of a request go to the kernel as they
// are, in any number, so that it moves data straight between them and the disk.
//
// Threads: run() from any thread, several at once.
// Ownership: borrows the file descriptor; owns its buffers for what can't go as it is.
//
// Which node carries it matters. The block node's SG_IO maps scattered buffers without a copy. The
// sg node's takes them, too, but copies through the kernel's own. A bsg node takes one buffer only.
// Where it would be needed, a piece is copied here: on bsg nodes, and where more separate pages are
// touched than the host adapter can take in one command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <tl/expected.hpp>

#include "transports/bounce.h"
#include "transports/scsi/port.h"
#include "zone/status.h"

namespace zonebridge::scsi {

class DataPort final : public Port {
    struct Private {};

  public:
    enum class Kind : std::uint8_t { block, sg, bsg };

    /// `most_pages`: memory pages one command may touch; `most_bytes`: the longest command;
    /// `buffers`: how many commands may need a copy at once, more have to wait for one another.
    [[nodiscard]] static tl::expected<std::unique_ptr<DataPort>, Error> make(int fd, Kind kind,
                                                                             std::size_t most_pages,
                                                                             std::size_t most_bytes,
                                                                             std::size_t buffers);
    DataPort(Private, int fd, Kind kind, std::size_t most_pages, std::size_t most_bytes) noexcept
        : fd_(fd), kind_(kind), most_pages_(most_pages), most_bytes_(most_bytes) {}
    DataPort(const DataPort&) = delete;
    DataPort& operator=(const DataPort&) = delete;

    [[nodiscard]] Answer run(const Command& command) noexcept override;

  private:
    [[nodiscard]] Answer send(const Command& command) noexcept;
    [[nodiscard]] Answer send_copied(const Command& command) noexcept;
    [[nodiscard]] bool fits(const Command& command) const noexcept;

    int fd_;
    Kind kind_;
    std::size_t most_pages_;
    std::size_t most_bytes_;

    std::mutex lock_;
    BouncePool bounces_;  // under lock_
};

}  // namespace zonebridge::scsi
