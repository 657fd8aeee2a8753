// Creates a disk in a new file of the host.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "transports/emulated/emulated.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {
namespace {

namespace fs = std::filesystem;

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

int format(File& file, const Shape& shape, const Uuid& uuid) {
    const Geometry geometry(shape);
    Superblock superblock;
    superblock.uuid = uuid;
    superblock.shape = shape;
    superblock.clean = true;

    constexpr std::size_t per_piece = 2048;
    std::vector<std::uint8_t> buffer(std::min<std::size_t>(per_piece, geometry.table_sectors) *
                                     sector_size);
    for (std::uint64_t generation = 0; generation < 2; ++generation) {
        for (std::uint32_t first = 0; first < geometry.table_sectors; first += per_piece) {
            const auto count = std::min<std::uint32_t>(per_piece, geometry.table_sectors - first);
            for (std::uint32_t i = 0; i < count; ++i) {
                std::array<ZoneRecord, records_per_sector> records;
                const auto zone = (first + i) * static_cast<std::uint32_t>(records_per_sector);
                const auto zones =
                    std::min<std::size_t>(records_per_sector, geometry.layout.zone_count() - zone);
                for (std::uint32_t k = 0; k < zones; ++k)
                    if (geometry.layout.is_conventional(zone + k))
                        records[k].state = ZoneState::not_write_pointer;
                encode(TableSector{first + i, generation, 0}, std::span(records).first(zones),
                       superblock.seed(),
                       std::span<std::uint8_t, sector_size>(buffer.data() + i * sector_size,
                                                            sector_size));
            }
            if (const auto error = file.write_all(std::span(buffer).first(count * sector_size),
                                                  geometry.table_sector(first, generation)))
                return error;
        }
    }
    for (std::uint32_t i = 0; i < geometry.table_sectors; ++i)
        superblock.table_digest += digest_part(i, 1);
    // With its space, so that a store to the mapped table finds some.
    if (geometry.live_size != 0)
        if (const auto error = file.zero(geometry.live_offset, geometry.live_size)) return error;
    // The file extends to the end of the table, even if that is padding.
    const std::uint8_t zero = 0;
    if (const auto error = file.write_all({&zero, 1}, geometry.plain_offset - 1)) return error;
    superblock.file_size = geometry.plain_offset;
    // The superblock is written last: a file without one is not a disk.
    if (const auto error = file.sync()) return error;
    for (superblock.generation = 0; superblock.generation < 2; ++superblock.generation) {
        std::array<std::uint8_t, page_size> page{};
        const auto sector = encode(superblock);
        std::copy(sector.begin(), sector.end(), page.begin());
        if (const auto error = file.write_all(page, superblock.generation * page_size))
            return error;
    }
    return file.sync();
}

namespace {

/// A new file that becomes `path` only when it is a whole disk: a process that is killed before
/// leaves nothing at that path.
class NewFile {
  public:
    explicit NewFile(const std::string& path) : path_(path), folder_(fs::path(path).parent_path()) {
        if (folder_.empty()) folder_ = ".";
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile() {
        if (fd_) ::close(*fd_);
        if (!name_.empty()) ::unlink(name_.c_str());
    }

    /// Without a name if the file system can do that, and nothing is left of a killed process.
    /// Returns an errno.
    [[nodiscard]] int open_nameless() {
        return keep(::open(folder_.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0666));
    }
    /// With a name of its own beside `path`.
    [[nodiscard]] int open_named(const Uuid& uuid) {
        name_ = folder_ / fmt::format(".zonebridge-new-{:016x}", ByteView(uuid).le64(0));
        const auto error = keep(::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (error != 0) name_.clear();
        return error;
    }

    [[nodiscard]] int fd() const noexcept { return fd_.value_or(-1); }

    /// Gives the file its path; EEXIST: another file has it.
    [[nodiscard]] int publish() {
        if (name_.empty()) {
            const auto own = fmt::format("/proc/self/fd/{}", fd());
            return result(
                ::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW));
        }
        auto error =
            result(::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE));
        if (error == 0) name_.clear();
        // Some file systems know only plain renames, which would replace another file.
        if (error == EINVAL || error == ENOSYS)
            error = result(::linkat(AT_FDCWD, name_.c_str(), AT_FDCWD, path_.c_str(), 0));
        return error;
    }

  private:
    [[nodiscard]] static int result(int returned) noexcept { return returned == 0 ? 0 : errno; }
    [[nodiscard]] int keep(int fd) noexcept {
        if (fd < 0) return errno;
        fd_ = fd;
        return 0;
    }

    std::string path_;
    fs::path folder_;
    std::string name_;  // of its own; empty: none
    std::optional<int> fd_;
};

bool exists(const std::string& path) noexcept {
    struct stat facts {};
    return ::lstat(path.c_str(), &facts) == 0;
}

/// Writes the disk to a new file and gives that its path; returns an errno. `nameless`: how the file
/// is made before.
int make(const std::string& path, const Shape& shape, const Uuid& uuid, bool nameless) {
    NewFile file(path);
    if (const auto error = nameless ? file.open_nameless() : file.open_named(uuid)) return error;
    const auto copy = ::fcntl(file.fd(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return errno;
    if (const auto error = format(*host_file(copy), shape, uuid)) return error;
    if (::fsync(file.fd()) != 0) return errno;
    return file.publish();
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
    auto error = EEXIST;
    if (!exists(path)) {
        error = make(path, shape, *uuid, true);
        // Not every file system has files without a name, and not every place has /proc.
        if (error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT)
            error = make(path, shape, *uuid, false);
    }
    if (error == EEXIST)
        return tl::make_unexpected(Error{
            StatusCode::invalid_request,
            fmt::format(
                "{} exists already and was not changed: remove it first, or choose another name",
                path),
            NativeCause::os_error(EEXIST)});
    if (error != 0) return failed(error);
    error = sync_directory_of(path);
    if (error == 0) return {};
    ::unlink(path.c_str());
    return failed(error);
}

}  // namespace zonebridge::emulated
