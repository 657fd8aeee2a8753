// Opens a disk in a file of the host.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/bytes.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/emulated.h"
#include "transports/emulated/queue.h"
#include "transports/emulated/superblock_pair.h"
#include "transports/host/file_lock.h"

namespace zonebridge::emulated {
namespace {

class EmulatedDisk final : public Transport {
  public:
    EmulatedDisk(std::unique_ptr<Disk> disk, Identity identity)
        : disk_(std::move(disk)), identity_(std::move(identity)) {}
    ~EmulatedDisk() override { static_cast<void>(disk_->close()); }

    const Limits& limits() const noexcept override { return disk_->limits(); }
    const Identity& identity() const noexcept override { return identity_; }
    tl::expected<std::unique_ptr<Queue>, Error> open_queue(Loop& loop,
                                                           QueueOptions options) override {
        return DiskQueue::open(loop, *disk_, options.depth);
    }
    tl::expected<void, Error> close() override { return disk_->close(); }

  private:
    std::unique_ptr<Disk> disk_;
    Identity identity_;
};

Identity identity_of(const Disk& disk, const std::string& path, const std::string& reason) {
    const auto unique_id = ByteView(disk.superblock().uuid).le64(0);
    return {.vendor = "ZBRIDGE",
            .product = "EMULATED DISK",
            .revision = "1",
            .serial = fmt::format("{:016x}", unique_id),
            .path = path,
            .transport = "emulated",
            .reason = reason,
            .data_path = "the file's pages",
            .notice = {},
            .unique_id = unique_id};
}

tl::expected<int, Error> open_file(const std::string& path, int flags) {
    const auto fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return tl::make_unexpected(os_failure(errno, fmt::format("cannot open {}", path)));
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
    ::close(fd);
    return tl::make_unexpected(
        Error{StatusCode::invalid_request,
              fmt::format("{} is not a regular file: an emulated disk lives in one", path),
              {}});
}

}  // namespace

tl::expected<std::unique_ptr<Disk>, Error> open_disk(std::unique_ptr<File> file,
                                                     const std::string& path,
                                                     Disk::Options options) {
    const auto found = read_superblock(*file, path);
    if (!found) return tl::make_unexpected(found.error());
    auto zeroes = ZeroSource::open();
    if (!zeroes) return tl::make_unexpected(zeroes.error());
    // A damaged file may be short and yet describe a table that needs much memory.
    const Geometry geometry(found->superblock.shape, found->superblock.version);
    const auto size = file->size();
    if (size && *size < geometry.plain_offset)
        return damaged(path, fmt::format("it is cut off after {}, within its zone table of {}",
                                         in_words(*size), in_words(geometry.plain_offset)));
    auto disk = std::make_unique<Disk>(std::move(file), path, *found, std::move(*zeroes), options);
    if (auto loaded = disk->load(); !loaded) return tl::make_unexpected(loaded.error());
    if (options.writable) disk->start();
    return disk;
}

tl::expected<bool, Error> looks_like_disk(const std::string& path) {
    const auto fd = open_file(path, O_RDONLY);
    if (!fd) return tl::make_unexpected(fd.error());
    const auto file = host_file(*fd);
    std::array<std::uint8_t, 2 * page_size> start{};
    const iovec into{start.data(), start.size()};
    const auto read = file->read({&into, 1}, 0);
    if (!read)
        return tl::make_unexpected(os_failure(read.error(), fmt::format("cannot read {}", path)));
    return has_magic(start);
}

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path, OpenOptions options) {
    const auto fd = open_file(path, options.writable ? O_RDWR : O_RDONLY);
    if (!fd) return tl::make_unexpected(fd.error());
    auto file = host_file(*fd);
    std::optional<std::string> writer;
    if (options.writable) {
        // For a file that is not an emulated disk the error must say so, and not be about the lock.
        if (auto found = read_superblock(*file, path); !found)
            return tl::make_unexpected(found.error());
        if (auto locked = host::lock_for_writing(*fd, path); !locked)
            return tl::make_unexpected(locked.error());
    }

    // While a writer runs, the table changes as it is read; an inconsistent read is tried again.
    for (int attempt = 0;; ++attempt) {
        if (!options.writable) writer = host::find_writer(*fd);
        Disk::Options disk_options;
        disk_options.writable = options.writable;
        disk_options.in_use = writer.has_value();
        disk_options.accept_loss = options.accept_loss;
        auto copy = options.writable ? std::move(file) : nullptr;
        if (!copy) {
            const auto again = open_file(path, O_RDONLY);
            if (!again) return tl::make_unexpected(again.error());
            copy = host_file(*again);
        }
        auto disk = open_disk(std::move(copy), path, disk_options);
        const auto disturbed = !options.writable && host::find_writer(*fd).has_value();
        if (!disk) {
            if (disturbed && attempt < 10) continue;
            return tl::make_unexpected(disk.error());
        }
        if (disturbed && !writer && attempt < 10) continue;
        auto identity = identity_of(**disk, path, options.reason);
        if (writer)
            identity.notice =
                fmt::format("in use by {}: what is shown here is the last flushed state", *writer);
        else
            identity.notice = (*disk)->missing();
        return std::make_unique<EmulatedDisk>(std::move(*disk), std::move(identity));
    }
}

}  // namespace zonebridge::emulated
