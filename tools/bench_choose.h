// Chooses the requests of a measurement for a device, and refuses to destroy data without --force.
//
// Ownership: the load borrows the session's limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/bench_load.h"
#include "tools/disk_client.h"
#include "tools/failure.h"

namespace zonebridge::tools {

inline constexpr std::uint32_t zones_a_report = 128;

struct LoadOptions {
    Work work = Work::randread;
    std::uint64_t block_size = 4096;
    std::optional<std::uint32_t> zones_in_flight;
    bool force = false;  ///< Data on the disk may be destroyed.
};

/// Refused if the device can't do the work, or data would be lost without `force`; with it the
/// zones to be written are reset. `note` gets what a reader of the results must know.
[[nodiscard]] tl::expected<std::unique_ptr<Load>, Failure> choose_load(DiskClient& session,
                                                                       const LoadOptions& options,
                                                                       std::string& note);

}  // namespace zonebridge::tools
