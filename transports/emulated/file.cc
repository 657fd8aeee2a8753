#include "transports/emulated/file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/host/file_lock.h"

namespace zonebridge::emulated {
namespace {

File::Moved moved(ssize_t result) noexcept {
    if (result < 0) return tl::make_unexpected(errno);
    return static_cast<std::size_t>(result);
}

class HostFile final : public File {
  public:
    explicit HostFile(int fd) : fd_(fd) {}
    HostFile(const HostFile&) = delete;
    HostFile& operator=(const HostFile&) = delete;
    ~HostFile() override {
        host::unlock(fd_);
        ::close(fd_);
    }

    Moved read(std::span<const iovec> to, std::uint64_t at) noexcept override {
        return read_with(to, at, 0);
    }
    Moved read_cached(std::span<const iovec> to, std::uint64_t at) noexcept override {
        auto result = read_with(to, at, RWF_NOWAIT);
        // A file system that does not support the flag gets the plain call: waiting is better than
        // failing.
        if (!result && result.error() == EOPNOTSUPP) return read_with(to, at, 0);
        return result;
    }
    Moved write(std::span<const iovec> from, std::uint64_t at) noexcept override {
        for (;;) {
            auto result = moved(
                ::pwritev(fd_, from.data(), static_cast<int>(from.size()), static_cast<off_t>(at)));
            if (result || result.error() != EINTR) return result;
        }
    }
    Errno sync() noexcept override {
        while (::fdatasync(fd_) != 0)
            if (errno != EINTR) return errno;
        return 0;
    }
    Errno punch(std::uint64_t at, std::uint64_t length) noexcept override {
        const auto error = allocate(punch_mode, at, length);
        return error == EOPNOTSUPP ? write_zeroes(at, length) : error;
    }
    Errno zero(std::uint64_t at, std::uint64_t length) noexcept override {
        auto error = allocate(zero_mode, at, length);
        if (error != EOPNOTSUPP) return error;
        error = punch(at, length);
        if (error == 0) error = allocate(0, at, length);
        return error == EOPNOTSUPP ? 0 : error;
    }
    tl::expected<std::uint64_t, int> size() noexcept override {
        struct stat status {};
        if (::fstat(fd_, &status) != 0) return tl::make_unexpected(errno);
        return static_cast<std::uint64_t>(status.st_size);
    }
    std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept override {
        const auto found = ::lseek(fd_, static_cast<off_t>(from), SEEK_DATA);
        if (found < 0) return std::nullopt;
        return static_cast<std::uint64_t>(found);
    }
    std::optional<int> descriptor() const noexcept override { return fd_; }

  private:
    Moved read_with(std::span<const iovec> to, std::uint64_t at, int flags) noexcept {
        for (;;) {
            auto result = moved(::preadv2(fd_, to.data(), static_cast<int>(to.size()),
                                          static_cast<off_t>(at), flags));
            if (result || result.error() != EINTR) return result;
        }
    }
    Errno allocate(int mode, std::uint64_t at, std::uint64_t length) noexcept {
        while (::fallocate(fd_, mode, static_cast<off_t>(at), static_cast<off_t>(length)) != 0)
            if (errno != EINTR) return errno;
        return 0;
    }
    // For file systems without holes; stops at the end of the file, because everything past it
    // reads as zeroes.
    Errno write_zeroes(std::uint64_t at, std::uint64_t length) noexcept {
        static constexpr std::array<std::uint8_t, 64 * 1024> zeroes{};
        const auto end = size();
        if (!end) return end.error();
        while (length != 0 && at < *end) {
            const auto piece = std::min<std::uint64_t>({length, zeroes.size(), *end - at});
            if (const auto error = write_all(std::span(zeroes).first(piece), at)) return error;
            at += piece;
            length -= piece;
        }
        return 0;
    }

    int fd_;
};

}  // namespace

File::Errno File::read_all(std::span<std::uint8_t> to, std::uint64_t at) noexcept {
    while (!to.empty()) {
        const iovec piece{to.data(), to.size()};
        const auto done = read({&piece, 1}, at);
        if (!done) return done.error();
        if (*done == 0) return ENODATA;
        to = to.subspan(*done);
        at += *done;
    }
    return 0;
}

File::Errno File::write_all(std::span<const std::uint8_t> from, std::uint64_t at) noexcept {
    while (!from.empty()) {
        const iovec piece{const_cast<std::uint8_t*>(from.data()), from.size()};
        const auto done = write({&piece, 1}, at);
        if (!done) return done.error();
        if (*done == 0) return EIO;
        from = from.subspan(*done);
        at += *done;
    }
    return 0;
}

std::unique_ptr<File> host_file(int fd) {
    return std::make_unique<HostFile>(fd);
}

tl::expected<std::unique_ptr<ZeroSource>, Error> ZeroSource::open() {
    const auto fd = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tl::make_unexpected(os_failure(errno, "cannot open /dev/zero"));
    return std::make_unique<ZeroSource>(fd);
}

ZeroSource::~ZeroSource() {
    ::close(fd_);
}

int ZeroSource::fill(std::span<const iovec> to) const noexcept {
    std::array<iovec, 16> some;  // short reads are resumed without changing the caller's array
    while (!to.empty()) {
        std::size_t count = 0;
        while (count < some.size() && count < to.size()) {
            some[count] = to[count];
            ++count;
        }
        to = to.subspan(count);
        std::span<iovec> left(some.data(), count);
        while (!left.empty()) {
            const auto done = ::readv(fd_, left.data(), static_cast<int>(left.size()));
            if (done < 0 && errno == EINTR) continue;
            if (done < 0) return errno;
            auto rest = static_cast<std::size_t>(done);
            while (!left.empty() && rest >= left.front().iov_len) {
                rest -= left.front().iov_len;
                left = left.subspan(1);
            }
            if (left.empty()) break;
            if (done == 0) return EIO;
            left.front().iov_base = static_cast<std::uint8_t*>(left.front().iov_base) + rest;
            left.front().iov_len -= rest;
        }
    }
    return 0;
}

}  // namespace zonebridge::emulated
