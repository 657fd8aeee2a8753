// Writes an empty disk into a file. A seam inside this folder; users call create() of emulated.h.
#pragma once

#include "transports/emulated/file.h"
#include "transports/emulated/format.h"

namespace zonebridge::emulated {

/// Writes an empty disk of a valid shape and makes it durable; 0 or an errno.
[[nodiscard]] int format(File& file, const Shape& shape, const Uuid& uuid);

}  // namespace zonebridge::emulated
