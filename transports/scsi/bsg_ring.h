// SCSI pass-through as an io_uring command on a bsg node (Linux 7.2): no system call and no thread
// for a command, but flat buffers only.
//
// Threads: start() belongs to the ring's thread; the rest are pure functions.
// Ownership: borrows the file descriptor, the ring, the call's CDB, the buffer and the sense bytes
// until the operation completes.
#pragma once

#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "transports/ring.h"
#include "transports/scsi/dialect.h"
#include "transports/scsi/port.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Whether the kernel takes commands on this bsg node: asks the disk for its INQUIRY data that way.
/// The error says in words what is missing.
[[nodiscard]] tl::expected<void, std::string> probe_bsg_ring(int bsg_fd);

/// Hands `call` with one flat buffer to the kernel; false if the ring takes nothing at the moment.
[[nodiscard]] bool start_bsg_command(Ring& ring, int bsg_fd, Ring::Operation& operation,
                                     const Call& call, std::span<const iovec> data,
                                     std::span<std::uint8_t> sense) noexcept;

/// What came of it. The sense bytes are where start_bsg_command was told to put them; they are
/// not copied here.
[[nodiscard]] Answer bsg_answer(const Ring::Operation::Result& result) noexcept;

}  // namespace zonebridge::scsi
