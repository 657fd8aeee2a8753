#include "zbc/zac_sense.h"

#include "tests/unit/support/satl.h"
#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

using zac::Registers;
using zonebridge::test::encode_registers;

// SAT-4: INFORMATION has ERROR, STATUS, DEVICE and COUNT 7:0; COMMAND-SPECIFIC INFORMATION has
// flags and LBA 7:0, 15:8, 23:16.
constexpr auto fixed_idnf = "f0 00 05 10 51 40 08 0a 80 11 22 33 21 00 00 00 00 00";
constexpr auto descriptor_idnf =
    "72 05 21 00 00 00 00 0e 09 0c 01 10 00 08 44 11 55 22 66 33 40 51";

TEST(ZacSense, RegistersAreDecodedFromTheStatusReturnDescriptor) {
    const auto registers = zac::decode_registers(hex(descriptor_idnf));
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->error, 0x10);
    EXPECT_EQ(registers->status, 0x51);
    EXPECT_EQ(registers->device, 0x40);
    EXPECT_EQ(registers->count, 0x0008);
    EXPECT_EQ(registers->lba, 0x665544332211U);
    EXPECT_TRUE(registers->extend);
    EXPECT_FALSE(registers->cut);
    EXPECT_FALSE(registers->ok());
}

TEST(ZacSense, RegistersAreDecodedFromFixedFormat) {
    const auto registers = zac::decode_registers(hex(fixed_idnf));
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->error, 0x10);
    EXPECT_EQ(registers->status, 0x51);
    EXPECT_EQ(registers->device, 0x40);
    EXPECT_EQ(registers->count, 8);
    EXPECT_EQ(registers->lba, 0x332211U);
    EXPECT_TRUE(registers->extend);
    EXPECT_FALSE(registers->cut);

    // The flags for values that do not fit.
    for (const auto flags : {"c0", "a0", "e0"}) {
        auto sense = hex(fixed_idnf);
        sense[8] = hex(flags)[0];
        EXPECT_TRUE(zac::decode_registers(sense)->cut) << flags;
    }
}

TEST(ZacSense, ADescriptorIsFoundBehindOthersAndWithoutExtend) {
    const auto registers =
        zac::decode_registers(hex("72 01 00 1d 00 00 00 1a"
                                  " 00 0a 80 00 00 00 00 00 00 00 00 07"
                                  " 09 0c 00 04 99 08 44 11 55 22 66 33 40 50"));
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->count, 8) << "COUNT 15:8 means nothing without EXTEND";
    EXPECT_EQ(registers->lba, 0x332211U);
    EXPECT_EQ(registers->status, 0x50);
    EXPECT_TRUE(registers->ok());
}

TEST(ZacSense, SenseWithoutRegistersDecodesToNothing) {
    EXPECT_FALSE(zac::decode_registers({}));
    EXPECT_FALSE(zac::decode_registers(hex("00*18")));
    // Fixed format whose INFORMATION is not valid.
    EXPECT_FALSE(
        zac::decode_registers(hex("70 00 0b 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00")));
    // The same, but the sense code is "ATA pass through information available".
    EXPECT_TRUE(
        zac::decode_registers(hex("70 00 01 00 50 40 00 0a 80 00 00 00 00 1d 00 00 00 00")));
    // Descriptor format without the descriptor.
    EXPECT_FALSE(zac::decode_registers(hex("72 0b 00 00 00 00 00 00")));
    EXPECT_FALSE(
        zac::decode_registers(hex("72 05 21 00 00 00 00 0c 00 0a 80 00 00 00 00 00 00 00 00 07")));
    // A descriptor of another length.
    EXPECT_FALSE(zac::decode_registers(hex("72 05 21 00 00 00 00 06 09 04 01 10 00 08")));
}

TEST(ZacSense, TruncatedSenseIsReadWithinItsBounds) {
    for (const auto text : {fixed_idnf, descriptor_idnf}) {
        const auto whole = hex(text);
        const auto all = zac::decode_registers(whole);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const auto some = zac::decode_registers(std::span(whole).first(size));
            EXPECT_TRUE(!some || some == all) << size;
        }
        auto inconsistent = whole;
        inconsistent[7] = 0xFF;
        EXPECT_EQ(zac::decode_registers(inconsistent), all);
        if (inconsistent[0] == 0x72) inconsistent[9] = 0xFF;
        EXPECT_EQ(zac::decode_registers(inconsistent), all) << "the bytes that are there count";
    }
}

TEST(ZacSense, BothFormatsDecodeToTheEncodedRegisters) {
    Registers registers{0x51, 0x04, 0x40, 0x0012, 0x332211, true, false};
    const Sense sense{SenseKey::illegal_request, 0x21, 0x04, {}, {}};
    for (const auto format : {SenseFormat::fixed, SenseFormat::descriptor}) {
        Bytes bytes(96, 0);
        const auto length = encode_registers(registers, sense, format, bytes);
        ASSERT_LE(length, bytes.size());
        bytes.resize(length);
        EXPECT_EQ(zac::decode_registers(bytes), registers);
        const auto decoded = decode_sense(bytes);
        ASSERT_TRUE(decoded);
        EXPECT_EQ(decoded->code(), sense.code());
    }
    // Values that do not fit the fixed format are missing, and flagged.
    registers.lba = 0x665544332211;
    registers.count = 0x0812;
    Bytes bytes(96, 0);
    bytes.resize(encode_registers(registers, sense, SenseFormat::fixed, bytes));
    EXPECT_EQ(to_hex(bytes), to_hex(hex("f0 00 05 04 51 40 12 0a e0 11 22 33 21 04 00 00 00 00")));
    bytes.assign(96, 0);
    bytes.resize(encode_registers(registers, sense, SenseFormat::descriptor, bytes));
    EXPECT_EQ(to_hex(bytes),
              to_hex(hex("72 05 21 04 00 00 00 0e 09 0c 01 04 08 12 44 11 55 22 66 33 40 51")));
}

TEST(ZacSense, FailuresHaveTheMostSpecificStatus) {
    struct Row {
        const char* name;
        SenseKey key;
        std::uint8_t asc, ascq;
        std::uint8_t status, error;
        Operation operation;
        StatusCode code;
    };
    using enum SenseKey;
    using Code = StatusCode;
    using Op = Operation;
    // First the ATA status and error registers alone (ACS-4 6.2, 6.3), then with the disk's sense
    // data (ZAC-2 "Zone activation and errors": the additional sense codes are ZBC's).
    const Row rows[] = {
        {"all is well", recovered_error, 0x00, 0x1D, 0x50, 0, Op::flush, Code::ok},
        {"all is well, no sense", no_sense, 0x00, 0x00, 0x50, 0, Op::flush, Code::ok},
        {"failed, whatever the key", recovered_error, 0x00, 0x1D, 0x51, 0x04, Op::write,
         Code::io_error},
        {"ABRT", aborted_command, 0x00, 0x00, 0x51, 0x04, Op::write, Code::io_error},
        {"ABRT of an action", aborted_command, 0x00, 0x00, 0x51, 0x04, Op::open, Code::io_error},
        {"IDNF", aborted_command, 0x00, 0x00, 0x51, 0x10, Op::read, Code::out_of_range},
        {"UNC", aborted_command, 0x00, 0x00, 0x51, 0x40, Op::read, Code::media_error},
        {"UNC with IDNF", aborted_command, 0x00, 0x00, 0x51, 0x50, Op::read, Code::media_error},
        {"ICRC", aborted_command, 0x00, 0x00, 0x51, 0x84, Op::read, Code::io_error},
        {"device fault", aborted_command, 0x00, 0x00, 0x71, 0x40, Op::write, Code::io_error},
        {"busy", aborted_command, 0x00, 0x00, 0x80, 0x00, Op::write, Code::io_error},
        {"UNC, translated", medium_error, 0x11, 0x04, 0x51, 0x40, Op::read, Code::media_error},
        {"IDNF, translated", illegal_request, 0x21, 0x00, 0x51, 0x10, Op::read, Code::out_of_range},
        {"unaligned", illegal_request, 0x21, 0x04, 0x53, 0x04, Op::write, Code::unaligned_write},
        {"boundary", illegal_request, 0x21, 0x05, 0x53, 0x04, Op::write, Code::crosses_boundary},
        {"invalid data", illegal_request, 0x21, 0x06, 0x53, 0x04, Op::read,
         Code::read_past_pointer},
        {"read boundary", illegal_request, 0x21, 0x07, 0x53, 0x04, Op::read,
         Code::read_crosses_boundary},
        {"full", illegal_request, 0x24, 0x00, 0x53, 0x04, Op::write, Code::zone_full},
        {"read only", data_protect, 0x27, 0x08, 0x53, 0x04, Op::write, Code::zone_read_only},
        {"offline", data_protect, 0x2C, 0x0E, 0x53, 0x04, Op::write, Code::zone_offline},
        {"resources", data_protect, 0x55, 0x0E, 0x53, 0x04, Op::open, Code::too_many_open},
    };
    for (const auto& row : rows) {
        for (const auto format : {SenseFormat::fixed, SenseFormat::descriptor}) {
            Bytes bytes(96, 0);
            bytes.resize(encode_registers({row.status, row.error, 0x40, 1, 0x1000, true, false},
                                          {row.key, row.asc, row.ascq, {}, {}}, format, bytes));
            EXPECT_EQ(zac::status_of(bytes, row.operation), row.code)
                << row.name << (format == SenseFormat::fixed ? ", fixed" : ", descriptor");
        }
    }
}

TEST(ZacSense, WithoutRegistersTheSenseCodeDecides) {
    const auto status = [](const char* text) {
        return zac::status_of(hex(text), Operation::write);
    };
    EXPECT_EQ(status("70 00 0b 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00"),
              StatusCode::io_error);
    EXPECT_EQ(status("70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00"),
              StatusCode::unsupported)
        << "ATA PASS-THROUGH is not supported";
    EXPECT_EQ(status("72 05 21 04 00 00 00 00"), StatusCode::unaligned_write);
    EXPECT_EQ(status("72 01 00 1d 00 00 00 00"), StatusCode::io_error)
        << "the sense code announces registers that are missing";
    EXPECT_EQ(status(""), StatusCode::io_error);
}

}  // namespace
}  // namespace zonebridge::zbc::test
