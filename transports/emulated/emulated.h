// Creates and opens an emulated zoned disk in one sparse file.
//
// Threads: the functions are safe from any thread; for the transport see zone/transport.h.
// Ownership: the caller owns the transport; it owns its file descriptor and its committing thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/status.h"
#include "zone/transport.h"
#include "zone/types.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge::emulated {

/// The properties of a new disk. All sizes in bytes.
struct Shape {
    std::uint64_t size = 0;
    std::uint64_t zone_size =
        0;  ///< Any multiple of the physical block; not needed for Model::none.
    std::optional<std::uint64_t> zone_capacity;  ///< Absent: the zone size.
    std::uint32_t conventional = 0;              ///< Leading conventional zones.
    std::optional<std::uint32_t> max_open;
    std::optional<std::uint32_t> max_active;
    std::uint32_t logical_block_size = 512;    ///< 512 or 4096.
    std::uint32_t physical_block_size = 4096;  ///< 512 or 4096, not below the logical block.
    Model model = Model::host_managed;
};

/// ok, or the first fault of `shape`, in the user's terms ("zone capacity 2 MiB is larger than the
/// zone size 1 MiB").
[[nodiscard]] tl::expected<void, Error> validate(const Shape& shape);

/// Creates a disk at `path`, durable when this returns. Never overwrites a file; removes its own if
/// it fails.
[[nodiscard]] tl::expected<void, Error> create(const std::string& path, const Shape& shape);

/// Whether the file begins like an emulated disk; an error if it can't be read.
[[nodiscard]] tl::expected<bool, Error> looks_like_disk(const std::string& path);

struct OpenOptions {
    bool writable = false;
    /// Write to a disk of which acknowledged data is missing. Otherwise the error names that data.
    bool accept_loss = false;
    /// For Identity::reason: why this transport was chosen.
    std::string reason = "the file holds an emulated disk";
};

/// Opens the disk at `path`. One writer at a time: a second is refused. While a writer has it open,
/// readers see the last flushed state, and Identity::notice says so. The error for a foreign or
/// damaged file says what is wrong with it.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                                   OpenOptions options);

}  // namespace zonebridge::emulated
ZONEBRIDGE_END_PUBLIC
