// One writer at a time: a lock on the open file that ends with it, however the process ends.
//
// Threads: pure functions on a file descriptor.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::emulated {

/// Takes the writer's lock, or says who has it.
[[nodiscard]] tl::expected<void, Error> lock_for_writing(int fd, const std::string& path);
/// Gives the lock up, if this open file has it: before its descriptor is closed, since the kernel may
/// hold the file a moment longer, for what went through a ring.
void unlock(int fd) noexcept;
/// Who has the file open for writing, in words ("process 4711 (zonebridge)"); absent if nobody.
[[nodiscard]] std::optional<std::string> find_writer(int fd);

}  // namespace zonebridge::emulated
