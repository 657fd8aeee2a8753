#include "zbc/inquiry.h"

#include "tests/unit/zbc/support.h"
#include "zbc/control.h"
#include "zbc/unit.h"

namespace zonebridge::zbc::test {
namespace {

Unit unit_of(const MachineDiskShape& shape, const UnitOptions& options = {}) {
    const MachineDisk disk(shape);
    return describe_unit(disk.limits(), disk.identity(), options).value();
}

Bytes page(const Unit& unit, std::uint8_t code) {
    Bytes bytes(max_inquiry_length, 0xEE);
    const auto length = encode_vpd(unit, code, bytes);
    bytes.resize(length.value_or(0));
    return bytes;
}

template <typename Encoder>
Bytes encoded(Encoder encoder) {
    Bytes bytes(256, 0xEE);
    bytes.resize(encoder(std::span(bytes)));
    return bytes;
}

const MachineDiskShape plain{.conventional = 0, .model = Model::none};
const MachineDiskShape aware{.model = Model::host_aware, .max_open = 9};
const MachineDiskShape unit_with_gaps{.zone_capacity = 48 << 10, .max_open = 12, .max_active = 8};
const MachineDiskShape unit_of_4k{.logical_block_size = 4096, .max_open = 4};

TEST(Inquiry, StandardDataOfAHostManagedDiskHaveTheBytesOfTheStandard) {
    const auto unit = unit_of({});
    EXPECT_EQ(encoded([&](auto out) { return encode_standard_inquiry(unit, out); }),
              hex("14 00 06 12 5b 00 00 02 "
                  "5a 4f 4e 45 42 52 44 47 "                          // ZONEBRDG
                  "69 6e 20 6d 65 6d 6f 72 79 20 20 20 20 20 20 20 "  // in memory
                  "30 2e 31 20 00*20 00 00 "
                  "00 a0 04 60 04 c0 06 60 00*30"));
}

TEST(Inquiry, OnlyHostManagedDisksHaveTheZonedDeviceType) {
    for (const auto& shape : {plain, aware}) {
        const auto unit = unit_of(shape);
        const auto bytes = encoded([&](auto out) { return encode_standard_inquiry(unit, out); });
        EXPECT_EQ(bytes[0], 0x00);
        EXPECT_GE(bytes[2], 5);
        EXPECT_EQ(ByteView(bytes).be16(64), shape.model == Model::none ? 0x0000 : 0x0660);
    }
}

TEST(Inquiry, NothingIsWrittenPastTheEndOfTheBuffer) {
    Bytes bytes(10, 0);
    EXPECT_EQ(encode_standard_inquiry(unit_of({}), std::span(bytes).first(8)), 96u);
    EXPECT_EQ(bytes[8], 0);
    EXPECT_EQ(encode_vpd(unit_of({}), 0xB6, std::span(bytes).first(8)), 64u);
    EXPECT_EQ(bytes[8], 0);
}

TEST(Inquiry, AnAbsentLogicalUnitHasQualifierThree) {
    EXPECT_EQ(encoded([](auto out) { return encode_absent_inquiry(out); }),
              hex("7f 00 06 12 1f 00 00 00 20*28"));
}

TEST(Inquiry, ExactlyTheSupportedPagesAreListed) {
    EXPECT_EQ(page(unit_of({}), 0x00), hex("14 00 00 09 00 80 83 86 87 b0 b1 b2 b6"));
    EXPECT_EQ(page(unit_of(aware), 0x00), hex("00 00 00 09 00 80 83 86 87 b0 b1 b2 b6"));
    EXPECT_EQ(page(unit_of(plain), 0x00), hex("00 00 00 08 00 80 83 86 87 b0 b1 b2"));
    for (const auto& shape : {MachineDiskShape{}, aware, plain}) {
        const auto unit = unit_of(shape);
        const auto list = page(unit, 0x00);
        for (unsigned code = 0; code < 256; ++code) {
            const auto listed = std::find(list.begin() + 4, list.end(), code) != list.end();
            const auto bytes = page(unit, static_cast<std::uint8_t>(code));
            EXPECT_EQ(!bytes.empty(), listed) << code;
            if (listed) {
                EXPECT_EQ(bytes[1], code);
                EXPECT_EQ(ByteView(bytes).be16(2) + 4u, bytes.size());
            }
        }
    }
}

TEST(Inquiry, SerialNumberAndIdentificationHaveTheBytesOfTheStandard) {
    EXPECT_EQ(page(unit_of({}), 0x80), hex("14 80 00 07 5a 42 2d 30 30 30 31"));
    EXPECT_EQ(page(unit_of({}), 0x83), hex("14 83 00 2f "
                                           "02 01 00 1f 5a 4f 4e 45 42 52 44 47 "
                                           "69 6e 20 6d 65 6d 6f 72 79 20 20 20 20 20 20 20 "
                                           "5a 42 2d 30 30 30 31 "
                                           "01 03 00 08 31 23 45 67 89 ab cd ef"));
    EXPECT_EQ(page(unit_of({}, {.serial = "other"}), 0x80), hex("14 80 00 05 6f 74 68 65 72"));
    const auto longest = page(unit_of({}, {.serial = std::string(500, 'x')}), 0x83);
    EXPECT_EQ(longest[7], 8 + 16 + max_serial_length);
}

TEST(Inquiry, BlockLimitsHaveTheLargestTransfer) {
    EXPECT_EQ(page(unit_of({}), 0xB0), hex("14 b0 00 3c 00 00 00 08 00 00 00 40 00*52"));
    EXPECT_EQ(page(unit_of(unit_of_4k), 0xB0), hex("14 b0 00 3c 00 00 00 01 00 00 00 08 00*52"));
    // A limit that is not a whole number of physical blocks, then one that exceeds the field.
    EXPECT_EQ(ByteView(page(unit_of({.max_transfer = 9000}), 0xB0)).be32(8), 16u);
    EXPECT_EQ(ByteView(page(unit_of({.max_transfer = ~std::uint64_t{0}}), 0xB0)).be32(8),
              0xFFFFFFFFu);
}

TEST(Inquiry, OnlyHostAwareDisksSetZonedInBlockDeviceCharacteristics) {
    EXPECT_EQ(page(unit_of({}), 0xB1), hex("14 b1 00 3c 00 01 00 00 00 00*55"));
    EXPECT_EQ(page(unit_of(aware), 0xB1), hex("00 b1 00 3c 00 01 00 00 10 00*55"));
    EXPECT_EQ(page(unit_of(plain), 0xB1), hex("00 b1 00 3c 00 01 00 00 00 00*55"));
}

TEST(Inquiry, NoLogicalBlockProvisioningIsOffered) {
    EXPECT_EQ(page(unit_of({}), 0xB2), hex("14 b2 00 04 00 00 00 00"));
    EXPECT_EQ(page(unit_of(plain), 0xB2), hex("00 b2 00 04 00 00 00 00"));
}

TEST(Inquiry, ExtendedDataAndModePagePolicyHaveTheBytesOfTheStandard) {
    EXPECT_EQ(page(unit_of({}), 0x86), hex("14 86 00 3c 00 01 01 00*6 1c 00*50"));
    EXPECT_EQ(page(unit_of({}), 0x87), hex("14 87 00 08 0a 00 03 00 3f ff 00 00"));
}

TEST(Inquiry, UrswrzIsTheDisksUnlessAnOptionClearsIt) {
    const auto urswrz = [](bool disk, std::optional<bool> option) {
        return page(unit_of({.reads_past_pointer = disk}, {.reads_past_pointer = option}), 0xB6)[4];
    };
    EXPECT_EQ(urswrz(true, std::nullopt), 1);
    EXPECT_EQ(urswrz(false, std::nullopt), 0);
    EXPECT_EQ(urswrz(true, true), 1);
    EXPECT_EQ(urswrz(true, false), 0);
    EXPECT_EQ(urswrz(false, false), 0);
}

TEST(Inquiry, UrswrzValuesThatTheDiskCannotKeepAreRefused) {
    const auto refused = [](const MachineDiskShape& shape, bool option) {
        const MachineDisk disk(shape);
        UnitOptions options;
        options.reads_past_pointer = option;
        const auto unit = describe_unit(disk.limits(), disk.identity(), options);
        return unit ? std::string() : unit.error().message;
    };
    EXPECT_EQ(
        refused({.reads_past_pointer = false}, true),
        "memory: can't be shown as a SCSI disk: reads past the write pointer can't be allowed "
        "(URSWRZ 1), since the disk itself refuses them");
    for (const auto& shape : {aware, plain})
        EXPECT_EQ(refused(shape, false),
                  "memory: can't be shown as a SCSI disk: reads past the write pointer can't be "
                  "refused (URSWRZ 0), since it has no zones that must be written sequentially");
    EXPECT_EQ(refused(plain, true), "");
}

TEST(Inquiry, ZonedCharacteristicsHaveTheBytesOfTheStandard) {
    EXPECT_EQ(page(unit_of({}), 0xB6),
              hex("14 b6 00 3c 01 00 00 00 ff*4 ff*4 ff*4 00 00 00 01 00*8 00*32"));
    EXPECT_EQ(page(unit_of({.max_open = 5, .reads_past_pointer = false}), 0xB6),
              hex("14 b6 00 3c 00 00 00 00 ff*4 ff*4 00 00 00 05 00 00 00 01 00*8 00*32"));
    EXPECT_EQ(page(unit_of(aware), 0xB6),
              hex("00 b6 00 3c 01 00 00 00 00 00 00 09 ff*4 ff*4 00 00 00 01 00*8 00*32"));
    // With gaps, zones start at constant distances, the granularity (64 KiB: 128 blocks of 512).
    // ZBC has no field for the limit on active zones, so it bounds the open zones.
    EXPECT_EQ(page(unit_of(unit_with_gaps), 0xB6),
              hex("14 b6 00 3c 01 00 00 00 ff*4 ff*4 00 00 00 08 00 00 00 08 "
                  "00 00 00 00 00 00 00 80 00*32"));
}

TEST(Inquiry, AnActiveLimitWithoutAnOpenLimitIsShownAsTheOpenLimit) {
    EXPECT_EQ(ByteView(page(unit_of({.max_active = 3}), 0xB6)).be32(16), 3u);
}

TEST(Capacity, BothReadCapacityCommandsWorkWithBothBlockSizes) {
    const auto ten = [](const Unit& unit) {
        return encoded([&](auto out) { return encode_read_capacity_10(unit, out); });
    };
    const auto sixteen = [](const Unit& unit) {
        return encoded([&](auto out) { return encode_read_capacity_16(unit, out); });
    };
    EXPECT_EQ(ten(unit_of({})), hex("00 00 07 ff 00 00 02 00"));
    EXPECT_EQ(sixteen(unit_of({})), hex("00*6 07 ff 00 00 02 00 10 03 00*18"));
    EXPECT_EQ(ten(unit_of(unit_of_4k)), hex("00 00 00 ff 00 00 10 00"));
    EXPECT_EQ(sixteen(unit_of(unit_of_4k)), hex("00*7 ff 00 00 10 00 10 00 00*18"));
    EXPECT_EQ(sixteen(unit_of(plain))[12], 0) << "RC_BASIS is for disks with zones only";
    auto large = unit_of({});
    large.blocks = std::uint64_t{1} << 33;
    EXPECT_EQ(ten(large), hex("ff ff ff ff 00 00 02 00"));
    EXPECT_EQ(sixteen(large), hex("00 00 00 01 ff ff ff ff 00 00 02 00 10 03 00*18"));
    large.blocks = 0xFFFFFFFF;
    EXPECT_EQ(ten(large), hex("ff ff ff fe 00 00 02 00"));
}

TEST(Capacity, ReportLunsListsTheSelectedLuns) {
    const std::array<std::uint64_t, 2> luns{0, 0x4001000000000000};
    const auto list = [&](std::uint8_t select) {
        Bytes bytes(64);
        bytes.resize(encode_report_luns(luns, select, bytes).value_or(0));
        return bytes;
    };
    EXPECT_EQ(list(0), hex("00 00 00 10 00*4 00*8 40 01 00*6"));
    EXPECT_EQ(list(2), list(0));
    EXPECT_EQ(list(1), hex("00*8"));
    EXPECT_EQ(list(0x11), hex("00*8"));
    EXPECT_EQ(list(3), Bytes());
}

TEST(Unit, DisksThatScsiCannotDescribeAreRefused) {
    const auto why = [](auto change) {
        auto limits = zonebridge::test::limits_of(MachineDiskShape{});
        change(limits);
        const auto unit = describe_unit(limits, Identity{}, {});
        return unit ? std::string("fine") : unit.error().message;
    };
    EXPECT_EQ(why([](Limits&) {}), "fine");
    EXPECT_NE(why([](Limits& l) { l.logical_block_size = 520; }).find("520 bytes"),
              std::string::npos);
    EXPECT_NE(why([](Limits& l) { l.physical_block_size = 256; }).find("256 bytes"),
              std::string::npos);
    EXPECT_NE(why([](Limits& l) { l.layout = Layout(); }).find("empty"), std::string::npos);
    EXPECT_NE(why([](Limits& l) {
                  l.layout =
                      Layout(1 << 20, 1 << 16, 60000, 0, ZoneType::sequential_write_required);
              }).find("60000"),
              std::string::npos);
    EXPECT_NE(why([](Limits& l) {
                  l.layout = Layout(1 << 20, 0, 0, 0, ZoneType::sequential_write_required);
              }).find("no zones"),
              std::string::npos);
}

}  // namespace
}  // namespace zonebridge::zbc::test
