#include "transports/block/errors.h"

#include <cerrno>

namespace zonebridge::block {

StatusCode code_of(int error) noexcept {
    switch (error) {
        case ETOOMANYREFS:  // BLK_STS_ZONE_OPEN_RESOURCE
            return StatusCode::too_many_open;
        case EOVERFLOW:  // BLK_STS_ZONE_ACTIVE_RESOURCE
            return StatusCode::too_many_active;
        case ENODATA:  // BLK_STS_MEDIUM
        case EILSEQ:   // BLK_STS_PROTECTION: the data read is not the data written
            return StatusCode::media_error;
        case EOPNOTSUPP:  // BLK_STS_NOTSUPP
        case ENOTTY:      // an ioctl that this device lacks
            return StatusCode::unsupported;
        case EINVAL:  // BLK_STS_INVAL
            return StatusCode::invalid_request;
        case ENOMEDIUM:
            return StatusCode::device_gone;
        case EPERM:  // a device made read-only after it was opened
            return StatusCode::read_only;
        default:
            // status_of_errno() handles ENOSPC (BLK_STS_NOSPC), ENODEV (BLK_STS_OFFLINE), ENXIO and
            // EROFS. The rest is io_error: EIO, ETIMEDOUT (BLK_STS_TIMEOUT), ETIME
            // (BLK_STS_DURATION_LIMIT), ENOLINK (BLK_STS_TRANSPORT), EREMOTEIO (BLK_STS_TARGET),
            // EBADE (BLK_STS_RESV_CONFLICT), ENOMEM (BLK_STS_RESOURCE), EBUSY
            // (BLK_STS_DEV_RESOURCE), EAGAIN (BLK_STS_AGAIN), EREMCHG (BLK_STS_DM_REQUEUE).
            return status_of_errno(error);
    }
}

}  // namespace zonebridge::block
