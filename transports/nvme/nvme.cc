#include "transports/nvme/nvme.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "transports/host/claim.h"
#include "transports/host/node.h"
#include "transports/nvme/control.h"
#include "transports/nvme/discover.h"
#include "transports/nvme/queue.h"
#include "transports/nvme/uring_command.h"

namespace zonebridge::nvme {
namespace {

class NvmeDisk final : public Transport {
  public:
    NvmeDisk(Shared shared, Identity identity, host::Claim claim)
        : shared_(std::move(shared)), identity_(std::move(identity)), claim_(std::move(claim)) {}
    ~NvmeDisk() override { static_cast<void>(close()); }

    const Limits& limits() const noexcept override { return shared_.limits; }
    const Identity& identity() const noexcept override { return identity_; }

    tl::expected<std::unique_ptr<Queue>, Error> open_queue(Loop& loop,
                                                           QueueOptions options) override {
        auto queue = NvmeQueue::open(loop, shared_, options.depth);
        if (!queue) queue.error().message = identity_.path + ": " + queue.error().message;
        return queue;
    }

    tl::expected<void, Error> close() override {
        if (std::exchange(closed_, true) || shared_.limits.read_only || !shared_.volatile_cache)
            return {};
        auto& control = *shared_.control;
        const auto answer = control.send(zns::flush(control.nsid()), {});
        if (answer.value == 0) return {};
        const auto status = status_of(answer, Operation::flush);
        return tl::make_unexpected(
            Error{status.code,
                  fmt::format(
                      "{}: the written data may not be durable, because the last flush failed: {}",
                      identity_.path, words_of(answer.value)),
                  status.cause});
    }

  private:
    Shared shared_;
    Identity identity_;
    host::Claim claim_;
    bool closed_ = false;
};

tl::unexpected<Error> refuse(StatusCode code, std::string message) {
    return tl::make_unexpected(Error{code, std::move(message), {}});
}

/// The node that takes commands, whichever of the namespace's nodes `path` names.
tl::expected<host::Node, Error> generic_node(const std::string& path) {
    auto node = host::look_at(path);
    if (!node) return tl::make_unexpected(std::move(node.error()));
    if (node->partition_of)
        return refuse(
            StatusCode::unsupported,
            fmt::format("{}: is {}; NVMe commands reach only the whole namespace: give nvme:{}",
                        path, node->words, *node->partition_of));
    if (node->kind == host::Node::Kind::nvme_generic) return node;
    if (!node->nvme_generic)
        return refuse(
            StatusCode::unsupported,
            fmt::format("{}: is {}, not an NVMe namespace; nvme: takes /dev/ngXnY or /dev/nvmeXnY",
                        path, node->words));
    return host::look_at(*node->nvme_generic);
}

/// The most that the kernel takes in one command. The kernel copies memory that is not aligned for
/// PRPs into single pages, and each of those is a segment; a buffer that begins inside a page has
/// one more page.
zns::HostBounds bounds_of(const host::Node& generic) {
    constexpr std::uint64_t page = 4096;
    constexpr std::uint64_t most = std::uint64_t{1} << 20;
    constexpr std::uint32_t most_vectors = 1024;  // UIO_MAXIOV
    // Default if the kernel reports no limits: those of block devices that never set any.
    zns::HostBounds bounds{31 * page, most_vectors};
    // "nvme0n1" beside "ng0n1"; it exists, hidden, even if Linux does not support the zones.
    const auto queue = fmt::format("../nvme{}/queue/", generic.name.substr(2));
    const auto kilobytes = host::number_of(generic, queue + "max_hw_sectors_kb");
    const auto segments = host::number_of(generic, queue + "max_segments");
    if (kilobytes && *kilobytes != 0) {
        bounds.max_transfer = std::min(*kilobytes, most >> 10) << 10;
        if (segments && *segments > 1)
            bounds.max_transfer = std::min(bounds.max_transfer, (*segments - 1) * page);
    }
    return bounds;
}

/// Whether a path to the namespace is nvme-loop, whose target hands this host's pages to its block
/// device unchanged and does not check that device's alignment. A block that crosses a page
/// boundary is then corrupted: null_blk of Linux 6.12 counts pieces in sectors, writes past its own
/// memory if one is not a whole number of them, and finds zeroes after the first piece of a block.
bool goes_through_loop(const host::Node& generic) {
    if (host::attribute(generic, "../transport") == "loop") return true;
    std::error_code failed;
    const auto folder = generic.sysfs.parent_path();  // with multipathing, the subsystem
    for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const auto name = "../" + entry->path().filename().string() + "/transport";
        if (host::attribute(generic, name) == "loop") return true;
    }
    return false;
}

template <std::size_t N>
bool is_set(const std::array<std::uint8_t, N>& id) {
    return std::any_of(id.begin(), id.end(), [](auto byte) { return byte != 0; });
}

std::uint64_t unique_id(const Discovery& found, std::uint32_t nsid) {
    if (is_set(found.space.nguid))
        return XXH3_64bits(found.space.nguid.data(), found.space.nguid.size());
    if (is_set(found.space.eui64))
        return XXH3_64bits(found.space.eui64.data(), found.space.eui64.size());
    const auto text =
        fmt::format("nvme {} {} {}", found.controller.model, found.controller.serial, nsid);
    return XXH3_64bits(text.data(), text.size());
}

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                     const DeviceOptions& options) {
    const auto node = generic_node(path);
    if (!node) return tl::make_unexpected(node.error());

    host::Claim claim;
    if (options.writable) {
        auto taken = host::Claim::take_sibling(*node, options.force);
        if (!taken) return tl::make_unexpected(std::move(taken.error()));
        claim = std::move(*taken);
    }
    auto control = Control::open(node->path, options.writable);
    if (!control) return tl::make_unexpected(std::move(control.error()));
    const auto nsid = (*control)->nsid();
    auto found = discover(**control, path, bounds_of(*node));
    if (!found) return tl::make_unexpected(std::move(found.error()));
    if (options.writable && found->limits.read_only)
        return refuse(StatusCode::read_only,
                      fmt::format("{}: the namespace is write-protected; open it for reading, or "
                                  "take the protection off ('nvme set-feature -f 0x84')",
                                  path));

    auto by_ring =
        choose_path(**control, path, found->limits.logical_block_size, options.data_path);
    if (!by_ring) return tl::make_unexpected(std::move(by_ring.error()));

    Shared shared;
    shared.control = std::move(*control);
    shared.limits = std::move(found->limits);
    shared.limits.read_only = !options.writable;
    shared.volatile_cache = found->controller.volatile_cache;
    shared.by_ring = *by_ring;
    shared.whole_blocks = goes_through_loop(*node);
    shared.sysfs = node->sysfs.string();

    Identity identity;
    identity.vendor = "NVMe";
    identity.product = found->controller.model;
    identity.revision = found->controller.firmware;
    identity.serial = found->controller.serial;
    identity.path = path;
    identity.transport = "nvme";
    identity.reason = options.reason;
    identity.data_path = *by_ring ? "io_uring commands" : "ioctls (libnvme)";
    identity.unique_id = unique_id(*found, nsid);
    return std::make_unique<NvmeDisk>(std::move(shared), std::move(identity), std::move(claim));
}

}  // namespace zonebridge::nvme
