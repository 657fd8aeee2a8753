#include "transports/scsi/route.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "transports/host/node.h"
#include "transports/scsi/answer.h"
#include "transports/scsi/bsg_ring.h"

namespace zonebridge::scsi {
namespace {

constexpr std::uint32_t most_segments = 1024;  // UIO_MAXIOV

tl::unexpected<Error> refuse(StatusCode code, std::string message) {
    return tl::unexpected(Error{code, std::move(message), {}});
}

tl::unexpected<Error> cannot_open(const std::string& path, int error) {
    auto failure = os_failure(error, path);
    if (error == EACCES || error == EPERM)
        failure.message +=
            "; the user needs the right to read the device and, for changes, to write it";
    return tl::unexpected(std::move(failure));
}

tl::expected<host::Node, Error> find_node(const std::string& path) {
    auto node = host::look_at(path);
    if (!node) return node;
    if (node->partition_of)
        return refuse(
            StatusCode::unsupported,
            fmt::format("{}: is a partition; name the whole disk, {}", path, *node->partition_of));
    if (!is_scsi(*node))
        return refuse(
            StatusCode::unsupported,
            fmt::format(
                "{}: is {}, not a SCSI disk; scsi: takes /dev/sgX, /dev/bsg/H:C:T:L or /dev/sdX",
                path, node->words));
    return node;
}

/// Opens the best node for data.
tl::expected<void, Error> choose_data_node(const host::Node& node, Route& route) {
    for (auto& candidate : data_nodes(node)) {
        auto opened = open_node(candidate.path, route.writable);
        if (!opened) continue;  // its permissions may differ from those of the named node
        if (candidate.kind == DataPort::Kind::block) route.block_node = std::move(*opened);
        route.data = std::move(candidate);
        return {};
    }
    return refuse(StatusCode::io_error,
                  fmt::format("{}: none of the disk's nodes can be opened for data", node.path));
}

/// Whether commands go through the ring, if `wanted` allows either.
tl::expected<void, Error> choose_ring(const host::Node& node, DataPath wanted, Route& route) {
    if (wanted == DataPath::ioctl) return {};
    std::string missing = "the disk has no bsg node";
    if (node.bsg) {
        auto opened = open_node(*node.bsg, route.writable);
        if (opened) {
            const auto works = probe_bsg_ring(opened->get());
            if (works) {
                route.bsg_ring = std::move(*opened);
                return {};
            }
            missing = works.error();
        } else {
            missing = fmt::format("{} can't be opened: {}", *node.bsg,
                                  to_string(NativeCause::os_error(opened.error())));
        }
    }
    if (wanted == DataPath::any) return {};
    return refuse(
        StatusCode::unsupported,
        fmt::format(
            "{}: can't be driven by io_uring: {}; give no data path, or the data path ioctl",
            node.path, missing));
}

std::string words_for(const Route& route, const DiskFacts& disk) {
    std::string sg_io;
    switch (route.data.kind) {
        case DataPort::Kind::block:
            sg_io = fmt::format("SG_IO on {}, without a copy", route.data.path);
            break;
        case DataPort::Kind::sg:
            sg_io = fmt::format("SG_IO on {}, copied by the kernel", route.data.path);
            break;
        case DataPort::Kind::bsg:
            sg_io = fmt::format("SG_IO on {}, scattered buffers copied", route.data.path);
            break;
    }
    if (!route.bsg_ring) return fmt::format("{}, {}", disk.words, sg_io);
    return fmt::format("{}, io_uring commands for flat buffers, for scattered ones {}", disk.words,
                       sg_io);
}

}  // namespace

tl::unexpected<Error> cannot_open_again(const std::string& path, int error) {
    return tl::unexpected(os_failure(error, fmt::format("{}: can't be opened again", path)));
}

tl::expected<FoundDisk, Error> find_disk(const std::string& path, const DeviceOptions& options,
                                         FindZac find_zac) {
    const auto node = find_node(path);
    if (!node) return tl::unexpected(node.error());

    Route route;
    route.control = path;
    route.writable = options.writable;
    if (options.writable) {
        auto claim = host::Claim::take_sibling(*node, options.force);
        if (!claim) return tl::unexpected(std::move(claim.error()));
        route.claim = std::move(*claim);
    }
    auto control = open_node(path, options.writable);
    if (!control) return cannot_open(path, control.error());
    route.control_node = std::move(*control);
    route.limits = host_limits(*node);

    ControlPort port(route.control_node.get());
    auto disk = discover(port, path,
                         {.host_max_transfer = route.limits.max_transfer,
                          .max_segments = most_segments,
                          .find_zac = find_zac});
    if (!disk) return tl::unexpected(std::move(disk.error()));
    if (options.writable && disk->limits.read_only)
        return refuse(
            StatusCode::read_only,
            fmt::format("{}: the disk is write-protected; it can be opened only for reading",
                        path));
    if (auto chosen = choose_data_node(*node, route); !chosen)
        return tl::unexpected(std::move(chosen.error()));
    if (auto chosen = choose_ring(*node, options.data_path, route); !chosen)
        return tl::unexpected(std::move(chosen.error()));

    disk->limits.read_only = !options.writable;
    auto& identity = disk->identity;
    identity.path = path;
    identity.transport = "scsi";
    identity.reason = options.reason;
    identity.data_path = words_for(route, *disk);
    return FoundDisk{std::move(*disk), std::move(route)};
}

tl::expected<DataWay, Error> open_data_way(const Route& route, const DiskFacts& disk, Loop& loop,
                                           std::size_t threads) {
    DataWay way;
    if (route.bsg_ring) {
        if (Ring::of(loop) == nullptr)
            return refuse(StatusCode::unsupported,
                          fmt::format("{}: SCSI commands in io_uring need a loop on io_uring",
                                      disk.identity.path));
        way.bsg_ring = route.bsg_ring->get();
    }
    auto fd = route.block_node.get();
    if (!route.block_node) {
        auto node = open_node(route.data.path, route.writable);
        if (!node) return cannot_open_again(route.data.path, node.error());
        way.node = std::move(*node);
        fd = way.node.get();
    }
    auto port = DataPort::make(fd, route.data.kind, route.limits.max_pages,
                               disk.limits.max_transfer, threads);
    if (!port) return tl::unexpected(std::move(port.error()));
    way.port = std::move(*port);
    return way;
}

tl::expected<void, Error> empty_cache(const Route& route, const DiskFacts& disk) {
    if (!route.writable) return {};
    ControlPort port(route.control_node.get());
    const auto call = disk.dialect->flush();
    const auto answer = send(port, {.cdb = call.cdb(), .timeout_ms = call.timeout_ms});
    const auto status = disk.dialect->judge(answer, Operation::flush, 0);
    // A disk without a cache need not support the command.
    if (status.ok() || status.code == StatusCode::unsupported) return {};
    return tl::unexpected(Error{status.code,
                                fmt::format("{}: flushing the disk's write cache failed: {}",
                                            disk.identity.path, describe(answer)),
                                status.cause});
}

}  // namespace zonebridge::scsi
