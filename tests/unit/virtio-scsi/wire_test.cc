#include "virtio-scsi/wire.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace zonebridge::virtio_scsi {
namespace {

using Lun = std::array<std::uint8_t, 8>;

TEST(Wire, SingleLevelLunsAreDecoded) {
    EXPECT_EQ(decode_address(Lun{1, 0, 0x40, 0}), (Address{0, 0, false}));
    EXPECT_EQ(decode_address(Lun{1, 7, 0x41, 0x02}), (Address{7, 0x102, false}));
    EXPECT_EQ(decode_address(Lun{1, 0, 0x00, 5}), (Address{0, 5, false}));
    EXPECT_EQ(decode_address(Lun{0xC1, 1}), (Address{0, 0, true}));
    for (const auto& bad : {Lun{0, 0, 0x40, 0}, Lun{1, 0, 0x80, 0}, Lun{1, 0, 0x40, 0, 1},
                            Lun{0xC1, 2}, Lun{0xC1, 1, 1}, Lun{2, 0, 0x40, 0}})
        EXPECT_EQ(decode_address(bad), std::nullopt);
    for (const auto& address : {Address{3, 0x3FFF, false}, Address{0, 0, true}})
        EXPECT_EQ(decode_address(encode_address(address)), address);
}

TEST(Wire, RequestHeaderIsLittleEndian) {
    std::array<std::uint8_t, RequestHeader::size> bytes{};
    bytes[0] = 1;
    bytes[8] = 0x44;
    bytes[15] = 0x11;
    EXPECT_EQ(decode_request(bytes).id, 0x1100000000000044U);
    EXPECT_EQ(decode_request(bytes).lun[0], 1);
}

TEST(Wire, ResponseHeaderHasTheStandardsLayout) {
    const auto bytes = encode(ResponseHeader{
        .sense_length = 18, .residual = 0x01020304, .status = 2, .response = Response::bad_target});
    const std::array<std::uint8_t, 12> expected{18, 0, 0, 0, 4, 3, 2, 1, 0, 0, 2, 3};
    EXPECT_EQ(bytes, expected);
}

TEST(Wire, TaskManagementRequestIsDecoded) {
    std::array<std::uint8_t, TaskManagement::size> bytes{
        0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0x40, 2, 0, 0, 0, 0, 0x88, 0, 0, 0, 0, 0, 0, 0x77};
    const auto request = decode_task_management(bytes);
    EXPECT_EQ(request.function, TaskFunction::logical_unit_reset);
    EXPECT_EQ(request.lun[3], 2);
    EXPECT_EQ(request.id, 0x7700000000000088U);
    bytes[4] = 8;
    EXPECT_EQ(decode_task_management(bytes).function, std::nullopt);
}

TEST(Wire, EventHasTheStandardsLayout) {
    const auto bytes = encode(Event{Event::transport_reset, encode_address({0, 3, false}), 2});
    const std::array<std::uint8_t, 16> expected{1, 0, 0, 0, 1, 0, 0x40, 3, 0, 0, 0, 0, 2, 0, 0, 0};
    EXPECT_EQ(bytes, expected);
}

TEST(Wire, ConfigHasTheStandardsLayoutAndTwoWritableFields) {
    Config config{.num_queues = 4, .seg_max = 62};
    auto bytes = encode(config);
    const std::array<std::uint8_t, Config::size> expected{
        4, 0, 0,  0, 62, 0, 0,  0, 0xFF, 0xFF, 0, 0, 128, 0, 0,    0,    16, 0,
        0, 0, 96, 0, 0,  0, 32, 0, 0,    0,    0, 0, 255, 0, 0xFF, 0x3F, 0,  0};
    EXPECT_EQ(bytes, expected);
    bytes[0] = 9;
    bytes[20] = 200;
    bytes[24] = 16;
    EXPECT_TRUE(write_config(config, bytes));
    EXPECT_EQ(config.num_queues, 4U);
    EXPECT_EQ(config.sense_size, 200U);
    EXPECT_EQ(config.cdb_size, 16U);
    bytes[25] = 2;
    EXPECT_FALSE(write_config(config, bytes));
    EXPECT_EQ(config.cdb_size, 16U);
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
