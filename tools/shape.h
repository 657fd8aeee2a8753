// The shape of a new emulated disk: the command line's options over another disk's shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "tools/failure.h"
#include "transports/emulated/emulated.h"
#include "zone/limits.h"

namespace zonebridge::tools {

/// The command line's options. Sizes in bytes.
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

    /// `shape`, changed by the given options.
    [[nodiscard]] emulated::Shape over(emulated::Shape shape) const;
};

/// The shape of a disk with these limits, changed by `options`. Refused if no emulated disk can
/// have it: conventional zones that are not the first ones, or unsupported block sizes, unless the
/// options replace them. `device` names the disk in messages.
[[nodiscard]] tl::expected<emulated::Shape, Failure> shape_like(const Limits& limits,
                                                                const ShapeOptions& options,
                                                                std::string_view device);

}  // namespace zonebridge::tools
