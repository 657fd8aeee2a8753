#include "tools/files.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "transports/host/file_lock.h"

namespace zonebridge::tools {
namespace {

bool same_file(int fd, const std::string& path) {
    struct stat one {};
    struct stat other {};
    if (::fstat(fd, &one) != 0 || ::stat(path.c_str(), &other) != 0) return false;
    // A disk may have several nodes in several folders: compare the device numbers.
    if (S_ISBLK(one.st_mode) && S_ISBLK(other.st_mode)) return one.st_rdev == other.st_rdev;
    return S_ISREG(one.st_mode) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

Error is_the_disk(const std::string& name) {
    return {
        StatusCode::invalid_request,
        fmt::format(
            "{}: this is the disk itself: data can't be copied from a disk to the same disk", name),
        {}};
}

/// For a file that is written to: no disk that is in use may be overwritten.
Error in_use(const std::string& path, const std::string& by) {
    return {StatusCode::io_error,
            fmt::format("{}: is a disk in use by {}, and was not changed: choose another file",
                        path, by),
            NativeCause::os_error(EBUSY)};
}

}  // namespace

File::File(int fd, std::string name, bool owned) : fd_(fd), name_(std::move(name)), owned_(owned) {}

File::File(File&& other) noexcept
    : fd_(other.fd_), name_(std::move(other.name_)), owned_(std::exchange(other.owned_, false)) {}

File::~File() {
    if (owned_) ::close(fd_);
}

tl::expected<File, Error> File::open(const std::optional<std::string>& path, Mode mode,
                                     const std::string& not_this) {
    const auto reads = mode == Mode::read;
    if (!path) {
        File file(reads ? STDIN_FILENO : STDOUT_FILENO,
                  reads ? "standard input" : "standard output", false);
        if (same_file(file.fd(), not_this)) return tl::unexpected(is_the_disk(file.name()));
        if (!reads)
            if (const auto writer = host::find_writer(file.fd()))
                return tl::unexpected(in_use(file.name(), *writer));
        return file;
    }
    // Truncate the file only once it is known not to be the disk.
    const auto flags = reads ? O_RDONLY : O_WRONLY | O_CREAT;
    const auto fd = ::open(path->c_str(), flags | O_CLOEXEC, 0666);
    if (fd < 0) return tl::unexpected(os_failure(errno, *path));
    File file(fd, *path, true);
    if (same_file(fd, not_this)) return tl::unexpected(is_the_disk(*path));
    struct stat facts {};
    if (::fstat(fd, &facts) != 0) return tl::unexpected(os_failure(errno, *path));
    if (reads && S_ISDIR(facts.st_mode)) return tl::unexpected(os_failure(EISDIR, *path));
    if (!reads && S_ISREG(facts.st_mode))
        if (const auto writer = host::find_writer(fd))
            return tl::unexpected(in_use(*path, *writer));
    if (!reads && S_ISBLK(facts.st_mode)) {
        // The same hold as that of a disk that is opened as one.
        const auto held = ::open(path->c_str(), O_WRONLY | O_EXCL | O_CLOEXEC);
        if (held < 0 && errno == EBUSY)
            return tl::unexpected(in_use(*path, "the kernel or another program"));
        if (held < 0) return tl::unexpected(os_failure(errno, *path));
        return File(held, *path, true);
    }
    if (!reads && S_ISREG(facts.st_mode) && ::ftruncate(fd, 0) != 0)
        return tl::unexpected(os_failure(errno, *path));
    return file;
}

tl::expected<void, Error> File::close() {
    if (!std::exchange(owned_, false)) return {};
    if (::close(fd_) != 0 && errno != EINTR) return tl::unexpected(os_failure(errno, name_));
    return {};
}

std::optional<std::uint64_t> File::remaining() const {
    struct stat facts {};
    if (::fstat(fd_, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size == 0)
        return std::nullopt;  // size 0: maybe a kernel file, which reports no length
    const auto position = ::lseek(fd_, 0, SEEK_CUR);
    if (position < 0) return std::nullopt;
    return position < facts.st_size ? static_cast<std::uint64_t>(facts.st_size - position) : 0;
}

tl::expected<std::size_t, Error> read_fully(const File& file, std::span<std::byte> buffer) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
        const auto got = ::read(file.fd(), buffer.data() + filled, buffer.size() - filled);
        if (got == 0) break;
        if (got > 0) {
            filled += static_cast<std::size_t>(got);
        } else if (errno != EINTR) {
            return tl::unexpected(os_failure(errno, file.name()));
        }
    }
    return filled;
}

tl::expected<void, Error> write_fully(int fd, std::string_view name,
                                      std::span<const std::byte> data) {
    while (!data.empty()) {
        const auto put = ::write(fd, data.data(), data.size());
        if (put >= 0) {
            data = data.subspan(static_cast<std::size_t>(put));
        } else if (errno != EINTR) {
            return tl::unexpected(os_failure(errno, std::string(name)));
        }
    }
    return {};
}

Output::Output(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

void Output::write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= spill_at) spill();
}

void Output::spill() {
    if (!error_) {
        const auto done = write_fully(fd_, name_, std::as_bytes(std::span(buffer_)));
        if (!done) error_ = done.error();
    }
    buffer_.clear();
}

tl::expected<void, Error> Output::flush() {
    spill();
    if (error_) return tl::unexpected(*error_);
    return {};
}

std::optional<Buffer> Buffer::allocate(std::size_t size) {
    constexpr std::size_t page = 4096;
    const auto whole = (size + page - 1) / page * page;
    Buffer buffer;
    buffer.memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, whole)));
    if (!buffer.memory_) return std::nullopt;
    std::memset(buffer.memory_.get(), 0, whole);
    buffer.size_ = size;
    return buffer;
}

void Buffer::Release::operator()(std::byte* memory) const noexcept {
    std::free(memory);
}

void guard_standard_streams() noexcept {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // Opened in the wrong direction, so that using the closed stream is still an error. Gets
        // `fd`, the lowest free number.
        if (::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) std::_Exit(1);
    }
    std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace zonebridge::tools
