#include "zone/status.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace zonebridge {

std::string_view to_string(StatusCode code) noexcept {
    switch (code) {
        case StatusCode::ok:
            return "ok";
        case StatusCode::invalid_request:
            return "invalid-request";
        case StatusCode::out_of_range:
            return "out-of-range";
        case StatusCode::misaligned:
            return "misaligned";
        case StatusCode::too_large:
            return "too-large";
        case StatusCode::unsupported:
            return "unsupported";
        case StatusCode::read_only:
            return "read-only";
        case StatusCode::not_sequential:
            return "not-sequential";
        case StatusCode::unaligned_write:
            return "unaligned-write";
        case StatusCode::crosses_boundary:
            return "crosses-boundary";
        case StatusCode::read_crosses_boundary:
            return "read-crosses-boundary";
        case StatusCode::read_past_pointer:
            return "read-past-pointer";
        case StatusCode::invalid_transition:
            return "invalid-transition";
        case StatusCode::zone_full:
            return "zone-full";
        case StatusCode::zone_read_only:
            return "zone-read-only";
        case StatusCode::zone_offline:
            return "zone-offline";
        case StatusCode::too_many_open:
            return "too-many-open";
        case StatusCode::too_many_active:
            return "too-many-active";
        case StatusCode::no_space:
            return "no-space";
        case StatusCode::media_error:
            return "media-error";
        case StatusCode::io_error:
            return "io-error";
        case StatusCode::device_gone:
            return "device-gone";
        case StatusCode::aborted:
            return "aborted";
    }
    return "unknown";
}

std::optional<StatusCode> parse_status_code(std::string_view word) noexcept {
    constexpr auto last = static_cast<unsigned>(StatusCode::aborted);
    for (unsigned value = 0; value <= last; ++value) {
        const auto code = static_cast<StatusCode>(value);
        if (to_string(code) == word) return code;
    }
    return std::nullopt;
}

std::string_view explain(StatusCode code) noexcept {
    switch (code) {
        case StatusCode::ok:
            return "done";
        case StatusCode::invalid_request:
            return "the request contradicts itself";
        case StatusCode::out_of_range:
            return "reaches past the end of the disk";
        case StatusCode::misaligned:
            return "not a whole number of logical blocks";
        case StatusCode::too_large:
            return "larger than the disk takes in one request";
        case StatusCode::unsupported:
            return "this disk has no such operation";
        case StatusCode::read_only:
            return "the disk was opened read-only";
        case StatusCode::not_sequential:
            return "not the start of a zone that has a write pointer";
        case StatusCode::unaligned_write:
            return "not at the zone's write pointer, or not whole physical blocks";
        case StatusCode::crosses_boundary:
            return "the write leaves its zone or runs past the zone's capacity";
        case StatusCode::read_crosses_boundary:
            return "the read leaves its zone, and this disk forbids that";
        case StatusCode::read_past_pointer:
            return "the read goes beyond the zone's write pointer, and this disk forbids that";
        case StatusCode::invalid_transition:
            return "the zone's state does not allow this action";
        case StatusCode::zone_full:
            return "the zone is full";
        case StatusCode::zone_read_only:
            return "the zone has become read-only";
        case StatusCode::zone_offline:
            return "the zone has gone offline";
        case StatusCode::too_many_open:
            return "as many zones are open as the disk allows";
        case StatusCode::too_many_active:
            return "as many zones are active (open or closed) as the disk allows";
        case StatusCode::no_space:
            return "the file system or device that holds the disk is full";
        case StatusCode::media_error:
            return "the medium could not be read or written there";
        case StatusCode::io_error:
            return "input or output failed";
        case StatusCode::device_gone:
            return "the device is gone";
        case StatusCode::aborted:
            return "withdrawn before it was issued";
    }
    return "unknown";
}

std::string to_string(NativeCause cause) {
    switch (cause.source) {
        case NativeCause::Source::none:
            return {};
        case NativeCause::Source::os_error: {
            const auto error = static_cast<int>(cause.value);
            const char* name = strerrorname_np(error);
            const char* words = strerrordesc_np(error);
            if (name == nullptr || words == nullptr) return fmt::format("errno {}", error);
            return fmt::format("{} ({})", name, words);
        }
        case NativeCause::Source::scsi_sense:
            return fmt::format("sense {:X}/{:02X}/{:02X}", cause.value >> 16,
                               cause.value >> 8 & 0xFF, cause.value & 0xFF);
        case NativeCause::Source::nvme_status:
            return fmt::format("NVMe status {:x}/{:02x}", cause.value >> 8, cause.value & 0xFF);
    }
    return {};
}

std::string to_string(const Error& error) {
    const auto& [code, message, cause] = error;
    if (cause.source == NativeCause::Source::os_error) {
        const auto number = static_cast<int>(cause.value);
        const char* name = strerrorname_np(number);
        const char* words = strerrordesc_np(number);
        if (name != nullptr && words != nullptr) {
            if (message.find(name) != std::string::npos) return message;
            if (message.find(words) != std::string::npos)
                return fmt::format("{} ({})", message, name);
            return fmt::format("{} ({}: {})", message, name, words);
        }
    }
    const auto words = to_string(cause);
    if (words.empty() || message.find(words) != std::string::npos) return message;
    return fmt::format("{} ({})", message, words);
}

Error os_failure(int error, std::string what) {
    // strerror() is not thread-safe; strerrordesc_np() returns constants.
    const char* words = strerrordesc_np(error);
    auto message = words != nullptr ? fmt::format("{}: {}", what, words)
                                    : fmt::format("{}: errno {}", what, error);
    return {status_of_errno(error), std::move(message), NativeCause::os_error(error)};
}

StatusCode status_of_errno(int error) noexcept {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
            return StatusCode::no_space;
        case ENODEV:
        case ENXIO:
            return StatusCode::device_gone;
        case EROFS:
            return StatusCode::read_only;
        default:
            return StatusCode::io_error;
    }
}

}  // namespace zonebridge
