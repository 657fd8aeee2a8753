#include "virtio/vduse/record.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace zonebridge::virtio::vduse {
namespace {

// The first page holds the device's parameters.
constexpr std::size_t area_at = 4096;

struct Header {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t device_id;
    std::uint32_t vendor_id;
    std::uint32_t queues;
    std::uint32_t queue_size;
    std::uint32_t config_size;
    std::uint64_t features;
    std::array<char, 64> name;
    std::array<std::byte, Record::max_config> config;
};
static_assert(sizeof(Header) <= area_at);

std::array<std::byte, area_at> encode(const Shape& shape) {
    Header header{};
    header.magic = {'Z', 'B', 'V', 'D', 'U', 'S', 'E', '\n'};
    header.version = 1;
    header.device_id = shape.device_id;
    header.vendor_id = shape.vendor_id;
    header.queues = shape.queues;
    header.queue_size = shape.queue_size;
    header.config_size = static_cast<std::uint32_t>(shape.config.size());
    header.features = shape.features;
    shape.name.copy(header.name.data(), header.name.size() - 1);
    std::copy_n(shape.config.begin(), std::min(shape.config.size(), header.config.size()),
                header.config.begin());
    std::array<std::byte, area_at> page{};
    std::memcpy(page.data(), &header, sizeof header);
    return page;
}

std::uint64_t file_size(const Shape& shape) {
    return area_at + InflightArea::size_for(shape.queues, shape.queue_size);
}

bool write_all(int fd, std::span<const std::byte> bytes, std::uint64_t at) {
    while (!bytes.empty()) {
        const auto put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(put));
        at += static_cast<std::uint64_t>(put);
    }
    return true;
}

tl::unexpected<std::string> failed(const std::string& what) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

/// Only this user can write the file.
bool is_private(const struct stat& info) {
    return info.st_uid == ::geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

std::string record_path(const std::string& folder, const std::string& name) {
    return folder + "/vduse-" + name;
}

tl::expected<Record, std::string> Record::open(const std::string& folder, const std::string& name) {
    if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST)
        return failed(fmt::format("can't make the folder {}", folder));
    const UniqueFd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!directory || ::fstat(directory.get(), &info) != 0)
        return failed(fmt::format("can't use the folder {}", folder));
    if (!is_private(info))
        return tl::unexpected(fmt::format(
            "other users can write into the folder {}, so its records of requests in flight can't "
            "be trusted; the folder must belong to this user and have mode 0700",
            folder));

    const auto path = record_path(folder, name);
    const auto file = path.substr(folder.size() + 1);
    UniqueFd fd(::openat(directory.get(), file.c_str(),
                         O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                         S_IRUSR | S_IWUSR));
    if (!fd || ::fstat(fd.get(), &info) != 0) return failed(fmt::format("can't open {}", path));
    if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || !is_private(info))
        return tl::unexpected(fmt::format(
            "{} is not a file that belongs to this user alone; remove it if nothing else needs it",
            path));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return tl::unexpected(fmt::format(
                "another process serves the VDUSE device {}; choose another name, or stop that "
                "process",
                name));
        return failed(fmt::format("can't lock {}", path));
    }
    if (::fstat(fd.get(), &info) != 0 || info.st_nlink != 1)
        return tl::unexpected(
            fmt::format("{} was removed just now, by a process that ended; try again", path));
    return Record(path, std::move(fd));
}

bool Record::fits(const Shape& shape) const {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0 ||
        static_cast<std::uint64_t>(info.st_size) != file_size(shape))
        return false;
    std::array<std::byte, area_at> page{};
    return ::pread(fd_.get(), page.data(), page.size(), 0) == static_cast<ssize_t>(page.size()) &&
           page == encode(shape);
}

tl::expected<void, std::string> Record::write(const Shape& shape) {
    // Allocate now: running out of space later would be a fault in mapped memory.
    const auto size = static_cast<off_t>(file_size(shape));
    if (::ftruncate(fd_.get(), 0) != 0) return failed(fmt::format("can't write {}", path_));
    if (const int error = ::posix_fallocate(fd_.get(), 0, size); error != 0)
        return tl::unexpected(fmt::format("can't write {}: {}", path_, std::strerror(error)));
    if (!write_all(fd_.get(), encode(shape), 0))
        return failed(fmt::format("can't write {}", path_));
    return {};
}

tl::expected<std::shared_ptr<const InflightArea>, std::string> Record::area(
    const Shape& shape) const {
    return InflightArea::map(fd_.get(), area_at, file_size(shape) - area_at, shape.queues,
                             shape.queue_size);
}

tl::expected<void, std::string> Record::clear(const Shape& shape) {
    const std::vector<std::byte> zeroes(file_size(shape) - area_at);
    if (!write_all(fd_.get(), zeroes, area_at)) return failed(fmt::format("can't write {}", path_));
    return {};
}

void Record::remove() noexcept {
    if (fd_) ::unlink(path_.c_str());
    fd_.close();
}

}  // namespace zonebridge::virtio::vduse
