#include "service/guest_device.h"

#include <utility>

#include "service/blk_backend.h"
#include "service/scsi_backend.h"
#include "zbc/target.h"

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

tl::expected<GuestDevice, Error> make_guest_device(GuestDeviceKind kind, Transport& disk,
                                                   const Workers& workers,
                                                   const GuestDeviceOptions& options) {
    const auto& limits = disk.limits();
    GuestDevice made;
    switch (kind) {
        case GuestDeviceKind::scsi: {
            zbc::UnitOptions unit;
            unit.read_only = options.read_only;
            auto target = zbc::make_target(disk, unit);
            if (!target) return tl::unexpected(target.error());
            auto backend =
                ScsiBackend::open(workers, {{.lun = 0, .logical_unit = target->get()}},
                                  limits.max_transfer, limits.max_segments, options.queues);
            if (!backend) return tl::unexpected(backend.error());
            made.unit = std::move(*target);
            made.backend = std::move(*backend);
            return made;
        }
        case GuestDeviceKind::blk: {
            auto backend = BlkBackend::open(workers, disk, options.queues);
            if (!backend) return tl::unexpected(backend.error());
            made.backend = std::move(*backend);
            return made;
        }
    }
    return made;
}

}  // namespace zonebridge::service
