#include "transports/emulated/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "transports/host/file_lock.h"

namespace zonebridge::emulated {
namespace {

File::Moved moved(ssize_t result) noexcept {
    if (result < 0) return tl::make_unexpected(errno);
    return static_cast<std::size_t>(result);
}

// Direct reads need buffers and offsets that are multiples of the medium's block.
constexpr std::size_t direct_alignment = page_size;
constexpr std::size_t direct_piece = 1 << 20;

// The number that Linux makes anew at each start; all zero if it can't be read.
Uuid boot_id() noexcept {
    Uuid id{};
    const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    std::array<char, 36> text{};
    if (::read(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return id;
    std::size_t digits = 0;
    for (const auto digit : text) {
        const auto value = digit >= '0' && digit <= '9'   ? digit - '0'
                           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                                          : -1;
        if (value < 0 || digits == 2 * id.size()) continue;
        id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] << 4 | value);
        ++digits;
    }
    return id;
}

// The file systems of which two hosts may have the same file open. FUSE is among them because virtiofs
// and sshfs are FUSE.
bool is_shared_type(std::uint64_t type) noexcept {
    constexpr std::array<std::uint64_t, 12> types = {
        NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,    SMB2_SUPER_MAGIC,
        V9FS_MAGIC,      CEPH_SUPER_MAGIC, OCFS2_SUPER_MAGIC,   AFS_SUPER_MAGIC,
        AFS_FS_MAGIC,    FUSE_SUPER_MAGIC, 0x01161970 /*GFS2*/, 0x0BD00BD0 /*Lustre*/};
    return std::find(types.begin(), types.end(), type) != types.end();
}

class HostFile final : public File {
  public:
    explicit HostFile(int fd) : fd_(fd) {}
    HostFile(const HostFile&) = delete;
    HostFile& operator=(const HostFile&) = delete;
    ~HostFile() override {
        if (!mapped_.empty()) ::munmap(mapped_.data(), mapped_.size());
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
    Errno grow(std::uint64_t size) noexcept override {
        while (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
            if (errno != EINTR) return errno;
        return 0;
    }
    std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept override {
        const auto found = ::lseek(fd_, static_cast<off_t>(from), SEEK_DATA);
        if (found < 0) return std::nullopt;
        return static_cast<std::uint64_t>(found);
    }
    std::optional<int> descriptor() const noexcept override { return fd_; }
    Errno read_medium(std::span<std::uint8_t> to, std::uint64_t at) noexcept override {
        if (!direct_) open_direct();
        while (!to.empty()) {
            if (!*direct_) {
                // The next best: the kernel drops clean pages, if nothing else uses them.
                ::posix_fadvise(fd_, static_cast<off_t>(at), static_cast<off_t>(to.size()),
                                POSIX_FADV_DONTNEED);
                return read_all(to, at);
            }
            const auto skipped = at % direct_alignment;
            const auto wanted = std::min(skipped + to.size(), direct_piece);
            const auto length =
                (wanted + direct_alignment - 1) / direct_alignment * direct_alignment;
            const iovec into{direct_buffer_.get(), length};
            const auto got =
                moved(::preadv(direct_->get(), &into, 1, static_cast<off_t>(at - skipped)));
            if (!got && got.error() == EINTR) continue;
            if (!got && got.error() == EINVAL) {
                direct_.emplace();  // opened, but not possible on this file system
                continue;
            }
            if (!got) return got.error();
            if (*got <= skipped) return ENODATA;
            const auto taken = std::min(*got - skipped, to.size());
            std::memcpy(to.data(), direct_buffer_.get() + skipped, taken);
            to = to.subspan(taken);
            at += taken;
        }
        return 0;
    }
    void drop_cached() noexcept override { ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }
    std::span<std::byte> map(std::uint64_t at, std::uint64_t length) noexcept override {
        auto* mapped = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_,
                              static_cast<off_t>(at));
        if (mapped == MAP_FAILED) return {};
        mapped_ = {static_cast<std::byte*>(mapped), length};
        return mapped_;
    }
    std::optional<FileInstance> instance() noexcept override {
        struct statx facts {};
        if (::statx(fd_, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &facts) != 0)
            return std::nullopt;
        FileInstance instance;
        instance.boot_id = boot_id();
        if (instance.boot_id == Uuid{}) return std::nullopt;
        instance.inode = facts.stx_ino;
        if ((facts.stx_mask & STATX_BTIME) != 0)
            instance.birth = static_cast<std::uint64_t>(facts.stx_btime.tv_sec) * 1'000'000'000 +
                             facts.stx_btime.tv_nsec;
        return instance;
    }
    bool shared_between_hosts() noexcept override {
        struct statfs facts {};
        return ::fstatfs(fd_, &facts) == 0 &&
               is_shared_type(static_cast<std::uint32_t>(facts.f_type));
    }
    bool has_name() noexcept override {
        struct stat status {};
        return ::fstat(fd_, &status) != 0 || status.st_nlink != 0;
    }

  private:
    // Without O_DIRECT, direct_ is an empty descriptor.
    void open_direct() noexcept {
        const auto path = fmt::format("/proc/self/fd/{}", fd_);
        direct_.emplace(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
        if (!*direct_) return;
        direct_buffer_.reset(
            static_cast<std::uint8_t*>(std::aligned_alloc(direct_alignment, direct_piece)));
        if (direct_buffer_ == nullptr) direct_.emplace();
    }
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
    std::optional<UniqueFd> direct_;
    std::unique_ptr<std::uint8_t, decltype(&std::free)> direct_buffer_{nullptr, &std::free};
    std::span<std::byte> mapped_;
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
