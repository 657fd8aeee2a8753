// Opens a device by name: picks the matching transport, and says why.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/export.h"
#include "transports/device.h"
#include "zone/status.h"
#include "zone/transport.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

struct OpenOptions {
    bool writable = false;
    /// Also write to a device that is partitioned, mounted or held by another program.
    bool force = false;
    /// How commands reach the kernel, for transports with a choice.
    DataPath data_path = DataPath::any;
};

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

/// Opens "emulated:PATH", "null:SIZE", "block:PATH", "scsi:PATH", "nvme:PATH" or a plain path,
/// whose transport is chosen by looking at it (transports/choose). A real device comes with its
/// zones in order (layers/sequencer). Identity::reason of the result says why, and what was tried
/// before. The error names the device, the problem and, if there is one, the remedy.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                                          OpenOptions options);

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
