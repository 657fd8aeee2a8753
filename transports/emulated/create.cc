// Creates a disk in a new file of the host.
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/random.h>
#include <unistd.h>

#include <fmt/format.h>

#include "transports/emulated/emulated.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"

namespace zonebridge::emulated {
namespace {

int sync_directory_of(const std::string& path) {
    auto folder = std::filesystem::path(path).parent_path();
    if (folder.empty()) folder = ".";
    const auto fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    // Some file systems can't sync a folder, and need not.
    const auto error = ::fsync(fd) != 0 && errno != EINVAL ? errno : 0;
    ::close(fd);
    return error;
}

tl::expected<Uuid, int> random_uuid() {
    Uuid uuid{};
    if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size()))
        return tl::make_unexpected(errno);
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | 0x40);  // RFC 4122 4.4, version 4
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);
    return uuid;
}

}  // namespace

tl::expected<void, Error> create(const std::string& path, const Shape& shape) {
    if (auto valid = validate(shape); !valid) {
        valid.error().message = fmt::format("cannot create {}: {}", path, valid.error().message);
        return valid;
    }
    const auto failed = [&](int error) {
        return tl::make_unexpected(os_failure(error, fmt::format("cannot create {}", path)));
    };
    const auto uuid = random_uuid();
    if (!uuid) return failed(uuid.error());
    const auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return tl::make_unexpected(Error{
            StatusCode::invalid_request,
            fmt::format(
                "{} exists already and was not changed: remove it first, or choose another name",
                path),
            NativeCause::os_error(EEXIST)});
    if (fd < 0) return failed(errno);
    const auto file = host_file(fd);
    auto error = format(*file, shape, *uuid);
    if (error == 0 && ::fsync(fd) != 0) error = errno;
    if (error == 0) error = sync_directory_of(path);
    if (error == 0) return {};
    ::unlink(path.c_str());
    return failed(error);
}

}  // namespace zonebridge::emulated
