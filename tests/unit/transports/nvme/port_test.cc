#include "transports/nvme/port.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace zonebridge::nvme {
namespace {

TEST(NvmeStatus, ResultsAreAnErrnoOrTheStatusField) {
    EXPECT_EQ(status_of({0, 7}, Operation::write), Status{});
    EXPECT_EQ(status_of({0x41BC, 0}, Operation::write),
              (Status{StatusCode::unaligned_write, {NativeCause::Source::nvme_status, 0x1BC}}));
    EXPECT_EQ(status_of({0x1B8, 0}, Operation::read).code, StatusCode::read_crosses_boundary);
    for (const int gone : {ENODEV, ENXIO})
        EXPECT_EQ(status_of({-gone, 0}, Operation::read),
                  (Status{StatusCode::device_gone, NativeCause::os_error(gone)}));
    for (const int failure : {EIO, EINTR, EINVAL, EACCES, ETIME})
        EXPECT_EQ(status_of({-failure, 0}, Operation::read),
                  (Status{StatusCode::io_error, NativeCause::os_error(failure)}));
}

TEST(NvmeStatus, AMissingPrivilegeIsNamed) {
    EXPECT_NE(words_of(-EACCES).find("CAP_SYS_ADMIN"), std::string::npos);
    EXPECT_EQ(words_of(0x4001), "Invalid Command Opcode (NVMe status 0/01)");
    EXPECT_EQ(words_of(0x7C0), "NVMe status 7/c0");
    EXPECT_NE(words_of(-EIO).find("EIO"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::nvme
