// SCSI pass-through as an io_uring command on a bsg node (Linux 7.2): needs no system call and no
// thread for each command, but takes flat buffers only.
//
// Threads: start_bsg_command() belongs to the ring's thread.
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

/// Whether the kernel takes commands on this bsg node: asks the disk for its INQUIRY data through
/// it. The error says what is missing.
[[nodiscard]] tl::expected<void, std::string> probe_bsg_ring(int bsg_fd);

/// Submits `call` with one flat buffer; false if the ring has no free entry.
[[nodiscard]] bool start_bsg_command(Ring& ring, int bsg_fd, Ring::Completer& operation,
                                     const Call& call, std::span<const iovec> data,
                                     std::span<std::uint8_t> sense) noexcept;

/// The result. The sense bytes are in the span given to start_bsg_command(); they are not copied
/// here.
[[nodiscard]] Answer bsg_answer(const Ring::Completer::Result& result) noexcept;

}  // namespace zonebridge::scsi
