// Answers of the disk and the kernel: the status, whether to retry, and the text.

#include "transports/scsi/answer.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/target_port.h"

namespace zonebridge::scsi::test {
namespace {

TEST(Answer, BothSenseFormatsGiveTheSameStatus) {
    for (const auto format : {zbc::SenseFormat::fixed, zbc::SenseFormat::descriptor}) {
        const auto answer = check_condition(5, 0x21, 0x04, format);
        const auto status = judge(answer, Operation::write, 4096);
        EXPECT_EQ(status.code, StatusCode::unaligned_write);
        EXPECT_EQ(to_string(status.cause), "sense 5/21/04");
    }
}

TEST(Answer, KernelErrorsOfAGoneDiskDifferFromOtherFailures) {
    EXPECT_EQ(judge(host(0x01), Operation::read, 512).code, StatusCode::device_gone);
    EXPECT_EQ(judge(host(0x04), Operation::read, 512).code, StatusCode::device_gone);
    EXPECT_EQ(judge(os(ENODEV), Operation::read, 512).code, StatusCode::device_gone);
    EXPECT_EQ(judge(os(ENXIO), Operation::write, 512).code, StatusCode::device_gone);
    EXPECT_EQ(judge(host(0x03), Operation::read, 512),
              (Status{StatusCode::io_error, NativeCause::os_error(ETIMEDOUT)}));
    EXPECT_EQ(judge(host(0x07), Operation::read, 512).code, StatusCode::io_error);
    EXPECT_EQ(judge(os(EIO), Operation::read, 512).code, StatusCode::io_error);
}

TEST(Answer, AShortTransferIsAnError) {
    Answer answer;
    answer.residual = 512;
    EXPECT_EQ(judge(answer, Operation::read, 4096).code, StatusCode::io_error);
    EXPECT_TRUE(judge(answer, Operation::report, 0).ok()) << "a report may be short";
    answer.residual = 0;
    EXPECT_TRUE(judge(answer, Operation::read, 4096).ok());
}

TEST(Answer, RecoveredErrorsAreSuccess) {
    EXPECT_TRUE(judge(check_condition(1, 0x17, 0x01), Operation::read, 512).ok());
    auto nothing = check_condition(5, 0x24, 0);
    nothing.sense_length = 0;
    EXPECT_EQ(judge(nothing, Operation::read, 512).code, StatusCode::io_error)
        << "an error without sense data";
}

TEST(Answer, OtherStatusesAreErrors) {
    for (const std::uint8_t status : {0x08, 0x18, 0x28, 0x30, 0x40, 0x7E})
        EXPECT_EQ(judge(status_only(status), Operation::write, 512).code, StatusCode::io_error);
    EXPECT_TRUE(judge(status_only(0x04), Operation::read, 512).ok()) << "condition met";
}

TEST(Answer, OnlyCommandsThatWereNotCarriedOutAreRetried) {
    EXPECT_EQ(retry_of(check_condition(6, 0x29, 0x00)), Retry::now);
    EXPECT_EQ(retry_of(status_only(0x08)), Retry::later);
    EXPECT_EQ(retry_of(status_only(0x28)), Retry::later);
    EXPECT_EQ(retry_of(check_condition(2, 0x04, 0x01)), Retry::later);
    EXPECT_EQ(retry_of(host(0x0C)), Retry::later);
    for (const auto& answer :
         {Answer(), check_condition(2, 0x04, 0x02), check_condition(3, 0x11, 0),
          check_condition(5, 0x21, 0x04), check_condition(0xB, 0x47, 0x03), status_only(0x18),
          host(0x01), host(0x03), os(EIO), os(EINTR), os(ENODEV)})
        EXPECT_EQ(retry_of(answer), Retry::no) << describe(answer);
}

TEST(Answer, TheTextSaysWhatHappened) {
    EXPECT_EQ(describe(check_condition(7, 0x27, 0x00)),
              "Data Protect, Write protected (sense 7/27/00)");
    EXPECT_EQ(describe(check_condition(5, 0x21, 0x04)),
              "Illegal Request, Unaligned write command (sense 5/21/04)");
    EXPECT_NE(describe(check_condition(5, 0xB0, 0xB1)).find("sense 5/B0/B1"), std::string::npos);
    EXPECT_NE(describe(host(0x01)).find("no connection to the disk"), std::string::npos);
    EXPECT_NE(describe(host(0xFFFF)).find("FFFFh"), std::string::npos);
    EXPECT_NE(describe(status_only(0x18)).find("reserved by another host"), std::string::npos);
    EXPECT_NE(describe(os(EIO)).find("EIO"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::scsi::test
