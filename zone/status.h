// The result of a request: a small stable code that every front end can translate to its own
// protocol, and the native cause (errno, sense data, NVMe status) for the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

enum class StatusCode : std::uint8_t {
    ok,
    // Refused before the request reached the medium.
    invalid_request,        ///< Malformed: no length, buffers that do not add up, flags that do not
                            ///< belong.
    out_of_range,           ///< Reaches past the end of the disk.
    misaligned,             ///< Offset or length is not a whole number of logical blocks.
    too_large,              ///< Larger than the limits allow in one request.
    unsupported,            ///< This device has no such operation.
    read_only,              ///< The disk was opened read-only.
    not_sequential,         ///< A zone action or append on a zone that has no write pointer, or an
                            ///< offset that is not a zone's start.
    unaligned_write,        ///< Not at the write pointer, or not whole physical blocks.
    crosses_boundary,       ///< A write that leaves its zone or runs past the zone's capacity.
    read_crosses_boundary,  ///< A read that leaves its zone on a device that forbids it.
    read_past_pointer,      ///< A read beyond the write pointer on a device that forbids it.
    invalid_transition,     ///< The zone's state does not allow this action.
    zone_full,
    zone_read_only,
    zone_offline,
    too_many_open,
    too_many_active,
    // Failed on the way or at the medium.
    no_space,     ///< The store behind an emulated disk is full.
    media_error,  ///< The medium could not be read or written there.
    io_error,     ///< Any other failure of a lower layer.
    device_gone,  ///< The device went away; every further request fails.
    aborted,      ///< Withdrawn before it was issued.
};

/// The native error behind a StatusCode, for logs and messages.
struct NativeCause {
    enum class Source : std::uint8_t { none, os_error, scsi_sense, nvme_status };

    Source source = Source::none;
    /// os_error: errno. scsi_sense: key << 16 | ASC << 8 | ASCQ. nvme_status: type << 8 | code.
    std::uint32_t value = 0;

    [[nodiscard]] static NativeCause os_error(int error) noexcept {
        return {Source::os_error, static_cast<std::uint32_t>(error)};
    }
    friend bool operator==(const NativeCause&, const NativeCause&) = default;
};

struct Status {
    StatusCode code = StatusCode::ok;
    NativeCause cause = {};

    [[nodiscard]] bool ok() const noexcept { return code == StatusCode::ok; }
    friend bool operator==(const Status&, const Status&) = default;
};

/// Why an operation outside the data path failed: one line that the user can act on.
struct Error {
    StatusCode code = StatusCode::io_error;
    std::string message;
    NativeCause cause = {};
};

/// "unaligned-write"; stable, for JSON and logs.
[[nodiscard]] std::string_view to_string(StatusCode code) noexcept;
/// The reverse of to_string; empty for any other word.
[[nodiscard]] std::optional<StatusCode> parse_status_code(std::string_view word) noexcept;
/// Part of a plain sentence: "not at the zone's write pointer".
[[nodiscard]] std::string_view explain(StatusCode code) noexcept;
/// "ENOSPC (No space left on device)", "sense 5/21/04", "NVMe status 1/bc"; empty if there is no
/// cause.
[[nodiscard]] std::string to_string(NativeCause cause);
/// The message and, in brackets, what it does not say of the native cause.
[[nodiscard]] std::string to_string(const Error& error);
/// An Error from errno: `what`, then the system's own text. ENOSPC and EDQUOT become no_space,
/// ENODEV and ENXIO device_gone, EROFS read_only, anything else io_error.
[[nodiscard]] Error os_failure(int error, std::string what);
/// The code os_failure uses for `error`.
[[nodiscard]] StatusCode status_of_errno(int error) noexcept;

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
