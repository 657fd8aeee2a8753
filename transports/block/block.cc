#include "transports/block/block.h"

#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "transports/block/discover.h"
#include "transports/block/disk.h"
#include "transports/block/queue.h"
#include "transports/emulated/emulated.h"
#include "transports/host/claim.h"
#include "transports/host/file_lock.h"
#include "transports/host/node.h"
#include "transports/ring.h"
#include "transports/zone_facts.h"

namespace zonebridge::block {
namespace {

// For a file: one call of its file system.
constexpr std::uint64_t max_clear = std::uint64_t{1} << 30;
constexpr std::uint32_t file_system_block = 4096;

using Opened = tl::expected<std::unique_ptr<Transport>, Error>;

tl::unexpected<Error> refuse(StatusCode code, std::string message) {
    return tl::make_unexpected(Error{code, std::move(message), {}});
}

class BlockTransport final : public Transport {
  public:
    BlockTransport(KernelDisk::Access access, Limits limits, std::unique_ptr<ZonePort> zones,
                   Identity identity, host::Claim claim)
        : claim_(std::move(claim)),
          disk_(access, std::move(limits), std::move(zones)),
          identity_(std::move(identity)) {}
    ~BlockTransport() override {
        if (!closed_) (void)close();
    }

    const Limits& limits() const noexcept override { return disk_.limits(); }
    const Identity& identity() const noexcept override { return identity_; }

    tl::expected<std::unique_ptr<Queue>, Error> open_queue(Loop& loop,
                                                           QueueOptions options) override {
        auto* ring = Ring::of(loop);
        if (ring == nullptr)
            return refuse(StatusCode::unsupported,
                          fmt::format("{}: a block device's queue needs an io_uring loop (a Ring)",
                                      identity_.path));
        return BlockQueue::open(*ring, disk_, options.depth);
    }

    std::uint64_t look_at_size() override { return disk_.look_at_size(); }

    tl::expected<void, Error> close() override {
        closed_ = true;
        if (disk_.limits().read_only) return {};
        while (::fdatasync(disk_.fd()) != 0) {
            if (errno == EINTR) continue;
            return tl::make_unexpected(os_failure(
                errno,
                fmt::format("{}: the data written last may not be durable", identity_.path)));
        }
        return {};
    }

  private:
    host::Claim claim_;  // released only after the disk is closed
    KernelDisk disk_;
    Identity identity_;
    bool closed_ = false;
};

tl::expected<UniqueFd, int> open_with(const std::string& path, bool writable, int flags) {
    const int fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | flags);
    if (fd < 0) return tl::make_unexpected(errno);
    return UniqueFd(fd);
}

tl::unexpected<Error> failed_to_open(const std::string& path, bool writable, int error) {
    auto failure = os_failure(
        error, fmt::format("{}: can't be opened for {}", path, writable ? "writing" : "reading"));
    if (error == EACCES || error == EPERM)
        failure.message += fmt::format("; this needs root, or a user who may {} it",
                                       writable ? "read and write" : "read");
    if (error == EBUSY)
        failure.message += "; it is in use: unmount it, or stop the program that uses it, first";
    if (error == EROFS) failure.message += "; it is read-only";
    return tl::make_unexpected(std::move(failure));
}

struct Alignment {
    std::uint32_t memory;
    std::uint32_t offset;
};

// The alignment that direct I/O on this file requires; empty if the file does not support it.
std::optional<Alignment> direct_alignment(int fd, Alignment fallback) {
    struct statx facts {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) != 0 ||
        (facts.stx_mask & STATX_DIOALIGN) == 0)
        return fallback;
    const auto sane = [](std::uint32_t value) {
        return std::has_single_bit(value) && value <= 4096;
    };
    if (!sane(facts.stx_dio_mem_align) || !sane(facts.stx_dio_offset_align)) return std::nullopt;
    return Alignment{facts.stx_dio_mem_align, facts.stx_dio_offset_align};
}

// ---- Plain files.

Opened open_file(const std::string& path, const DeviceOptions& options) {
    const auto emulated_disk = emulated::looks_like_disk(path);
    if (!emulated_disk) return tl::make_unexpected(emulated_disk.error());
    if (*emulated_disk && !options.force) {
        // Only opening for writing has --force.
        if (options.writable)
            return refuse(
                StatusCode::unsupported,
                fmt::format(
                    "{0}: this file holds an emulated disk, and writing by block: would destroy "
                    "that disk; open it as emulated:{0}, or, if its data may be lost, give --force",
                    path));
        return refuse(StatusCode::unsupported,
                      fmt::format("{0}: this file holds an emulated disk, and block: would show "
                                  "the file's format instead of the disk; open it as emulated:{0}",
                                  path));
    }

    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return tl::make_unexpected(os_failure(errno, path));
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    if (size == 0 || size % Layout::granule != 0)
        return refuse(StatusCode::unsupported,
                      fmt::format("{}: its size of {} bytes is not a whole number of {}-byte "
                                  "blocks; change it with 'truncate --size'",
                                  path, size, Layout::granule));
    if (const auto fault = Layout::find_fault(size, 0, 0, 0))
        return refuse(StatusCode::unsupported, fmt::format("{}: {}", path, *fault));

    Limits limits;
    KernelDisk::Access access;
    auto file = open_with(path, options.writable, O_DIRECT);
    std::optional<Alignment> alignment;
    if (file) alignment = direct_alignment(file->get(), {4096, 4096});
    const auto direct = alignment && size % alignment->offset == 0;
    if (!direct && (file || file.error() == EINVAL)) file = open_with(path, options.writable, 0);
    if (!file) return failed_to_open(path, options.writable, file.error());
    if (direct) {
        limits.logical_block_size = std::max<std::uint32_t>(alignment->offset, Layout::granule);
        access.memory_alignment = std::max<std::uint32_t>(alignment->memory, 2);
        access.length_alignment = limits.logical_block_size;
    }
    if (options.writable)
        if (auto locked = host::lock_for_writing(file->get(), path); !locked)  // even with --force
            return tl::make_unexpected(locked.error());

    limits.physical_block_size = limits.logical_block_size;
    limits.layout = Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
    limits.max_transfer = max_transfer;
    limits.max_segments = max_segments;
    limits.max_discard = limits.max_write_zeroes = max_clear;
    limits.discard_granularity = std::max(file_system_block, limits.logical_block_size);
    limits.write_zeroes_unmaps = true;
    limits.fua = Support::emulated;
    // The kernel takes the whole disk as one range, or the driver has a command for it.
    limits.native_all = ZoneActions().with(ZoneAction::reset);
    limits.read_only = !options.writable;

    auto identity = identify_file(path, size);
    identity.transport = "block";
    identity.reason = options.reason;
    identity.data_path = direct ? "io_uring, O_DIRECT" : "io_uring, page cache";
    access.fd = file->release();
    return std::make_unique<BlockTransport>(access, std::move(limits),
                                            std::make_unique<KernelZones>(access.fd),
                                            std::move(identity), host::Claim());
}

// ---- Block devices.

// The attributes of the queue belong to the whole disk.
tl::expected<host::Node, Error> disk_of(const host::Node& node) {
    if (!node.partition_of) return node;
    auto disk = host::look_at(*node.partition_of);
    if (!disk) return tl::make_unexpected(disk.error());
    if (model_of(*disk) != Model::none)
        return refuse(StatusCode::unsupported,
                      fmt::format("{}: is a partition of the zoned disk {}; open that disk",
                                  node.path, *node.partition_of));
    return disk;
}

// A notice for users who chose block: and so miss the disk's zones; empty if there are none.
std::string hidden_zones(const host::Node& disk) {
    const auto facts = zone_facts(disk);
    if (!facts.scsi || !has_zones(facts.device)) return {};
    return fmt::format(
        "this is a {} SCSI disk, but this kernel's block layer does not show its zones; scsi:{} "
        "opens the disk with its zones",
        to_string(*facts.device), disk.path);
}

Opened open_device(const host::Node& node, const DeviceOptions& options) {
    const auto& path = node.path;
    const auto disk = disk_of(node);
    if (!disk) return tl::make_unexpected(disk.error());
    if (options.writable && host::number_of(node, "ro").value_or(0) != 0)
        return refuse(StatusCode::read_only,
                      fmt::format("{}: the kernel has it marked read-only; 'blockdev --setrw {}' "
                                  "may change that, or open it for reading only",
                                  path, path));
    host::Claim claim;
    if (options.writable) {
        auto taken = host::Claim::take(node, options.force);
        if (!taken) return tl::make_unexpected(taken.error());
        claim = std::move(*taken);
    }
    auto file = open_with(path, options.writable, O_DIRECT);
    if (!file) return failed_to_open(path, options.writable, file.error());
    const auto size = size_of_device(file->get());
    if (!size)
        return tl::make_unexpected(
            os_failure(size.error(), fmt::format("{}: can't read its size", path)));

    auto zones = std::make_unique<KernelZones>(file->get());
    auto limits = read_limits(path, *disk, *size, *zones);
    if (!limits) return tl::make_unexpected(limits.error());
    limits->read_only = !options.writable;

    KernelDisk::Access access;
    access.block_device = true;
    const auto block = limits->logical_block_size;
    const auto alignment = direct_alignment(file->get(), {block, block});
    // Whole blocks in memory too, whatever the device accepts: null_blk accepts data at any fourth
    // byte, and mixes up the bytes of a block that begins in one page and ends in the next.
    access.memory_alignment = std::max<std::uint32_t>(alignment ? alignment->memory : block, block);
    access.length_alignment = block;

    auto identity = identify(path, *disk, *size);
    identity.transport = "block";
    identity.reason = options.reason;
    identity.data_path = "io_uring, O_DIRECT";
    if (limits->model == Model::none) identity.notice = hidden_zones(*disk);
    access.fd = file->release();
    return std::make_unique<BlockTransport>(access, std::move(*limits), std::move(zones),
                                            std::move(identity), std::move(claim));
}

}  // namespace

Opened open(const std::string& path, const DeviceOptions& options) {
    const auto node = host::look_at(path);
    if (!node) return tl::make_unexpected(node.error());
    switch (node->kind) {
        case host::Node::Kind::file:
            return open_file(path, options);
        case host::Node::Kind::block:
            return open_device(*node, options);
        case host::Node::Kind::sg:
        case host::Node::Kind::bsg:
        case host::Node::Kind::nvme_generic:
        case host::Node::Kind::other:
            break;
    }
    return refuse(StatusCode::unsupported,
                  fmt::format("{}: is {}, not a block device or a file{}", path, node->words,
                              node->block ? fmt::format("; its block device is {}", *node->block)
                                          : std::string()));
}

}  // namespace zonebridge::block
