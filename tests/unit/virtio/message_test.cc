#include "virtio/vhost_user/message.h"

#include <gtest/gtest.h>

#include "tests/driver/connection.h"

namespace zonebridge::virtio {
namespace {

using driver::Bytes;
using driver::pack;

TEST(Message, KnowsTheRequestsOfTheProtocolByNumberAndName) {
    const std::pair<std::uint32_t, const char*> expected[] = {
        {1, "GET_FEATURES"},
        {2, "SET_FEATURES"},
        {3, "SET_OWNER"},
        {4, "RESET_OWNER"},
        {5, "SET_MEM_TABLE"},
        {6, "SET_LOG_BASE"},
        {7, "SET_LOG_FD"},
        {8, "SET_VRING_NUM"},
        {9, "SET_VRING_ADDR"},
        {10, "SET_VRING_BASE"},
        {11, "GET_VRING_BASE"},
        {12, "SET_VRING_KICK"},
        {13, "SET_VRING_CALL"},
        {14, "SET_VRING_ERR"},
        {15, "GET_PROTOCOL_FEATURES"},
        {16, "SET_PROTOCOL_FEATURES"},
        {17, "GET_QUEUE_NUM"},
        {18, "SET_VRING_ENABLE"},
        {21, "SET_BACKEND_REQ_FD"},
        {24, "GET_CONFIG"},
        {25, "SET_CONFIG"},
        {31, "GET_INFLIGHT_FD"},
        {32, "SET_INFLIGHT_FD"},
        {34, "RESET_DEVICE"},
        {36, "GET_MAX_MEM_SLOTS"},
        {37, "ADD_MEM_REG"},
        {38, "REM_MEM_REG"},
        {39, "SET_STATUS"},
        {40, "GET_STATUS"},
    };
    std::size_t known = 0;
    for (std::uint32_t number = 0; number < 1000; ++number) known += parse_request(number) ? 1 : 0;
    EXPECT_EQ(known, std::size(expected));
    for (const auto& [number, name] : expected) {
        ASSERT_TRUE(parse_request(number)) << number;
        EXPECT_EQ(to_string(*parse_request(number)), name);
    }
}

TEST(Message, FixedPayloadsMustHaveTheirExactSize) {
    EXPECT_EQ(parse<std::uint64_t>(pack(std::uint64_t{42})), 42u);
    EXPECT_FALSE(parse<std::uint64_t>(pack(std::uint32_t{42})));
    EXPECT_FALSE(parse<std::uint64_t>(pack(std::uint64_t{42}, std::uint8_t{0})));
    EXPECT_FALSE(parse<VringState>(Bytes{}));
}

TEST(Message, AVringAddressIsDecodedInTheProtocolsOrder) {
    const auto address =
        parse<VringAddress>(pack(std::uint32_t{3}, std::uint32_t{1}, std::uint64_t{0x10},
                                 std::uint64_t{0x20}, std::uint64_t{0x30}, std::uint64_t{0x40}));
    ASSERT_TRUE(address);
    EXPECT_EQ(address->index, 3u);
    EXPECT_EQ(address->flags, VringAddress::flag_log);
    EXPECT_EQ(address->descriptors, 0x10u);
    EXPECT_EQ(address->used, 0x20u);
    EXPECT_EQ(address->available, 0x30u);
    EXPECT_EQ(address->log, 0x40u);
}

TEST(Message, AMemoryTableMayHaveRoomForUnusedRegions) {
    Bytes bytes = pack(std::uint32_t{1}, std::uint32_t{0}, std::uint64_t{1}, std::uint64_t{2},
                       std::uint64_t{3}, std::uint64_t{4});
    auto regions = parse_memory_table(bytes);
    ASSERT_TRUE(regions);
    ASSERT_EQ(regions->size(), 1u);
    EXPECT_EQ((*regions)[0].guest_address, 1u);
    EXPECT_EQ((*regions)[0].size, 2u);
    EXPECT_EQ((*regions)[0].user_address, 3u);
    EXPECT_EQ((*regions)[0].mmap_offset, 4u);
    bytes.resize(8 + 8 * 32);
    EXPECT_TRUE(parse_memory_table(bytes));
    bytes.resize(8 + 8 * 32 + 1);
    EXPECT_FALSE(parse_memory_table(bytes));
    bytes.resize(8 + 31);
    EXPECT_FALSE(parse_memory_table(bytes));
    EXPECT_FALSE(parse_memory_table(pack(std::uint32_t{9}, std::uint32_t{0})));
    EXPECT_FALSE(parse_memory_table(pack(std::uint32_t{0xffffffff}, std::uint32_t{0})));
    EXPECT_FALSE(parse_memory_table(Bytes(7)));
    EXPECT_EQ(parse_memory_table(Bytes(8))->size(), 0u);
}

TEST(Message, ASingleRegionFollowsPadding) {
    const Bytes bytes = pack(std::uint64_t{99}, std::uint64_t{1}, std::uint64_t{2},
                             std::uint64_t{3}, std::uint64_t{4});
    const auto region = parse_memory_region(bytes);
    ASSERT_TRUE(region);
    EXPECT_EQ(region->guest_address, 1u);
    EXPECT_EQ(region->mmap_offset, 4u);
    EXPECT_FALSE(parse_memory_region(std::span(bytes).first(39)));
}

TEST(Message, AnInflightDescriptionMayBePadded) {
    Bytes bytes = pack(std::uint64_t{1}, std::uint64_t{2}, std::uint16_t{3}, std::uint16_t{4});
    for (const std::size_t size : {20u, 24u}) {
        bytes.resize(size, std::byte{0xff});
        const auto description = parse<InflightDescription>(bytes);
        ASSERT_TRUE(description) << size;
        EXPECT_EQ(description->mmap_size, 1u);
        EXPECT_EQ(description->mmap_offset, 2u);
        EXPECT_EQ(description->queues, 3u);
        EXPECT_EQ(description->queue_size, 4u);
    }
    bytes.resize(22);
    EXPECT_FALSE(parse<InflightDescription>(bytes));
}

TEST(Message, AConfigurationAccessMustHaveTheSizeItDeclares) {
    Bytes bytes = pack(std::uint32_t{4}, std::uint32_t{2}, std::uint32_t{1}, std::uint8_t{7},
                       std::uint8_t{8});
    const auto access = parse_config(bytes);
    ASSERT_TRUE(access);
    EXPECT_EQ(access->header.offset, 4u);
    EXPECT_EQ(access->header.flags, ConfigHeader::flag_migration);
    ASSERT_EQ(access->bytes.size(), 2u);
    EXPECT_EQ(access->bytes[1], std::byte{8});
    bytes.push_back({});
    EXPECT_FALSE(parse_config(bytes));
    EXPECT_FALSE(parse_config(Bytes(11)));
    Bytes large = pack(std::uint32_t{0}, std::uint32_t{257}, std::uint32_t{0});
    large.resize(12 + 257);
    EXPECT_FALSE(parse_config(large));
}

}  // namespace
}  // namespace zonebridge::virtio
