// How the end of a passed-through command is delivered to the guest.

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/unit/transports/scsi/target_port.h"
#include "transports/scsi/passthrough/deliver.h"
#include "transports/scsi/status_bytes.h"

namespace zonebridge::scsi::test {
namespace {

using zbc::Delivery;

Answer driver(std::uint16_t byte) {
    Answer answer;
    answer.driver = byte;
    return answer;
}

TEST(Deliver, TheDisksStatusIsDeliveredUnchanged) {
    for (const std::uint8_t status : {0x00, 0x02, 0x04, 0x08, 0x18, 0x28, 0x30, 0x40}) {
        zbc::TaskResult result;
        deliver(status_only(status), Direction::none, 0, result);
        EXPECT_EQ(result.delivery, Delivery::done) << +status;
        EXPECT_EQ(static_cast<std::uint8_t>(result.status), status);
        EXPECT_EQ(result.sense_length, 0);
    }
}

TEST(Deliver, SenseIsDeliveredUnchangedWithTheLengthOfTheData) {
    auto answer = check_condition(0x3, 0x11, 0x00, zbc::SenseFormat::descriptor);
    answer.sense_length = 96;  // as much as fits
    answer.sense[95] = 0xAB;
    answer.residual = 1000;
    zbc::TaskResult result;
    deliver(answer, Direction::in, 4096, result);
    EXPECT_EQ(result.delivery, Delivery::done);
    EXPECT_EQ(result.status, zbc::ScsiStatus::check_condition);
    EXPECT_EQ(result.sense_length, 96);
    EXPECT_EQ(result.sense, answer.sense);
    EXPECT_EQ(result.data_in_length, 3096u);
    EXPECT_EQ(result.data_out_length, 0u);
}

TEST(Deliver, AResidualAboveTheLengthMeansNoData) {
    auto answer = status_only(0);
    answer.residual = 5000;
    zbc::TaskResult result;
    deliver(answer, Direction::out, 4096, result);
    EXPECT_EQ(result.data_out_length, 0u);
    answer.residual = 4095;
    deliver(answer, Direction::out, 4096, result);
    EXPECT_EQ(result.data_out_length, 1u);
    EXPECT_EQ(result.data_in_length, 0u);
    deliver(answer, Direction::none, 4096, result);
    EXPECT_EQ(result.data_out_length, 0u);
}

TEST(Deliver, NoKernelErrorIsSuccess) {
    for (std::uint16_t byte = 1; byte < 256; ++byte) {
        EXPECT_NE(delivery_of(host(byte)), Delivery::done) << byte;
        zbc::TaskResult result;
        deliver(host(byte), Direction::in, 4096, result);
        EXPECT_EQ(result.data_in_length, 0u);
    }
    for (int error = 1; error < 134; ++error) EXPECT_NE(delivery_of(os(error)), Delivery::done);
    for (std::uint16_t byte = 1; byte < 8; ++byte)
        EXPECT_NE(delivery_of(driver(byte)), Delivery::done) << byte;
}

TEST(Deliver, EachKernelErrorHasItsDelivery) {
    EXPECT_EQ(delivery_of(host(host_byte::no_connect)), Delivery::gone);
    EXPECT_EQ(delivery_of(host(host_byte::bad_target)), Delivery::gone);
    EXPECT_EQ(delivery_of(host(host_byte::bus_busy)), Delivery::busy);
    EXPECT_EQ(delivery_of(host(host_byte::requeue)), Delivery::busy);
    EXPECT_EQ(delivery_of(host(host_byte::reset)), Delivery::reset);
    EXPECT_EQ(delivery_of(host(host_byte::transport_disrupted)), Delivery::transport_failure);
    EXPECT_EQ(delivery_of(host(host_byte::target_failure)), Delivery::target_failure);
    EXPECT_EQ(delivery_of(host(host_byte::time_out)), Delivery::failure);
    EXPECT_EQ(delivery_of(os(ENODEV)), Delivery::gone);
    EXPECT_EQ(delivery_of(os(ENXIO)), Delivery::gone);
    EXPECT_EQ(delivery_of(os(EAGAIN)), Delivery::busy);
    EXPECT_EQ(delivery_of(os(EPERM)), Delivery::failure);
    EXPECT_EQ(delivery_of(os(EIO)), Delivery::failure);
    EXPECT_EQ(delivery_of(driver(driver_byte::busy)), Delivery::busy);
    EXPECT_EQ(delivery_of(driver(driver_byte::time_out)), Delivery::failure);
}

TEST(Deliver, SenseWinsOverTheKernelsHostByte) {
    auto answer = check_condition(0x3, 0x11, 0x00);
    answer.host = host_byte::medium_error;
    EXPECT_EQ(delivery_of(answer), Delivery::done);
    answer.sense_length = 0;
    EXPECT_EQ(delivery_of(answer), Delivery::failure) << "without sense data the cause is unknown";
    auto reserved = status_only(0x18);
    reserved.host = 0x11;  // DID_NEXUS_FAILURE
    EXPECT_EQ(delivery_of(reserved), Delivery::done);
}

TEST(Deliver, ResetsByTheKernelAreRecognized) {
    EXPECT_TRUE(was_reset(host(host_byte::time_out)));
    EXPECT_TRUE(was_reset(host(host_byte::reset)));
    EXPECT_TRUE(was_reset(driver(driver_byte::time_out)));
    EXPECT_FALSE(was_reset(host(host_byte::requeue)));
    EXPECT_FALSE(was_reset(status_only(0)));
    EXPECT_FALSE(was_reset(check_condition(0x6, 0x29, 0x00)));
}

TEST(Deliver, AnAttentionReceivedForTheGuestIsRaisedAgain) {
    using enum zbc::Attention;
    EXPECT_EQ(taken_attention(check_condition(0x6, 0x2A, 0x09)), capacity_changed);
    EXPECT_EQ(taken_attention(check_condition(0x6, 0x2A, 0x01)), mode_changed);
    EXPECT_EQ(taken_attention(check_condition(0x6, 0x3F, 0x0E)), luns_changed);
    EXPECT_EQ(taken_attention(check_condition(0x6, 0x29, 0x00)), power_on);
    EXPECT_EQ(taken_attention(check_condition(0x6, 0x3F, 0x01)), power_on) << "microcode changed";
    EXPECT_EQ(taken_attention(check_condition(0x5, 0x24, 0x00)), std::nullopt);
    EXPECT_EQ(taken_attention(status_only(0)), std::nullopt);
}

}  // namespace
}  // namespace zonebridge::scsi::test
