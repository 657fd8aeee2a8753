#include "service/disk.h"

#include <utility>

#include <fmt/format.h>

#include "layers/trace/trace.h"
#include "service/log.h"
#include "transports/host/node.h"
#include "transports/open.h"
#include "transports/scsi/connection.h"
#include "zbc/target.h"

namespace zonebridge::service {
namespace {

/// The path of a SCSI disk to pass through; nothing for any other disk.
std::optional<std::string> path_to_pass(const std::string& name, const DiskOptions& options) {
    if (options.kind != GuestDeviceKind::scsi || options.translate) return std::nullopt;
    const auto parsed = parse_device_name(name);
    if (!parsed) return std::nullopt;  // opening it will report the error
    if (parsed->kind == DeviceName::Kind::scsi) return parsed->path;
    if (parsed->kind != DeviceName::Kind::path) return std::nullopt;
    const auto node = host::look_at(parsed->path);
    if (!node || node->partition_of || !scsi::is_scsi(*node)) return std::nullopt;
    return parsed->path;
}

}  // namespace

tl::expected<std::unique_ptr<GuestDisk>, Error> GuestDisk::open(const std::string& name,
                                                                const DiskOptions& options) {
    auto disk = std::make_unique<GuestDisk>(Private{});
    disk->refusals_ = options.refusals;
    const auto path = path_to_pass(name, options);
    if (path && !options.faults.empty())
        return tl::unexpected(
            Error{StatusCode::unsupported,
                  fmt::format("{}: --fault can't act on a SCSI disk that is passed through to the "
                              "guest: give --translate as well",
                              *path),
                  {}});
    if (path) {
        auto passed = scsi::open_passthrough(*path, {.read_only = options.read_only,
                                                     .force = options.force,
                                                     .data_path = options.data_path,
                                                     .allow = options.allow,
                                                     .refusals = options.refusals,
                                                     .log = log_line});
        if (!passed) return tl::unexpected(std::move(passed.error()));
        disk->passed_ = std::move(*passed);
        if (options.refusals != nullptr) options.refusals->knows(disk->limits());
        return disk;
    }
    auto transport = open_device(name, {.writable = !options.read_only,
                                        .force = options.force,
                                        .accept_loss = options.accept_loss,
                                        .data_path = options.data_path});
    if (!transport) return tl::unexpected(std::move(transport.error()));
    transport = fault::inject(std::move(*transport), options.faults, options.observer);
    if (!transport) return tl::unexpected(std::move(transport.error()));
    disk->transport_ = std::move(*transport);
    if (options.refusals != nullptr) {
        options.refusals->knows(disk->limits());
        // Above the fault layer, so that injected refusals are explained as well.
        disk->transport_ = trace_refusals(std::move(disk->transport_), *options.refusals);
    }
    if (options.kind == GuestDeviceKind::scsi) {
        zbc::UnitOptions unit;
        unit.read_only = options.read_only;
        // Beside zoned disks a server may have ordinary ones.
        if (disk->limits().model == Model::host_managed)
            unit.reads_past_pointer = options.reads_past_pointer;
        else if (options.reads_past_pointer)
            log("{}: --urswrz is for host-managed disks, and has no effect on this one", name);
        unit.refusals = options.refusals;
        auto target = zbc::make_target(*disk->transport_, unit);
        if (!target) return tl::unexpected(std::move(target.error()));
        disk->target_ = std::move(*target);
    }
    return disk;
}

const Limits& GuestDisk::limits() const noexcept {
    return passed_ ? passed_->limits() : transport_->limits();
}

const Identity& GuestDisk::identity() const noexcept {
    return passed_ ? passed_->identity() : transport_->identity();
}

zbc::LogicalUnit& GuestDisk::unit() noexcept {
    if (passed_) return *passed_;
    return *target_;
}

tl::expected<void, Error> GuestDisk::close() {
    return passed_ ? passed_->close() : transport_->close();
}

}  // namespace zonebridge::service
