#include "service/scsi_backend.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "virtio/ring.h"

namespace zonebridge::service {

using virtio_scsi::Config;
using virtio_scsi::Controller;
using virtio_scsi::TransportReset;

namespace {

Controller& controller(virtio::Device& device) {
    return static_cast<Controller&>(device);
}

Error refusal(std::string message) {
    return {StatusCode::invalid_request, std::move(message), {}};
}

}  // namespace

ScsiBackend::ScsiBackend(Private, std::span<const std::unique_ptr<Worker>> workers,
                         std::vector<virtio_scsi::Unit> units)
    : DeviceBackend(workers), units_(std::move(units)) {}

tl::expected<std::unique_ptr<ScsiBackend>, Error> ScsiBackend::open(
    std::span<const std::unique_ptr<Worker>> workers, std::vector<virtio_scsi::Unit> units,
    std::uint16_t request_queues) {
    auto backend = std::make_unique<ScsiBackend>(Private{}, workers, std::move(units));
    auto& config = backend->config_;
    config.num_queues = request_queues;
    for (const auto& unit : backend->units_) {
        const auto [max_transfer, max_segments] = unit.logical_unit->transfer_limits();
        config.seg_max = std::min(config.seg_max, max_segments);
        config.max_sectors = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(config.max_sectors, max_transfer / 512));
    }
    auto opened = backend->DeviceBackend::open(
        [&](Loop& loop) -> tl::expected<std::unique_ptr<virtio::Device>, Error> {
            return Controller::open(loop, backend->units_);
        });
    if (!opened) return tl::unexpected(opened.error());
    backend->join_controllers();
    return backend;
}

void ScsiBackend::join_controllers() {
    std::vector<Controller*> all;
    with_each_device([&](virtio::Device& device) { all.push_back(&controller(device)); });
    with_devices([&](virtio::Device& device) { controller(device).join(all); });
}

std::uint64_t ScsiBackend::features() const noexcept {
    return virtio_scsi::feature_hotplug | virtio_scsi::feature_change |
           virtio::feature::indirect_descriptors | virtio::feature::event_index |
           virtio::feature::version_1;
}

tl::expected<void, std::string> ScsiBackend::set_features(std::uint64_t features) {
    if (auto common = DeviceBackend::set_features(features); !common) return common;
    with_devices([&](virtio::Device& device) { controller(device).set_features(features); });
    const std::lock_guard guard(units_lock_);
    hears_of_units_ = (features & virtio_scsi::feature_hotplug) != 0;
    return {};
}

void ScsiBackend::read_config(std::uint32_t offset, std::span<std::byte> out) noexcept {
    const auto bytes = virtio_scsi::encode(config_);
    copy_config(std::as_bytes(std::span(bytes)), offset, out);
}

bool ScsiBackend::write_config(std::uint32_t offset, std::span<const std::byte> in,
                               bool /*migration*/) noexcept {
    auto bytes = virtio_scsi::encode(config_);
    if (offset < bytes.size())
        std::memcpy(bytes.data() + offset, in.data(), std::min(in.size(), bytes.size() - offset));
    if (!virtio_scsi::write_config(config_, bytes)) return false;
    apply_sizes();
    return true;
}

void ScsiBackend::reset_device(virtio::ResetCause cause) {
    // A guest that was only paused keeps its sizes and mode pages, and learns that it missed
    // events.
    if (cause == virtio::ResetCause::status) return;
    config_.cdb_size = Config::default_cdb_size;
    config_.sense_size = Config::default_sense_size;
    apply_sizes();
    with_devices([](virtio::Device& device) {
        controller(device).set_features(0);
        controller(device).forget_missed_events();
    });
    const std::lock_guard guard(units_lock_);
    hears_of_units_ = false;
    for (const auto& unit : units_) unit.logical_unit->reset();
}

void ScsiBackend::continue_guest() {
    const std::lock_guard guard(units_lock_);
    for (const auto& unit : units_) unit.logical_unit->continue_initiator();
}

void ScsiBackend::apply_sizes() {
    with_devices([&](virtio::Device& device) {
        controller(device).set_sizes(config_.cdb_size, config_.sense_size);
    });
}

tl::expected<void, Error> ScsiBackend::check(const virtio_scsi::Unit& unit) const {
    if (unit.lun >= virtio_scsi::max_luns)
        return tl::unexpected(refusal(fmt::format("LUN {}: the number must be from 0 to {}",
                                                  unit.lun, virtio_scsi::max_luns - 1)));
    if (find(unit.lun) != nullptr)
        return tl::unexpected(refusal(fmt::format(
            "LUN {} is taken: use another number, or remove the disk that has it", unit.lun)));
    if (std::any_of(leaving_.begin(), leaving_.end(),
                    [&](const auto& leaving) { return leaving.lun == unit.lun; }))
        return tl::unexpected(refusal(fmt::format(
            "LUN {} is not free yet: the disk that was removed from it still holds commands",
            unit.lun)));
    const auto segments = unit.logical_unit->transfer_limits().max_segments;
    if (segments < config_.seg_max)
        return tl::unexpected(refusal(
            fmt::format("LUN {}: the guest was promised {} buffers per command when it started, "
                        "and this disk takes {} at most: give this disk to 'serve' when the server "
                        "starts, or serve it with a server of its own",
                        unit.lun, config_.seg_max, segments)));
    return {};
}

tl::expected<void, Error> ScsiBackend::add(const virtio_scsi::Unit& unit) {
    const std::lock_guard guard(units_lock_);
    if (auto good = check(unit); !good) return good;
    // All or none: no command may reach the unit on one worker before the other workers can take
    // commands.
    tl::expected<void, Error> prepared;
    with_each_device([&](virtio::Device& device) {
        if (prepared) prepared = controller(device).prepare_unit(unit);
    });
    if (!prepared) {
        with_each_device([](virtio::Device& device) { controller(device).abandon_unit(); });
        return prepared;
    }
    with_devices([](virtio::Device& device) { controller(device).commit_unit(); });
    units_.push_back(unit);
    raise_luns_changed(unit.lun);
    report(virtio_scsi::transport_reset(unit.lun, TransportReset::rescan));
    return {};
}

void ScsiBackend::announce_removal(std::uint16_t lun) {
    const std::lock_guard guard(units_lock_);
    if (find(lun) != nullptr) report(virtio_scsi::transport_reset(lun, TransportReset::removed));
}

Removed ScsiBackend::remove(std::uint16_t lun, std::chrono::milliseconds limit) {
    const auto drained = retire(lun);
    if (!drained) return Removed::absent;
    if (!drained->wait_until(std::chrono::steady_clock::now() + limit))
        return Removed::in_use_still;
    with_each_device([&](virtio::Device& device) { controller(device).forget_unit(lun); });
    const std::lock_guard guard(units_lock_);
    std::erase_if(leaving_, [&](const auto& leaving) { return leaving.lun == lun; });
    return Removed::gone;
}

std::optional<Answers<Done>> ScsiBackend::retire(std::uint16_t lun) {
    const std::lock_guard guard(units_lock_);
    for (const auto& leaving : leaving_)
        if (leaving.lun == lun) return leaving.drained;
    if (find(lun) == nullptr) return std::nullopt;
    std::erase_if(units_, [&](const auto& unit) { return unit.lun == lun; });
    // Ask all workers before waiting for any, so that they drain in parallel.
    const Answers<Done> drained(worker_count());
    with_each_device([&](virtio::Device& device) {
        controller(device).retire_unit(lun, [drained] { drained.give({}); });
    });
    leaving_.push_back({lun, drained});
    raise_luns_changed(lun);
    return drained;
}

void ScsiBackend::changed(std::uint16_t lun, zbc::Attention what) {
    const std::lock_guard guard(units_lock_);
    const auto* const unit = find(lun);
    if (unit == nullptr) return;
    unit->logical_unit->raise(what);
    switch (what) {
        case zbc::Attention::capacity_changed:
        case zbc::Attention::mode_changed:
        case zbc::Attention::inquiry_changed:
            report(virtio_scsi::parameter_change(lun, zbc::unit_attention(what)));
            break;
        case zbc::Attention::power_on:
        case zbc::Attention::luns_changed:
            break;  // not a parameter of the unit
    }
}

const virtio_scsi::Unit* ScsiBackend::find(std::uint16_t lun) const noexcept {
    const auto found = std::find_if(units_.begin(), units_.end(),
                                    [&](const auto& unit) { return unit.lun == lun; });
    return found == units_.end() ? nullptr : &*found;
}

void ScsiBackend::raise_luns_changed(std::uint16_t but) {
    // Linux fails a REPORT ZONES that meets a unit attention, and the operation that needed the
    // report, on a disk that has not changed. A driver that gets events needs no unit attention.
    if (hears_of_units_) return;
    for (const auto& unit : units_)
        if (unit.lun != but) unit.logical_unit->raise(zbc::Attention::luns_changed);
}

void ScsiBackend::report(const virtio_scsi::Event& event) {
    with_device_of(virtio_scsi::event_queue,
                   [&](virtio::Device& device) { controller(device).report(event); });
}

}  // namespace zonebridge::service
