// The names of devices: a path, or PREFIX:REST, where the prefix names the transport.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// A parsed device name; the device itself was not looked at.
struct DeviceName {
    enum class Kind : std::uint8_t {
        path,      ///< A plain path: the transport is chosen by looking at it.
        emulated,  ///< "emulated:PATH"
        null,      ///< "null:SIZE"
        block,     ///< "block:PATH"
        scsi,      ///< "scsi:PATH"
        nvme,      ///< "nvme:PATH"
    };
    Kind kind = Kind::path;
    std::string path;        ///< Without the prefix; the size's text for "null:SIZE".
    std::uint64_t size = 0;  ///< Bytes; for "null:SIZE".
};

/// Parses a name. Text before a colon is a prefix if it consists of small letters, digits and
/// dashes; a file with such a name is written "./a:b". Errors are invalid_request: an empty name,
/// an unknown prefix (lists the known ones), an invalid size.
[[nodiscard]] tl::expected<DeviceName, Error> parse_device_name(std::string_view device);

/// The prefix of names of this kind ("emulated", "block" ...); empty for Kind::path.
[[nodiscard]] std::string_view prefix_word(DeviceName::Kind kind) noexcept;

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
