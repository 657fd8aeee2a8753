// What a new emulated disk is to look like: as the command line says, over what another disk is.
//
// Threads: pure functions and plain values.
// Ownership: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "tools/failure.h"
#include "transports/emulated/emulated.h"
#include "zone/limits.h"

namespace zonebridge::tools {

/// What the command line gave. Sizes in bytes.
struct ShapeOptions {
    std::optional<std::uint64_t> size;
    std::optional<std::uint64_t> zone_size;
    std::optional<std::uint64_t> zone_capacity;
    std::optional<std::uint32_t> conventional;
    std::optional<std::uint32_t> max_open;
    std::optional<std::uint32_t> max_active;
    std::optional<std::uint32_t> block_size;
    std::optional<std::uint32_t> physical_block_size;
    std::optional<Model> model;

    /// `shape` with what was given in place of its own.
    [[nodiscard]] emulated::Shape over(emulated::Shape shape) const;
};

/// The shape of a disk with these limits, changed by `options`. Refused where an emulated disk can't
/// be like it: conventional zones that are not the first ones, block sizes that it does not have;
/// unless the options say otherwise. `device` names the disk in messages.
[[nodiscard]] tl::expected<emulated::Shape, Failure> shape_like(const Limits& limits,
                                                                const ShapeOptions& options,
                                                                std::string_view device);

}  // namespace zonebridge::tools
