#include "transports/host/file_lock.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sys/stat.h>

#include <fmt/format.h>

#include "transports/host/places.h"

namespace zonebridge::host {
namespace {

namespace fs = std::filesystem;

struct flock whole_file() noexcept {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;  // l_pid must be 0, l_len 0 is the whole file
}

bool has_write_lock(const fs::path& fdinfo) {
    std::ifstream info(fdinfo);
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("lock:") && line.find("WRITE") != std::string::npos) return true;
    return false;
}

// Which file it is. Never asks a server: a dead network mount must not block.
using FileId = std::array<std::uint64_t, 3>;
std::optional<FileId> id_of(int folder, const char* path, int flags) {
    struct statx facts {};
    if (::statx(folder, path, flags | AT_STATX_DONT_SYNC, STATX_INO, &facts) != 0)
        return std::nullopt;
    return FileId{facts.stx_dev_major, facts.stx_dev_minor, facts.stx_ino};
}

// The kernel names no process for a lock that belongs to an open file, but the fdinfo of each
// process's descriptors shows it. The device number there is not the file's own on overlayfs and
// btrfs, so the files are compared. A process that we may not inspect stays unnamed.
std::string holder_of(int fd) {
    const auto ours = id_of(fd, "", AT_EMPTY_PATH);
    const auto holders = openers_of({}, [&](const fs::path& descriptor) {
        return has_write_lock(descriptor.parent_path().parent_path() / "fdinfo" /
                              descriptor.filename()) &&
               ours && id_of(AT_FDCWD, descriptor.c_str(), 0) == ours;
    });
    if (holders.empty()) return "another process";
    return fmt::format("process {} ({})", holders.front().id, holders.front().program);
}

}  // namespace

tl::expected<void, Error> lock_for_writing(int fd, const std::string& path) {
    auto lock = whole_file();
    if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return {};
    if (errno != EAGAIN && errno != EACCES)
        return tl::make_unexpected(os_failure(errno, fmt::format("cannot lock {}", path)));
    return tl::make_unexpected(
        Error{StatusCode::io_error,
              fmt::format("{} is in use by {}: a disk has one writer at a time; stop that process, "
                          "or open the disk read-only",
                          path, holder_of(fd)),
              NativeCause::os_error(EBUSY)});
}

void unlock(int fd) noexcept {
    auto lock = whole_file();
    lock.l_type = F_UNLCK;
    (void)::fcntl(fd, F_OFD_SETLK, &lock);
}

std::optional<std::string> find_writer(int fd) {
    auto lock = whole_file();
    if (::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
    return holder_of(fd);
}

}  // namespace zonebridge::host
