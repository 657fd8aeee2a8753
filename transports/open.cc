#include "transports/open.h"

#include <cerrno>
#include <optional>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "layers/all_zones/all_zones.h"
#include "layers/sequencer/sequencer.h"
#include "layers/split/split.h"
#include "transports/block/block.h"
#include "transports/choose.h"
#include "transports/emulated/emulated.h"
#include "transports/host/node.h"
#include "transports/null/null.h"
#include "transports/nvme/nvme.h"
#include "transports/scsi/scsi.h"

namespace zonebridge {
namespace {

using Opened = tl::expected<std::unique_ptr<Transport>, Error>;

tl::unexpected<Error> refuse(StatusCode code, std::string message) {
    return tl::unexpected(Error{code, std::move(message), {}});
}

std::string_view advice_for(int error) {
    switch (error) {
        case ENOENT:
            return "; 'zonebridge create' makes an emulated disk, and 'zonebridge list' shows the "
                   "zoned disks of this host";
        case EACCES:
        case EPERM:
            return "; the user needs the right to read it and, for changes, to write it";
        default:
            return {};
    }
}

/// Checks that the path exists; the error has advice.
tl::expected<struct stat, Error> look_for(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) == 0) return facts;
    const auto error = errno;
    auto failure = os_failure(error, path);
    failure.message += advice_for(error);
    return tl::unexpected(std::move(failure));
}

Opened open_emulated(const std::string& path, const OpenOptions& options, std::string reason) {
    const auto facts = look_for(path);
    if (!facts) return tl::unexpected(facts.error());
    if (!S_ISREG(facts->st_mode)) {
        const auto node = host::look_at(path);
        return refuse(StatusCode::unsupported,
                      fmt::format("{}: is {}; an emulated disk is a regular file, made by "
                                  "'zonebridge create'",
                                  path, node ? node->words : "not a regular file"));
    }
    auto disk = emulated::open(path, {.writable = options.writable,
                                      .accept_loss = options.accept_loss,
                                      .reason = std::move(reason)});
    if (!disk) return disk;
    return split_long_requests(std::move(*disk));
}

Opened open_by(DeviceName::Kind transport, const std::string& path, const OpenOptions& options,
               std::string reason) {
    const DeviceOptions device{.writable = options.writable,
                               .force = options.force,
                               .data_path = options.data_path,
                               .reason = reason};
    const auto in_order = [](Opened bare) -> Opened {
        if (!bare) return bare;
        auto sequenced = sequence(std::move(*bare));
        if (!sequenced) return sequenced;
        return split_long_requests(complete_all(std::move(*sequenced)));
    };
    switch (transport) {
        case DeviceName::Kind::emulated:
            return open_emulated(path, options, std::move(reason));
        case DeviceName::Kind::block:
            return in_order(block::open(path, device));
        case DeviceName::Kind::scsi:
            return in_order(scsi::open(path, device));
        case DeviceName::Kind::nvme:
            return in_order(nvme::open(path, device));
        case DeviceName::Kind::path:
        case DeviceName::Kind::null:
            break;
    }
    return refuse(StatusCode::invalid_request, path + ": no transport of that name opens a path");
}

/// Whether `error` concerns the path to the disk rather than the disk or its users: another
/// transport may then be tried. EBUSY, an unclear answer, an I/O error end the attempt.
bool is_about_the_way(const Error& error) {
    if (error.cause.source == NativeCause::Source::os_error) {
        switch (static_cast<int>(error.cause.value)) {
            case EACCES:
            case EPERM:
            case ENOENT:
            case ENOSYS:
            case ENOTTY:
            case EOPNOTSUPP:
                return true;
            default:
                return false;
        }
    }
    return error.cause.source == NativeCause::Source::none && error.code == StatusCode::unsupported;
}

Opened open_path(const std::string& path, const OpenOptions& options) {
    if (const auto there = look_for(path); !there) return tl::unexpected(there.error());
    const auto node = host::look_at(path);
    if (!node) return tl::unexpected(node.error());
    const auto choices = choose(*node);
    if (!choices) return tl::unexpected(choices.error());

    const auto& best = choices->front();
    auto opened = open_by(best.transport, best.path, options, best.reason);
    // With --force or a chosen data path, only the first choice is tried.
    if (opened || choices->size() < 2 || options.force || options.data_path != DataPath::any ||
        !is_about_the_way(opened.error()))
        return opened;
    const auto& second = (*choices)[1];
    auto otherwise = open_by(second.transport, second.path, options,
                             fmt::format("{}; {}: was tried first: {}", second.reason,
                                         prefix_word(best.transport), opened.error().message));
    if (otherwise) return otherwise;
    auto error = std::move(opened.error());
    error.message +=
        fmt::format("; and by {}: {}", prefix_word(second.transport), otherwise.error().message);
    return tl::unexpected(std::move(error));
}

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                            OpenOptions options) {
    auto name = parse_device_name(device);
    if (!name) return tl::unexpected(std::move(name.error()));
    switch (name->kind) {
        case DeviceName::Kind::path:
            return open_path(name->path, options);
        case DeviceName::Kind::null:
            return null::open(name->size);
        case DeviceName::Kind::emulated:
        case DeviceName::Kind::block:
        case DeviceName::Kind::scsi:
        case DeviceName::Kind::nvme:
            return open_by(name->kind, name->path, options,
                           fmt::format("named by the prefix {}:", prefix_word(name->kind)));
    }
    return refuse(StatusCode::invalid_request, "unknown kind of device");
}

}  // namespace zonebridge
