#include "transports/host/file_lock.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <fmt/format.h>

namespace zonebridge::host {
namespace {

struct flock whole_file() noexcept {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;  // l_pid must be 0, l_len 0 is the whole file
}

bool has_write_lock(const std::filesystem::path& fdinfo) {
    std::ifstream info(fdinfo);
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("lock:") && line.find("WRITE") != std::string::npos) return true;
    return false;
}

// The kernel names no process for a lock that belongs to an open file, but the fdinfo of each
// process's descriptors shows it. The file is compared by stat: on overlayfs and btrfs the device
// number in fdinfo is another one. A process that we may not inspect stays unnamed.
std::string holder_of(int fd) {
    struct stat ours {};
    if (::fstat(fd, &ours) != 0) return "another process";
    std::error_code error;
    namespace fs = std::filesystem;
    for (const auto& process : fs::directory_iterator("/proc", error)) {
        const auto name = process.path().filename().string();
        int pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{})
            continue;
        std::error_code skipped;
        for (fs::directory_iterator entry(process.path() / "fd", skipped), end;
             !skipped && entry != end; entry.increment(skipped)) {
            if (!has_write_lock(process.path() / "fdinfo" / entry->path().filename())) continue;
            struct stat theirs {};
            if (::stat(entry->path().c_str(), &theirs) != 0 || theirs.st_dev != ours.st_dev ||
                theirs.st_ino != ours.st_ino)
                continue;
            std::string program;
            std::getline(std::ifstream(process.path() / "comm"), program);
            return fmt::format("process {} ({})", pid, program);
        }
    }
    return "another process";
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
