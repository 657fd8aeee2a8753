#include "transports/open.h"

#include <array>
#include <cerrno>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

#include "transports/block/block.h"
#include "transports/emulated/emulated.h"
#include "transports/null/null.h"
#include "transports/nvme/nvme.h"
#include "transports/scsi/scsi.h"
#include "transports/sequencer/sequencer.h"
#include "transports/size.h"

namespace zonebridge {
namespace {

constexpr std::string_view known_devices =
    "this version opens emulated disks (files made by 'zonebridge create', as PATH or "
    "emulated:PATH) and null:SIZE";

tl::unexpected<Error> refuse(StatusCode code, std::string message) {
    return tl::unexpected(Error{code, std::move(message), {}});
}

std::optional<std::string_view> prefix_of(std::string_view device) {
    const auto colon = device.find(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const auto prefix = device.substr(0, colon);
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (prefix.find_first_not_of(letters) != std::string_view::npos) return std::nullopt;
    return prefix;
}

std::string_view kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "directory";
    if (S_ISBLK(mode)) return "block device";
    if (S_ISCHR(mode)) return "character device";
    if (S_ISFIFO(mode)) return "pipe";
    if (S_ISSOCK(mode)) return "socket";
    return "special file";
}

std::string_view advice_for(int error) {
    switch (error) {
        case ENOENT:
            return "; 'zonebridge create' makes an emulated disk";
        case EACCES:
        case EPERM:
            return "; it takes a user who may read and, for changes, write the file";
        default:
            return {};
    }
}

tl::unexpected<Error> failed_to_look(const std::string& path, int error) {
    auto failure = os_failure(error, path);
    failure.message += advice_for(error);
    return tl::unexpected(std::move(failure));
}

/// Refuses what can't be an emulated disk at all, by what kind of thing it is.
tl::expected<void, Error> require_regular_file(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return failed_to_look(path, errno);
    if (S_ISREG(facts.st_mode)) return {};
    return refuse(StatusCode::unsupported,
                  fmt::format("{}: is a {}; {}", path, kind_of(facts.st_mode), known_devices));
}

tl::expected<std::unique_ptr<Transport>, Error> open_emulated(const std::string& path,
                                                              OpenOptions options,
                                                              std::string reason) {
    if (auto regular = require_regular_file(path); !regular)
        return tl::unexpected(std::move(regular.error()));
    return emulated::open(path, {.writable = options.writable, .reason = std::move(reason)});
}

tl::expected<std::unique_ptr<Transport>, Error> open_path(const std::string& path,
                                                          OpenOptions options) {
    if (auto regular = require_regular_file(path); !regular)
        return tl::unexpected(std::move(regular.error()));
    const auto emulated_disk = emulated::looks_like_disk(path);
    if (!emulated_disk) return tl::unexpected(emulated_disk.error());
    if (!*emulated_disk)
        return refuse(
            StatusCode::unsupported,
            fmt::format("{}: does not begin like an emulated disk; {}", path, known_devices));
    return open_emulated(path, options, "the file begins with the emulated disk's mark");
}

constexpr std::array<std::pair<std::string_view, DeviceName::Kind>, 4> path_prefixes{
    {{"emulated", DeviceName::Kind::emulated},
     {"block", DeviceName::Kind::block},
     {"scsi", DeviceName::Kind::scsi},
     {"nvme", DeviceName::Kind::nvme}}};

DeviceOptions device_options(const OpenOptions& options, std::string_view prefix) {
    return {.writable = options.writable,
            .force = options.force,
            .data_path = options.data_path,
            .reason = fmt::format("named by the prefix {}:", prefix)};
}

tl::expected<std::unique_ptr<Transport>, Error> in_order(
    tl::expected<std::unique_ptr<Transport>, Error> bare) {
    if (!bare) return bare;
    return sequence(std::move(*bare));
}

}  // namespace

tl::expected<DeviceName, Error> parse_device_name(std::string_view device) {
    using Kind = DeviceName::Kind;
    if (device.empty())
        return refuse(StatusCode::invalid_request, "the device's name is empty: give a path");
    if (device.find('\0') != std::string_view::npos)
        return refuse(StatusCode::invalid_request, "the device's name holds a zero byte");

    const auto prefix = prefix_of(device);
    if (!prefix) return DeviceName{Kind::path, std::string(device), 0};

    const auto rest = device.substr(prefix->size() + 1);
    for (const auto& [word, kind] : path_prefixes) {
        if (*prefix != word) continue;
        if (rest.empty())
            return refuse(StatusCode::invalid_request,
                          fmt::format("{}: needs a path behind the colon", word));
        return DeviceName{kind, std::string(rest), 0};
    }
    if (*prefix == "null") {
        const auto size = parse_size(rest);
        if (!size) return refuse(StatusCode::invalid_request, "null: " + size.error());
        if (*size == 0 || *size % 512 != 0)
            return refuse(
                StatusCode::invalid_request,
                fmt::format("null:{}: the size must be a multiple of 512 bytes, and not 0", rest));
        return DeviceName{Kind::null, std::string(rest), *size};
    }
    return refuse(StatusCode::invalid_request,
                  fmt::format("{0}: '{1}:' is no prefix this version knows (emulated:, block:, "
                              "scsi:, nvme:, null:); if it is a file of that name, write ./{0}",
                              device, *prefix));
}

tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                            OpenOptions options) {
    auto name = parse_device_name(device);
    if (!name) return tl::unexpected(std::move(name.error()));
    switch (name->kind) {
        case DeviceName::Kind::path:
            return open_path(name->path, options);
        case DeviceName::Kind::emulated:
            return open_emulated(name->path, options, "named by the prefix emulated:");
        case DeviceName::Kind::null:
            return null::open(name->size);
        case DeviceName::Kind::block:
            return in_order(block::open(name->path, device_options(options, "block")));
        case DeviceName::Kind::scsi:
            return in_order(scsi::open(name->path, device_options(options, "scsi")));
        case DeviceName::Kind::nvme:
            return in_order(nvme::open(name->path, device_options(options, "nvme")));
    }
    return refuse(StatusCode::invalid_request, "unknown kind of device");
}

}  // namespace zonebridge
