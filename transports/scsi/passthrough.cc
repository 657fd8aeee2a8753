#include "transports/scsi/passthrough.h"

#include <array>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "transports/scsi/passthrough/queue.h"
#include "transports/scsi/route.h"

namespace zonebridge::scsi {
namespace {

/// Finds an ATA disk's zones only to refuse them: the guest would have to know of them, and use ATA
/// commands.
tl::expected<std::optional<Zoned>, Error> refuse_zac(Port& port, const std::string& path) {
    auto zoned = find_zac(port, path);
    if (!zoned || !*zoned) return zoned;
    return tl::unexpected(
        Error{StatusCode::unsupported,
              fmt::format("{}: its zones can be reached only by ATA commands, which are not passed "
                          "through; serve the disk with --translate",
                          path),
              {}});
}

zbc::PassthroughFacts facts_of(const DiskFacts& disk) {
    zbc::PassthroughFacts facts;
    facts.block_size = disk.limits.logical_block_size;
    facts.max_transfer = disk.limits.max_transfer;
    facts.read_only = disk.limits.read_only;
    facts.has_block_limits = disk.lists_block_limits;
    facts.peripheral = disk.peripheral;
    return facts;
}

/// Whether Linux lets this program send any command, not only those of a fixed list, which lacks
/// SYNCHRONIZE CACHE(16).
bool may_send_everything() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> held{};
    if (::syscall(SYS_capget, &header, held.data()) != 0) return true;  // the commands will show it
    return (held[CAP_TO_INDEX(CAP_SYS_RAWIO)].effective & CAP_TO_MASK(CAP_SYS_RAWIO)) != 0;
}

class OpenPassedDisk final : public PassedDisk {
  public:
    OpenPassedDisk(FoundDisk found, zbc::Allowed allowed, const PassthroughOptions& options)
        : disk_(std::move(found.disk)),
          route_(std::move(found.route)),
          facts_{disk_,
                 facts_of(disk_),
                 std::move(allowed),
                 options.refusals,
                 {},
                 {disk_.identity.path, options.log}} {}
    ~OpenPassedDisk() override {
        [[maybe_unused]] const auto closed = close();  // a destructor can't report an error
    }

    const Limits& limits() const noexcept override { return disk_.limits; }
    const Identity& identity() const noexcept override { return disk_.identity; }
    zbc::TransferLimits transfer_limits() const noexcept override {
        return {disk_.limits.max_transfer, disk_.limits.max_segments};
    }

    tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(Loop& loop,
                                                                    std::size_t depth) override {
        auto way = open_data_way(route_, disk_, loop, PassedQueue::most_threads);
        if (!way) return tl::unexpected(std::move(way.error()));
        return PassedQueue::open(loop, facts_, std::move(*way), depth);
    }

    void reset() noexcept override { facts_.attentions.reset(); }
    void raise(zbc::Attention attention) noexcept override { facts_.attentions.raise(attention); }

    tl::expected<void, Error> close() override {
        if (std::exchange(closed_, true)) return {};
        return empty_cache(route_, disk_);
    }

  private:
    DiskFacts disk_;
    Route route_;
    PassedFacts facts_;
    bool closed_ = false;
};

}  // namespace

tl::expected<std::unique_ptr<PassedDisk>, Error> open_passthrough(
    const std::string& path, const PassthroughOptions& options) {
    zbc::Allowed allowed;
    for (const auto& name : options.allow)
        if (auto added = allowed.add(name); !added) return tl::unexpected(std::move(added.error()));
    DeviceOptions device;
    device.writable = !options.read_only;
    device.force = options.force;
    device.data_path = options.data_path;
    auto found = find_disk(path, device, refuse_zac);
    if (!found) return tl::unexpected(std::move(found.error()));
    if (options.log != nullptr && !may_send_everything())
        options.log(
            fmt::format("{}: this program does not have the capability CAP_SYS_RAWIO, so the "
                        "kernel will refuse some of the guest's commands, flushes among them: run "
                        "as root, or give the program that capability",
                        path));
    return std::make_unique<OpenPassedDisk>(std::move(*found), std::move(allowed), options);
}

}  // namespace zonebridge::scsi
