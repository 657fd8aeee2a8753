#include "service/guest_device.h"

#include <utility>
#include <vector>

#include "service/blk_backend.h"
#include "service/scsi_backend.h"

namespace zonebridge::service {

unsigned most_workers(GuestDeviceKind kind, std::uint16_t queues) noexcept {
    switch (kind) {
        case GuestDeviceKind::scsi:
            return 1;
        case GuestDeviceKind::blk:
            return queues;
    }
    return 1;
}

tl::expected<std::unique_ptr<virtio::Backend>, Error> make_guest_device(
    GuestDeviceKind kind, std::span<const NumberedDisk> disks, const Workers& workers,
    std::uint16_t queues) {
    switch (kind) {
        case GuestDeviceKind::scsi: {
            std::vector<virtio_scsi::Unit> units;
            for (const auto& [lun, disk] : disks) units.push_back({lun, &disk->unit()});
            return ScsiBackend::open(workers, std::move(units), queues);
        }
        case GuestDeviceKind::blk:
            return BlkBackend::open(workers, disks.front().disk->transport(), queues);
    }
    return tl::unexpected(Error{StatusCode::unsupported, "no such guest device", {}});
}

}  // namespace zonebridge::service
