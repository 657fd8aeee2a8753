// The ports of a real disk: one by libsgutils2 for commands of Zonebridge's own, one by the SG_IO
// ioctl for a request's data.
//
// Threads: run() from any thread, concurrently.
// Ownership: a port borrows its file descriptor; a DataPort owns its bounce buffers.
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

/// For discovery, reports and zone actions on any node of a SCSI disk (sg, bsg, sd). Flat data only.
class ControlPort final : public Port {
  public:
    explicit ControlPort(int fd) noexcept : fd_(fd) {}

    /// EOPNOTSUPP for more than one buffer. Allocates a small libsgutils2 object.
    [[nodiscard]] Answer run(const Command& command) noexcept override;

  private:
    int fd_;
};

/// Passes a request's buffers to the kernel without a copy, in any number.
///
/// The kind of node matters. The block node's SG_IO maps scattered buffers without a copy. The sg
/// node takes scattered buffers but copies them in the kernel. A bsg node takes one buffer only.
/// This port copies scattered data where necessary: on bsg nodes, and if the buffers touch more
/// separate pages than the host adapter takes in one command.
class DataPort final : public Port {
    struct Private {};

  public:
    enum class Kind : std::uint8_t { block, sg, bsg };

    /// `most_pages`: memory pages that one command may touch; `most_bytes`: the longest command;
    /// `buffers`: commands that can be copied at once; more wait for each other.
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
