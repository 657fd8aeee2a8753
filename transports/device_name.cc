#include "transports/device_name.h"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/size.h"

namespace zonebridge {
namespace {

constexpr std::array<std::pair<std::string_view, DeviceName::Kind>, 4> path_prefixes{
    {{"emulated", DeviceName::Kind::emulated},
     {"block", DeviceName::Kind::block},
     {"scsi", DeviceName::Kind::scsi},
     {"nvme", DeviceName::Kind::nvme}}};

tl::unexpected<Error> refuse(std::string message) {
    return tl::unexpected(Error{StatusCode::invalid_request, std::move(message), {}});
}

std::optional<std::string_view> prefix_of(std::string_view device) {
    const auto colon = device.find(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const auto prefix = device.substr(0, colon);
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (prefix.find_first_not_of(letters) != std::string_view::npos) return std::nullopt;
    return prefix;
}

}  // namespace

tl::expected<DeviceName, Error> parse_device_name(std::string_view device) {
    using Kind = DeviceName::Kind;
    if (device.empty()) return refuse("the device's name is empty: give a path");
    if (device.find('\0') != std::string_view::npos)
        return refuse("the device's name holds a zero byte");

    const auto prefix = prefix_of(device);
    if (!prefix) return DeviceName{Kind::path, std::string(device), 0};

    const auto rest = device.substr(prefix->size() + 1);
    for (const auto& [word, kind] : path_prefixes) {
        if (*prefix != word) continue;
        if (rest.empty()) return refuse(fmt::format("{}: needs a path after the colon", word));
        return DeviceName{kind, std::string(rest), 0};
    }
    if (*prefix == "null") {
        const auto size = parse_size(rest);
        if (!size) return refuse("null: " + size.error());
        if (*size == 0 || *size % 512 != 0)
            return refuse(
                fmt::format("null:{}: the size must be a multiple of 512 bytes, and not 0", rest));
        return DeviceName{Kind::null, std::string(rest), *size};
    }
    return refuse(
        fmt::format("{0}: '{1}:' is not a prefix that this version knows (emulated:, block:, "
                    "scsi:, nvme:, null:); if it is a file of that name, write ./{0}",
                    device, *prefix));
}

std::string_view prefix_word(DeviceName::Kind kind) noexcept {
    switch (kind) {
        case DeviceName::Kind::path:
            return {};
        case DeviceName::Kind::emulated:
            return "emulated";
        case DeviceName::Kind::null:
            return "null";
        case DeviceName::Kind::block:
            return "block";
        case DeviceName::Kind::scsi:
            return "scsi";
        case DeviceName::Kind::nvme:
            return "nvme";
    }
    return {};
}

}  // namespace zonebridge
