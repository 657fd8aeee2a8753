// From what a user names to an open device: picks the transport that matches, and says why.
//
// Threads: any.
// Ownership: the caller owns the transport that is returned.
#pragma once

#include <memory>
#include <string_view>

#include <tl/expected.hpp>

#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge {

struct OpenOptions {
    bool writable = false;
};

/// Opens "emulated:PATH", "null:SIZE" or a plain path, whose transport is found by looking at it.
/// Identity::reason of the result says why. The error names the device, what is wrong with it and,
/// where there is one, what to do.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                                          OpenOptions options);

}  // namespace zonebridge
