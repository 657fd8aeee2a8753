#include "transports/block/disk.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace zonebridge::block {
namespace {

struct Row {
    const char* name;  // in the kernel's blk_errors (block/blk-core.c), or another source
    int error;
    StatusCode code;
};

TEST(BlockErrors, EveryEntryOfTheKernelsTableHasItsCode) {
    const Row rows[]{
        {"BLK_STS_NOTSUPP", EOPNOTSUPP, StatusCode::unsupported},
        {"BLK_STS_TIMEOUT", ETIMEDOUT, StatusCode::io_error},
        {"BLK_STS_NOSPC", ENOSPC, StatusCode::no_space},
        {"BLK_STS_TRANSPORT", ENOLINK, StatusCode::io_error},
        {"BLK_STS_TARGET", EREMOTEIO, StatusCode::io_error},
        {"BLK_STS_RESV_CONFLICT", EBADE, StatusCode::io_error},
        {"BLK_STS_MEDIUM", ENODATA, StatusCode::media_error},
        {"BLK_STS_PROTECTION", EILSEQ, StatusCode::media_error},
        {"BLK_STS_RESOURCE", ENOMEM, StatusCode::io_error},
        {"BLK_STS_DEV_RESOURCE", EBUSY, StatusCode::io_error},
        {"BLK_STS_AGAIN", EAGAIN, StatusCode::io_error},
        {"BLK_STS_OFFLINE", ENODEV, StatusCode::device_gone},
        {"BLK_STS_DM_REQUEUE", EREMCHG, StatusCode::io_error},
        {"BLK_STS_ZONE_OPEN_RESOURCE", ETOOMANYREFS, StatusCode::too_many_open},
        {"BLK_STS_ZONE_ACTIVE_RESOURCE", EOVERFLOW, StatusCode::too_many_active},
        {"BLK_STS_DURATION_LIMIT", ETIME, StatusCode::io_error},
        {"BLK_STS_INVAL", EINVAL, StatusCode::invalid_request},
        {"BLK_STS_IOERR", EIO, StatusCode::io_error},
        {"a disk made read-only", EPERM, StatusCode::read_only},
        {"a read-only file system", EROFS, StatusCode::read_only},
        {"a missing driver", ENXIO, StatusCode::device_gone},
        {"a missing medium", ENOMEDIUM, StatusCode::device_gone},
        {"an ioctl that the device lacks", ENOTTY, StatusCode::unsupported},
        {"a full quota", EDQUOT, StatusCode::no_space},
    };
    for (const auto& row : rows) EXPECT_EQ(code_of(row.error), row.code) << row.name;
}

}  // namespace
}  // namespace zonebridge::block
