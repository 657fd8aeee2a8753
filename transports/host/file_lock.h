// The writer's lock: a lock on the open file, which ends with the process, however that ends.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::host {

/// Takes the writer's lock, or returns an error that names its holder.
[[nodiscard]] tl::expected<void, Error> lock_for_writing(int fd, const std::string& path);
/// Releases the lock if this open file has it. Call it before closing the descriptor: the kernel
/// may hold the file a moment longer, for operations that went through a ring.
void unlock(int fd) noexcept;
/// The process that has the file open for writing ("process 4711 (zonebridge)"); absent if there is
/// none.
[[nodiscard]] std::optional<std::string> find_writer(int fd);

}  // namespace zonebridge::host
