// From what a user names to an open device: picks the transport that matches, and says why.
//
// Ownership: the caller owns the transport that is returned.
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
    /// Write also to a device that is partitioned, mounted or held by another.
    bool force = false;
    /// How commands are passed through, for transports that have the choice.
    DataPath data_path = DataPath::any;
};

/// A device as it was named, taken apart; nothing was looked at yet.
struct DeviceName {
    enum class Kind : std::uint8_t {
        path,      ///< A plain path: the transport is found by looking at it.
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

/// Takes a name apart. What stands before a colon is a prefix if it is made of small letters,
/// digits and dashes; a file of such a name is written "./a:b". Errors are invalid_request: an
/// empty name, an unknown prefix (the known ones are listed), a size that is none.
[[nodiscard]] tl::expected<DeviceName, Error> parse_device_name(std::string_view device);

/// "emulated", "block" ...: what a name of this kind begins with; empty for Kind::path.
[[nodiscard]] std::string_view prefix_word(DeviceName::Kind kind) noexcept;

/// Opens "emulated:PATH", "null:SIZE", "block:PATH", "scsi:PATH", "nvme:PATH" or a plain path, whose
/// transport is found by looking at it (transports/choose). A real device comes with its zones in
/// order (layers/sequencer). Identity::reason of the result says why, and what was tried before. The error names the device, what is wrong with it and,
/// where there is one, what to do.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                                          OpenOptions options);

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
