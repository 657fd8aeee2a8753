#include "zbc/sense.h"

#include <cstdio>

#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

Bytes encoded_sense(const Sense& sense, SenseFormat format) {
    Bytes bytes(96, 0xEE);
    bytes.resize(encode_sense(sense, format, bytes));
    return bytes;
}

TEST(Sense, FixedFormatHasTheBytesOfTheStandard) {
    EXPECT_EQ(encoded_sense(illegal_request(0x21, 0x04), SenseFormat::fixed),
              hex("70 00 05 00 00 00 00 0a 00 00 00 00 21 04 00 00 00 00"));
    EXPECT_EQ(encoded_sense(lba_out_of_range(0x01020304), SenseFormat::fixed),
              hex("f0 00 05 01 02 03 04 0a 00 00 00 00 21 00 00 00 00 00"));
    EXPECT_EQ(encoded_sense(invalid_field_in_cdb(14, 5), SenseFormat::fixed),
              hex("70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 00 0e"));
    EXPECT_EQ(encoded_sense(invalid_field_in_parameters(0x0102), SenseFormat::fixed),
              hex("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 01 02"));
}

TEST(Sense, FixedFormatOmitsAnAddressBeyond32Bits) {
    EXPECT_EQ(encoded_sense(lba_out_of_range(0x100000000), SenseFormat::fixed),
              hex("70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00"));
}

TEST(Sense, DescriptorFormatHasTheBytesOfTheStandard) {
    EXPECT_EQ(encoded_sense(write_protected(), SenseFormat::descriptor),
              hex("72 07 27 00 00 00 00 00"));
    EXPECT_EQ(encoded_sense(lba_out_of_range(0x0102030405060708), SenseFormat::descriptor),
              hex("72 05 21 00 00 00 00 0c 00 0a 80 00 01 02 03 04 05 06 07 08"));
    EXPECT_EQ(encoded_sense(invalid_field_in_cdb(2), SenseFormat::descriptor),
              hex("72 05 24 00 00 00 00 08 02 06 00 00 c0 00 02 00"));
}

TEST(Sense, BothFormatsDecodeToTheEncodedSense) {
    auto everything = invalid_field_in_cdb(9, 2);
    everything.information = 77;
    for (const auto& sense :
         {Sense{}, unit_attention(Attention::power_on), lba_out_of_range(5), everything})
        for (const auto format : {SenseFormat::fixed, SenseFormat::descriptor})
            EXPECT_EQ(decode_sense(encoded_sense(sense, format)), sense);
}

TEST(Sense, BytesWithoutSenseDataDecodeToNothing) {
    EXPECT_EQ(decode_sense({}), std::nullopt);
    EXPECT_EQ(decode_sense(hex("00*18")), std::nullopt);
    EXPECT_EQ(decode_sense(hex("70 00 05")), std::nullopt);
    EXPECT_EQ(decode_sense(hex("72 05 21")), std::nullopt);
}

TEST(Sense, TruncatedOrInconsistentSenseIsReadWithinItsBounds) {
    auto bytes = encoded_sense(lba_out_of_range(1), SenseFormat::descriptor);
    bytes[7] = 0xFF;  // claims to be longer
    bytes[9] = 0xFF;  // and so does its descriptor
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const auto sense = decode_sense(std::span(bytes).first(size));
        EXPECT_EQ(sense ? sense->information : std::nullopt, std::nullopt);
    }
}

TEST(SenseTable, EveryStatusHasItsSense) {
    struct Row {
        StatusCode code;
        Operation operation;
        const char* sense;
    };
    using enum StatusCode;
    using enum Operation;
    const Row rows[] = {
        {ok, Operation::write, "good"},
        {invalid_request, Operation::write, "5/24/00"},
        {out_of_range, Operation::read, "5/21/00"},
        {misaligned, Operation::write, "5/24/00"},
        {too_large, Operation::read, "5/24/00"},
        {unsupported, reset, "5/20/00"},
        {StatusCode::read_only, Operation::write, "7/27/00"},
        {StatusCode::read_only, reset, "7/27/00"},
        {not_sequential, open, "5/24/00"},
        {unaligned_write, Operation::write, "5/21/04"},
        {crosses_boundary, Operation::write, "5/21/05"},
        {read_crosses_boundary, Operation::read, "5/21/07"},
        {read_past_pointer, Operation::read, "5/21/06"},
        {invalid_transition, open, "good"},
        {invalid_transition, close, "good"},
        {invalid_transition, finish, "5/24/00"},
        {invalid_transition, reset, "5/24/00"},
        {zone_full, Operation::write, "5/24/00"},
        {zone_read_only, Operation::write, "7/27/08"},
        {zone_read_only, reset, "7/27/08"},
        {zone_offline, Operation::read, "7/2C/0E"},
        {zone_offline, Operation::write, "7/2C/0E"},
        {too_many_open, Operation::write, "7/55/0E"},
        {too_many_open, open, "7/55/0E"},
        {too_many_active, open, "7/55/0E"},
        {no_space, Operation::write, "7/27/07"},
        {media_error, Operation::read, "3/11/00"},
        {media_error, report, "3/11/00"},
        {media_error, Operation::write, "3/0C/00"},
        {media_error, flush, "3/0C/00"},
        {io_error, Operation::read, "4/44/00"},
        {io_error, flush, "4/44/00"},
        {device_gone, Operation::read, "4/3E/01"},
        {aborted, Operation::write, "B/00/00"},
    };
    for (const auto& row : rows)
        EXPECT_EQ(words(sense_for(row.code, row.operation)), row.sense)
            << to_string(row.code) << " after " << to_string(row.operation);
}

TEST(SenseTable, EverySenseOfTheStandardHasItsStatus) {
    struct Row {
        const char* sense;
        Operation operation;
        StatusCode code;
    };
    using enum StatusCode;
    using enum Operation;
    const Row rows[] = {
        // Codes of ZBC-2 and SBC-4; the status depends on the operation.
        {"5/21/00", Operation::read, out_of_range},
        {"5/24/00", Operation::read, invalid_request},
        {"5/24/00", Operation::write, zone_full},
        {"5/24/00", open, not_sequential},
        {"5/24/00", reset, not_sequential},
        {"5/24/00", report, invalid_request},
        {"5/21/04", Operation::write, unaligned_write},
        {"5/21/05", Operation::write, crosses_boundary},
        {"5/21/06", Operation::read, read_past_pointer},
        {"5/21/07", Operation::read, read_crosses_boundary},
        {"5/21/09", Operation::read, read_past_pointer},
        {"5/21/09", Operation::write, crosses_boundary},
        {"5/21/09", finish, not_sequential},
        {"7/27/08", Operation::write, zone_read_only},
        {"7/27/08", reset, zone_read_only},
        {"7/2C/0E", Operation::read, zone_offline},
        {"7/2C/12", Operation::read, zone_offline},
        {"7/55/0E", Operation::write, too_many_open},
        {"7/55/0E", open, too_many_open},
        {"5/20/00", flush, unsupported},
        {"5/25/00", Operation::read, device_gone},
        {"7/27/00", Operation::write, StatusCode::read_only},
        {"7/27/07", Operation::write, no_space},
        // Codes whose sense key alone decides.
        {"0/00/00", Operation::read, ok},
        {"1/17/01", Operation::read, ok},
        {"2/04/01", Operation::read, io_error},
        {"2/3A/00", Operation::read, io_error},
        {"3/11/04", Operation::read, media_error},
        {"3/0C/02", Operation::write, media_error},
        {"4/44/00", flush, io_error},
        {"4/3E/01", Operation::read, device_gone},
        {"5/2C/00", Operation::read, invalid_request},
        {"6/29/00", Operation::read, io_error},
        {"7/20/02", Operation::read, StatusCode::read_only},
        {"B/47/03", Operation::write, io_error},
        {"F/00/00", Operation::write, ok},
    };
    for (const auto& row : rows) {
        unsigned key = 0;
        unsigned asc = 0;
        unsigned ascq = 0;
        ASSERT_EQ(std::sscanf(row.sense, "%X/%X/%X", &key, &asc, &ascq), 3);
        const Sense sense{static_cast<SenseKey>(key),
                          static_cast<std::uint8_t>(asc),
                          static_cast<std::uint8_t>(ascq),
                          {},
                          {}};
        EXPECT_EQ(to_string(status_of(sense, row.operation)), to_string(row.code))
            << row.sense << " after " << to_string(row.operation);
    }
}

TEST(SenseTable, StatusesWithASenseOfTheirOwnSurviveARoundTrip) {
    using enum StatusCode;
    for (const auto code :
         {out_of_range, unsupported, StatusCode::read_only, unaligned_write, crosses_boundary,
          read_past_pointer, read_crosses_boundary, zone_full, zone_read_only, zone_offline,
          too_many_open, no_space, media_error, io_error, device_gone})
        EXPECT_EQ(status_of(*sense_for(code, Operation::write), Operation::write), code)
            << to_string(code);
}

}  // namespace
}  // namespace zonebridge::zbc::test
