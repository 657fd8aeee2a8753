#include "service/guest_device.h"

#include <utility>
#include <vector>

#include "service/blk_backend.h"
#include "service/scsi_backend.h"

namespace zonebridge::service {

virtio_scsi::Unit unit_of(const NumberedDisk& numbered) noexcept {
    return {numbered.lun, numbered.unit, numbered.disk->passed_through()};
}

tl::expected<GuestDevice, Error> make_guest_device(GuestDeviceKind kind,
                                                   std::span<const NumberedDisk> disks,
                                                   const Workers& workers, std::uint16_t queues) {
    switch (kind) {
        case GuestDeviceKind::scsi: {
            std::vector<virtio_scsi::Unit> units;
            for (const auto& disk : disks) units.push_back(unit_of(disk));
            auto backend = ScsiBackend::open(workers, std::move(units), queues);
            if (!backend) return tl::unexpected(std::move(backend.error()));
            auto* const running = backend->get();
            return GuestDevice{std::move(*backend), running, [running](std::uint16_t lun) {
                                   running->changed(lun, zbc::Attention::capacity_changed);
                               }};
        }
        case GuestDeviceKind::blk: {
            auto& disk = *disks.front().disk;
            auto backend = BlkBackend::open(workers, disk.transport(), queues, disk.refusals());
            if (!backend) return tl::unexpected(std::move(backend.error()));
            auto* const running = backend->get();
            return GuestDevice{std::move(*backend), nullptr,
                               [running](std::uint16_t) { running->disk_resized(); }};
        }
    }
    return tl::unexpected(Error{StatusCode::unsupported, "no such guest device", {}});
}

}  // namespace zonebridge::service
