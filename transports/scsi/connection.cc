#include "transports/scsi/connection.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <scsi/sg_pt.h>

namespace zonebridge::scsi {
namespace {

constexpr std::uint64_t page = 4096;
/// Every host adapter can do this.
constexpr std::uint64_t cautious_transfer = 128 * 1024;

/// `pages` separate pages hold one page less, because a buffer may begin in the middle of a page.
std::uint64_t bytes_in(std::uint64_t pages) noexcept {
    return pages > 1 ? (pages - 1) * page : page;
}

}  // namespace

bool is_scsi(const host::Node& node) {
    if (node.kind == host::Node::Kind::sg || node.kind == host::Node::Kind::bsg) return true;
    return node.kind == host::Node::Kind::block && (node.sg || node.bsg);
}

tl::expected<UniqueFd, int> open_node(const std::string& path, bool writable) {
    // O_NONBLOCK: do not wait for a program that holds the sg node exclusively.
    const auto fd = scsi_pt_open_flags(path.c_str(),
                                       (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0) return tl::unexpected(fd == -1 ? EPERM : -fd);
    return UniqueFd(fd);
}

std::vector<DataNode> data_nodes(const host::Node& node) {
    std::vector<DataNode> nodes;
    if (node.block) nodes.push_back({*node.block, DataPort::Kind::block});
    if (node.sg) nodes.push_back({*node.sg, DataPort::Kind::sg});
    if (node.bsg) nodes.push_back({*node.bsg, DataPort::Kind::bsg});
    return nodes;
}

HostLimits host_limits(const host::Node& node) {
    HostLimits limits{cautious_transfer, cautious_transfer / page};
    if (node.block) {
        if (const auto block = host::look_at(*node.block)) {
            // Pass-through is bound by the hardware's limit; max_sectors_kb is for the block layer.
            const auto kib = host::number_of(*block, "queue/max_hw_sectors_kb");
            const auto pages = host::number_of(*block, "queue/max_segments");
            if (kib && *kib != 0 && pages && *pages != 0)
                return {std::min(*kib * 1024, bytes_in(*pages)), static_cast<std::size_t>(*pages)};
        }
    }
    if (node.sg) {
        if (const auto sg = open_node(*node.sg, false)) {
            int bytes = 0;  // the sg node answers in bytes
            if (::ioctl(sg->get(), BLKSECTGET, &bytes) == 0 && bytes >= static_cast<int>(page))
                limits.max_transfer =
                    std::min<std::uint64_t>(static_cast<std::uint64_t>(bytes), 512 * 1024);
        }
    }
    return limits;
}

}  // namespace zonebridge::scsi
