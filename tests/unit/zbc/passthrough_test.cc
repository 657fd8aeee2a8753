// The plan for a passed-through command: its length, direction, effect on zones, and time limit.

#include "zbc/passthrough.h"

#include <array>
#include <random>

#include "tests/unit/zbc/support.h"
#include "zbc/commands.h"

namespace zonebridge::zbc::test {
namespace {

constexpr std::uint64_t plenty = std::uint64_t{1} << 40;

PassthroughFacts facts(std::uint32_t block_size = 512) {
    PassthroughFacts facts;
    facts.block_size = block_size;
    facts.max_transfer = 1 << 20;
    return facts;
}

tl::expected<Plan, NotSent> plan(std::string_view text, std::uint64_t data_out,
                                 std::uint64_t data_in, std::string_view allow = "0xC1",
                                 const PassthroughFacts& facts = test::facts()) {
    const auto cdb = hex(text);
    return plan_passthrough(ByteView(cdb), parse_allowed(allow).value(), facts, data_out, data_in);
}

std::string verdict(const tl::expected<Plan, NotSent>& planned) {
    if (planned)
        return fmt::format("{} {}",
                           planned->direction == Direction::in    ? "in"
                           : planned->direction == Direction::out ? "out"
                                                                  : "none",
                           planned->length);
    if (planned.error().delivery == Delivery::overrun) return "overrun";
    if (planned.error().delivery == Delivery::failure) return "failure";
    return words(planned.error().sense);
}

// ---- Lengths.

struct Length {
    std::string_view cdb;
    std::string_view moves;  // direction and length, if the buffers are large enough
};
class TransferLength : public testing::TestWithParam<Length> {
  protected:
    [[nodiscard]] tl::expected<Plan, NotSent> with(std::uint64_t bytes) const {
        const auto out = GetParam().moves.starts_with("out");
        return plan(GetParam().cdb, out ? bytes : 0, out ? 0 : bytes, everything_);
    }
    static constexpr auto everything_ =
        "unmap,write-same,compare-and-write,security-protocol-in,mode-select,log-select,0x7F,"
        "persistent-reserve-out,write-buffer,read-buffer,write-long,write-scattered,sanitize,"
        "extended-copy,receive-copy,zone-activate,write-stream,send-diagnostic";
    [[nodiscard]] static std::uint64_t bytes() {
        return std::stoull(std::string(GetParam().moves.substr(GetParam().moves.find(' ') + 1)));
    }
};

TEST_P(TransferLength, IsTakenFromTheCdb) {
    EXPECT_EQ(verdict(with(plenty)), GetParam().moves) << GetParam().cdb;
}

TEST_P(TransferLength, IgnoresBytesBehindTheCdb) {
    auto cdb = hex(GetParam().cdb);
    cdb.resize(260, 0xFF);
    const auto out = GetParam().moves.starts_with("out");
    const auto planned = plan_passthrough(ByteView(cdb), parse_allowed(everything_).value(),
                                          facts(), out ? plenty : 0, out ? 0 : plenty);
    EXPECT_EQ(verdict(planned), GetParam().moves) << GetParam().cdb;
    ASSERT_TRUE(planned);
    EXPECT_EQ(to_hex(planned->cdb_bytes()), to_hex(hex(GetParam().cdb)))
        << "the CDB is not changed";
}

TEST_P(TransferLength, MustFitTheBuffers) {
    EXPECT_EQ(verdict(with(bytes())), GetParam().moves);
    if (bytes() == 0) return;
    EXPECT_EQ(verdict(with(bytes() - 1)), "overrun");
    EXPECT_EQ(verdict(with(0)), "overrun");
}

TEST_P(TransferLength, IsRefusedIfTheCdbIsTruncated) {
    const auto cdb = hex(GetParam().cdb);
    for (std::size_t length = 0; length < cdb.size(); ++length) {
        const auto planned =
            plan_passthrough(ByteView(std::span(cdb).first(length)),
                             parse_allowed(everything_).value(), facts(), plenty, 0);
        // A missing service action counts as zero, which may not be allowed.
        const auto says = verdict(planned);
        EXPECT_TRUE(says == "5/24/00" || (length < 10 && says == "5/20/00")) << length << says;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Passthrough, TransferLength,
    testing::Values(
        Length{"00 00*5", "none 0"}, Length{"03 00 00 00 FC 00", "in 252"},
        Length{"08 00*3 00 00", "in 131072"},  // 0 is 256
        Length{"08 00*3 01 00", "in 512"}, Length{"0A 00*3 00 00", "out 131072"},
        Length{"0A 00*3 FF 00", "out 130560"}, Length{"12 00 00 01 24 00", "in 292"},
        Length{"1A 00 3F 00 C0 00", "in 192"}, Length{"25 00*9", "in 8"},
        Length{"28 00*6 00 08 00", "in 4096"}, Length{"28 00*9", "none 0"},
        Length{"2A 00*6 08 00 00", "out 1048576"}, Length{"2E 00*6 00 01 00", "out 512"},
        Length{"2F 00*6 00 08 00", "none 0"}, Length{"2F 02 00*5 00 08 00", "out 4096"},
        Length{"2F 06 00*5 00 08 00", "out 512"}, Length{"2F 06 00*8", "none 0"},
        Length{"34 00*6 00 08 00", "none 0"}, Length{"35 00*6 00 08 00", "none 0"},
        Length{"4D 00*6 02 00 00", "in 512"}, Length{"5A 00*6 FF FF 00", "in 65535"},
        Length{"88 00*9 00 00 00 08 00 00", "in 4096"},
        Length{"8A 00*9 00 00 00 08 00 00", "out 4096"},
        Length{"8E 00*9 00 00 00 01 00 00", "out 512"},
        Length{"8F 02 00*8 00 00 00 03 00 00", "out 1536"}, Length{"91 00*15", "none 0"},
        Length{"94 01 00*14", "none 0"}, Length{"95 00 00*8 00 00 10 00 00 00", "in 4096"},
        Length{"95 06 00*8 00 00 10 00 00 00", "in 4096"},
        Length{"95 09 00*10 20 00 00 00", "in 8192"}, Length{"95 08 00*10 20 00 00 00", "in 8192"},
        Length{"9C 00*11 00 08 00 00", "out 4096"}, Length{"9E 10 00*8 00 00 00 20 00 00", "in 32"},
        Length{"9E 12 00*8 00 00 00 18 00 00", "in 24"},
        Length{"A3 0C 00*4 00 00 20 00 00 00", "in 8192"},  // the whole list is fetched
        Length{"A3 0D 00*4 00 00 00 10 00 00", "in 16"},
        Length{"A8 00*5 00 00 00 08 00 00", "in 4096"},
        Length{"AA 00*5 00 00 00 08 00 00", "out 4096"},
        Length{"AF 06 00*4 00 00 00 08 00 00", "out 512"},
        // Commands that need --allow.
        Length{"15 10 00 00 18 00", "out 24"}, Length{"55 10 00*5 00 18 00", "out 24"},
        Length{"1D 10 00 01 00 00", "out 256"}, Length{"3B 05 00*4 01 00 00 00", "out 65536"},
        Length{"3C 02 00*4 00 FF FF 00", "in 65535"}, Length{"3F 00*6 02 20 00", "out 544"},
        Length{"41 00*6 FF FF 00", "out 512"}, Length{"42 00*6 00 18 00", "out 24"},
        Length{"48 01 00*5 02 04 00", "out 516"}, Length{"4C 00*6 00 08 00", "out 8"},
        Length{"5F 00*4 00 00 00 18 00", "out 24"},
        Length{"7F 00*6 18 00 09 00*18 00 00 00 02", "in 1024"},
        Length{"7F 00*6 18 00 0B 00*18 00 00 00 02", "out 1024"},
        Length{"7F 00*6 18 00 0A 02 00*17 00 00 00 02", "out 1024"},
        Length{"7F 00*6 18 00 0A 06 00*17 00 00 00 02", "out 512"},
        Length{"7F 00*6 18 00 0D 00 00*17 00 00 00 02", "out 512"},
        Length{"7F 00*6 18 00 0D 01 00*17 00 00 00 02", "none 0"},
        Length{"83 01 00*8 00 00 00 40 00 00", "out 64"},
        Length{"84 05 00*8 00 00 00 40 00 00", "in 64"}, Length{"89 00*12 02 00 00", "out 2048"},
        Length{"93 00*9 00 00 FF FF 00 00", "out 512"},
        Length{"93 01 00*8 00 00 FF FF 00 00", "none 0"},
        Length{"9A 00*11 00 02 00 00", "out 1024"}, Length{"9F 11 00*10 02 20 00 00", "out 544"},
        Length{"9F 12 00*8 00 00 00 04 00 00", "out 2048"},
        Length{"A2 00*5 00 00 02 00 00 00", "in 512"},
        Length{"A2 00*3 80 00 00 00 00 02 00 00", "in 1024"}));

TEST(Passthrough, LengthsInBlocksUseTheDisksBlockSize) {
    EXPECT_EQ(verdict(plan("28 00*6 00 08 00", 0, plenty, "0xC1", facts(4096))), "in 32768");
    EXPECT_EQ(verdict(plan("8A 00*9 00 00 01 00 00 00", plenty, 0, "0xC1", facts(4096))),
              "out 1048576");
}

TEST(Passthrough, TransfersBeyondThePathsLimitAreRefusedAtTheLengthField) {
    const auto over = plan("2A 00*6 08 01 00", plenty, 0);
    EXPECT_EQ(verdict(over), "5/24/00");
    EXPECT_EQ(over.error().why, Refused::too_long);
    EXPECT_EQ(over.error().sense.field->byte, 7);
    EXPECT_EQ(verdict(plan("95 00 00*8 00 10 00 01 00 00", 0, plenty)), "5/24/00");
    // Products that do not fit 32 bits.
    EXPECT_EQ(
        verdict(plan("88 00*9 FF FF FF FF 00 00", 0, ~std::uint64_t{0}, "0xC1", facts(0xFFFFFFFF))),
        "5/24/00");
    auto endless = facts(4096);
    endless.max_transfer = ~std::uint64_t{0};
    EXPECT_EQ(verdict(plan("88 00*9 00 10 00 00 00 00", 0, ~std::uint64_t{0}, "0xC1", endless)),
              "5/24/00");
    EXPECT_EQ(verdict(plan("C1 00*15", plenty, 0)), "5/24/00");
}

TEST(Passthrough, ALengthBeyondBothBufferAndPathIsAnOverrun) {
    EXPECT_EQ(verdict(plan("95 00 00*8 FF FF FF FF 00 00", 0, 4096)), "overrun");
}

// ---- Directions.

TEST(Passthrough, BuffersOfTheOtherDirectionAreNotUsed) {
    EXPECT_EQ(verdict(plan("28 00*9", 4096, 0)), "none 0")
        << "no transfer: the whole length is residual";
    EXPECT_EQ(verdict(plan("28 00*6 00 08 00", 4096, 0)), "overrun")
        << "a read without a buffer to read into";
    EXPECT_EQ(verdict(plan("2A 00*6 00 08 00", 0, 4096)), "overrun")
        << "a write without a buffer to write from";
    EXPECT_EQ(verdict(plan("00 00*5", 4096, 0)), "none 0");
    EXPECT_EQ(verdict(plan("00 00*5", 0, 4096)), "none 0");
}

TEST(Passthrough, BuffersOfBothDirectionsAreAFailure) {
    for (const auto* const cdb : {"28 00*6 00 08 00", "2A 00*6 00 08 00", "00 00*5", "C1 00*15"}) {
        const auto planned = plan(cdb, 4096, 4096);
        EXPECT_EQ(verdict(planned), "failure") << cdb;
        EXPECT_EQ(planned.error().why, Refused::bidirectional);
    }
    EXPECT_EQ(verdict(plan("C2 00*15", 1, 1)), "5/20/00") << "the filter is applied first";
}

TEST(Passthrough, ALengthThatTheCdbLacksIsTakenFromTheBuffers) {
    EXPECT_EQ(verdict(plan("C1 00*15", 0, 0)), "none 0");
    EXPECT_EQ(verdict(plan("C1 00*15", 513, 0)), "out 513");
    EXPECT_EQ(verdict(plan("C1 00*15", 0, 511)), "in 511");
    EXPECT_EQ(verdict(plan("85 08 0E 00*13", 0, 512, "ata-pass-through")), "in 512");
    EXPECT_EQ(verdict(plan("A1 06 00*10", 512, 0, "ata-pass-through")), "out 512");
    EXPECT_EQ(verdict(plan("04 10 00*4", 12, 0, "format-unit")), "out 12");
    EXPECT_EQ(verdict(plan("04 10 00*4", 0, 12, "format-unit")), "none 0")
        << "FORMAT UNIT never reads";
    EXPECT_EQ(verdict(plan("07 00*5", 8, 0, "reassign-blocks")), "out 8");
}

TEST(Passthrough, AVendorsCdbIsSentUpToItsLastNonzeroByte) {
    const auto sent = [](std::string_view cdb) {
        const auto planned = plan(cdb, 0, 0);
        return planned ? to_hex(planned->cdb_bytes()) : verdict(planned);
    };
    EXPECT_EQ(sent("C1 01"), to_hex(hex("C1 01 00*14")));
    EXPECT_EQ(sent("C1 01 00*30"), to_hex(hex("C1 01 00*14")));
    EXPECT_EQ(sent("C1 01 00*15 02 00*14"), to_hex(hex("C1 01 00*15 02")));
    EXPECT_EQ(sent("C1 FF*31"), to_hex(hex("C1 FF*31")));
    EXPECT_EQ(sent("C1 FF*32"), "5/24/00") << "longer than the largest CDB that can be sent";
    EXPECT_EQ(sent("C1 00*258 01"), "5/24/00");
}

// ---- CDBs that cannot be sent.

TEST(Passthrough, NacaAndProtectionInformationAreRefused) {
    const auto naca = plan("28 00*8 04", 0, plenty);
    EXPECT_EQ(verdict(naca), "5/24/00");
    EXPECT_EQ(naca.error().sense.field, (FieldPointer{true, 9, std::uint8_t{2}}));
    EXPECT_EQ(verdict(plan("7F 04 00*5 18 00 09 00*22", 0, plenty, "0x7F")), "5/24/00");
    for (const auto* const cdb : {"28 20 00*8", "2A E0 00*8", "88 40 00*14", "8A 20 00*14",
                                  "AF 20 00*10", "9C 20 00*14", "2E 20 00*8"}) {
        const auto planned = plan(cdb, 0, plenty);
        EXPECT_EQ(verdict(planned), "5/24/00") << cdb;
        EXPECT_EQ(planned.error().why, Refused::unsupported) << cdb;
        EXPECT_EQ(planned.error().sense.field, (FieldPointer{true, 1, std::uint8_t{7}})) << cdb;
    }
    EXPECT_EQ(verdict(plan("7F 00*6 18 00 09 20 00*21", 0, plenty, "0x7F")), "5/24/00");
    // In other commands, these bits belong to the LBA or are ignored.
    EXPECT_EQ(verdict(plan("08 E0 00 00 01 00", 0, plenty)), "in 512");
    EXPECT_EQ(verdict(plan("35 E0 00*8", 0, plenty)), "none 0");
    EXPECT_EQ(verdict(plan("28 18 00*5 00 01 00", 0, plenty)), "in 512") << "DPO and FUA pass";
}

TEST(Passthrough, VariableLengthMustBeValidAndSendable) {
    const auto says = [](std::string_view cdb) { return verdict(plan(cdb, 0, plenty, "0x7F")); };
    EXPECT_EQ(says("7F 00*6 18 80 01 00*22"), fmt::format("5/24/00"))
        << "the buffers exceed the path's limit";
    EXPECT_EQ(verdict(plan("7F 00*6 18 80 01 00*22", 0, 16, "0x7F")), "in 16");
    EXPECT_EQ(verdict(plan("7F 00*6 04 80 01 00*2", 0, 16, "0x7F")), "in 16");
    for (const auto* const cdb :
         {"7F 00*6 00 80 01 00*22", "7F 00*6 17 80 01 00*22", "7F 00*6 1C 80 01 00*26",
          "7F 00*6 FC 80 01 00*250", "7F 00*6 18 80 01 00*21", "7F", "7F 00*6 18 80",
          "7F 00*6 14 00 09 00*18"})
        EXPECT_EQ(verdict(plan(cdb, 0, 16, "0x7F")), "5/24/00") << cdb;
}

TEST(Passthrough, AnEmptyCdbIsMalformed) {
    const auto planned = plan_passthrough(ByteView(), Allowed(), facts(), 0, 0);
    EXPECT_EQ(verdict(planned), "5/24/00");
    EXPECT_EQ(planned.error().why, Refused::malformed);
}

TEST(Passthrough, VerifyWithAReservedBytchkIsRefused) {
    for (const auto* const cdb : {"2F 04 00*5 00 01 00", "8F 04 00*14", "AF 04 00*10"})
        EXPECT_EQ(verdict(plan(cdb, plenty, 0)), "5/24/00") << cdb;
}

// ---- Served read-only.

TEST(Passthrough, ChangesToADiskServedReadOnlyAreRefused) {
    auto read_only = facts();
    read_only.read_only = true;
    for (const auto* const cdb : {"0A 00*3 01 00",
                                  "2A 00*9",
                                  "AA 00*11",
                                  "8A 00*15",
                                  "2E 00*9",
                                  "8E 00*15",
                                  "9C 00*15",
                                  "94 01 00*14",
                                  "94 02 00*14",
                                  "94 03 00*14",
                                  "94 04 00*12 01 00",
                                  "94 10 00*14",
                                  "95 08 00*14",
                                  "C1 00*15",
                                  "3B 00*9",
                                  "42 00*9",
                                  "15 00*5",
                                  "5F 00*9",
                                  "04 00*5",
                                  "48 03 00*8",
                                  "85 00*15",
                                  "9E 18 00*14",
                                  "7F 00*6 18 80 00 00*22",
                                  "93 00*15"}) {
        const auto planned =
            plan(cdb, 0, 0,
                 "0xC1,write-buffer,unmap,mode-select,persistent-reserve-out,format-unit,sanitize,"
                 "ata-pass-through,remove-element,0x7F,write-same,zone-activate",
                 read_only);
        EXPECT_EQ(verdict(planned), "7/27/00") << cdb;
        EXPECT_EQ(planned.error().why, Refused::read_only) << cdb;
    }
    for (const auto* const cdb : {"00 00*5", "03 00*5", "12 00*5", "08 00*5", "28 00*9", "2F 00*9",
                                  "35 00*9", "91 00*15", "95 00*15", "9E 10 00*14", "1A 00*5",
                                  "5A 00*9", "4D 00*9", "A3 0C 00*10", "25 00*9", "34 00*9"})
        EXPECT_TRUE(plan(cdb, 0, plenty, "0xC1", read_only)) << cdb;
}

// ---- Zones.

ZoneEffect effect(std::string_view cdb, std::string_view allow = "0xC1") {
    const auto planned = plan(cdb, plenty, 0, allow);
    if (planned) return planned->effect;
    const auto reading = plan(cdb, 0, plenty, allow);
    EXPECT_TRUE(reading) << cdb << ": " << verdict(planned);
    return reading ? reading->effect : ZoneEffect{};
}

ZoneEffect blocks(ZoneTouch touch, std::uint64_t lba, std::uint64_t count) {
    ZoneEffect effect;
    effect.touch = touch;
    effect.lba = lba;
    effect.blocks = count;
    return effect;
}

TEST(Passthrough, ReadsAndWritesHaveTheirBlockRange) {
    using enum ZoneTouch;
    EXPECT_EQ(effect("08 FF 12 34 00 00"), blocks(reads, 0x1F1234, 256));
    EXPECT_EQ(effect("0A 01 12 34 02 00"), blocks(writes, 0x11234, 2));
    EXPECT_EQ(effect("28 00 01 02 03 04 00 00 08 00"), blocks(reads, 0x01020304, 8));
    EXPECT_EQ(effect("2A 00 FF FF FF FF 00 00 08 00"), blocks(writes, 0xFFFFFFFF, 8));
    EXPECT_EQ(effect("A8 00 01 02 03 04 00 00 00 08 00 00"), blocks(reads, 0x01020304, 8));
    EXPECT_EQ(effect("AA 00 01 02 03 04 00 00 00 08 00 00"), blocks(writes, 0x01020304, 8));
    EXPECT_EQ(effect("88 00 01 02 03 04 05 06 07 08 00 00 00 08 00 00"),
              blocks(reads, 0x0102030405060708, 8));
    EXPECT_EQ(effect("8A 00 01 02 03 04 05 06 07 08 00 00 00 08 00 00"),
              blocks(writes, 0x0102030405060708, 8));
    EXPECT_EQ(effect("2E 00 01 02 03 04 00 00 08 00"), blocks(writes, 0x01020304, 8));
    EXPECT_EQ(effect("2F 00 01 02 03 04 00 00 08 00"), blocks(reads, 0x01020304, 8));
    EXPECT_EQ(effect("8F 02 00*7 09 00 00 00 08 00 00"), blocks(reads, 9, 8));
    EXPECT_EQ(effect("34 00 01 02 03 04 00 00 08 00"), blocks(reads, 0x01020304, 8));
    EXPECT_EQ(effect("9C 00*8 09 FF FF 00 08 00 00"), blocks(writes, 9, 8));
    EXPECT_EQ(effect("89 00*8 09 00 00 00 02 00 00", "compare-and-write"), blocks(writes, 9, 2));
    EXPECT_EQ(effect("93 00*8 09 00 01 00 00 00 00", "write-same"), blocks(writes, 9, 65536));
    EXPECT_EQ(effect("7F 00*6 18 00 0B 00 00 00*7 07 00*8 00 00 00 02", "0x7F"),
              blocks(writes, 7, 2));
    EXPECT_EQ(effect("7F 00*6 18 00 09 00 00 00*7 07 00*8 00 00 00 02", "0x7F"),
              blocks(reads, 7, 2));
}

TEST(Passthrough, ZoneActionsHaveTheirZones) {
    const auto acts = [](std::uint64_t lba, std::uint32_t zones, bool all,
                         std::optional<Operation> operation) {
        ZoneEffect effect;
        effect.touch = ZoneTouch::acts;
        effect.lba = lba;
        effect.zones = zones;
        effect.all = all;
        effect.operation = operation;
        return effect;
    };
    EXPECT_EQ(effect("94 01 00*6 12 34 00*6"), acts(0x1234, 1, false, Operation::close));
    EXPECT_EQ(effect("94 02 00*6 12 34 00*6"), acts(0x1234, 1, false, Operation::finish));
    EXPECT_EQ(effect("94 03 00*6 12 34 00 00 00 05 00 00"),
              acts(0x1234, 5, false, Operation::open));
    EXPECT_EQ(effect("94 04 00*6 12 34 00 00 00 01 00 00"),
              acts(0x1234, 1, false, Operation::reset));
    EXPECT_EQ(effect("94 04 FF*8 00 00 FF FF 01 00"), acts(0, 1, true, Operation::reset))
        << "with ALL, the zone id and the count are ignored";
    EXPECT_EQ(effect("94 10 00*6 12 34 00*6"), acts(0x1234, 1, false, std::nullopt));
}

TEST(Passthrough, CommandsOfUnknownEffectMayTouchEverything) {
    for (const auto* const cdb :
         {"C1 00*15", "04 00*5", "42 00*9", "48 03 00*8", "3B 00*9", "85 00*15", "83 01 00*14",
          "93 00*15", "93 01 00*14", "7F 00*6 18 80 00 00*22", "9F 12 00*14", "95 08 00*14",
          "9E 18 00*14", "1D 00*5"}) {
        const auto planned = plan(cdb, 512, 0,
                                  "0xC1,format-unit,unmap,sanitize,write-buffer,ata-pass-through,"
                                  "extended-copy,write-same,0x7F,write-scattered,zone-activate,"
                                  "remove-element,send-diagnostic");
        ASSERT_TRUE(planned) << cdb << verdict(planned);
        EXPECT_EQ(planned->effect.touch, ZoneTouch::everything) << cdb;
    }
    EXPECT_EQ(effect("35 00*9").touch, ZoneTouch::flushes);
    EXPECT_EQ(effect("91 00*15").touch, ZoneTouch::flushes);
    EXPECT_EQ(effect("95 00*15").touch, ZoneTouch::none);
    EXPECT_EQ(effect("12 00*5").touch, ZoneTouch::none);
}

TEST(Passthrough, ARangeBeyondTheLargestLbaIsRefused) {
    const auto planned = plan("8A 00 FF*8 00 00 00 02 00 00", plenty, 0);
    EXPECT_EQ(verdict(planned), "5/21/00");
    EXPECT_EQ(planned.error().sense.information, ~std::uint64_t{0});
    EXPECT_EQ(verdict(plan("8A 00 FF*8 00 00 00 01 00 00", plenty, 0)), "5/21/00");
    EXPECT_EQ(verdict(plan("8A 00 FF*8 00 00 00 00 00 00", plenty, 0)), "none 0");
    EXPECT_EQ(verdict(plan("8A 00 FF*7 FE 00 00 00 01 00 00", plenty, 0)), "out 512");
}

// ---- Time limits.

TEST(Passthrough, EveryCommandHasATimeLimitOfItsKind) {
    const auto limit = [](std::string_view cdb, std::string_view allow = "0xC1") {
        const auto planned = plan(cdb, 0, 0, allow);
        return planned ? planned->limit_ms : 0;
    };
    EXPECT_EQ(limit("00 00*5"), discovery_limit_ms);
    EXPECT_EQ(limit("28 00*9"), data_limit_ms);
    EXPECT_EQ(limit("8A 00*15"), data_limit_ms);
    EXPECT_EQ(limit("91 00*15"), flush_limit_ms);
    EXPECT_EQ(limit("95 00*15"), report_limit_ms);
    EXPECT_EQ(limit("94 04 00*14"), action_limit_ms(Operation::reset, false));
    EXPECT_EQ(limit("94 02 00*14"), action_limit_ms(Operation::finish, false));
    EXPECT_EQ(limit("94 02 00*12 01 00"), action_limit_ms(Operation::finish, true));
    EXPECT_EQ(limit("94 04 00*10 00 02 00 00"), action_limit_ms(Operation::reset, true))
        << "several zones get the limit for all zones";
    EXPECT_EQ(limit("94 10 00*14"), action_limit_ms(Operation::finish, false));
    EXPECT_EQ(limit("04 00*5", "format-unit"), medium_limit_ms);
    EXPECT_EQ(limit("48 03 00*8", "sanitize"), medium_limit_ms);
    EXPECT_EQ(limit("C1 00*15"), many_limit_ms);
    for (const auto& command : all_commands()) EXPECT_GE(command.limit_ms, 30'000U);
}

// ---- Random commands.

/// An initiator that sends random commands: those that pass are allowed, and their plans fit.
TEST(Passthrough, EveryPlanFitsItsBuffersAndThePath) {
    std::mt19937_64 random(0x5EED);
    const std::array allowed{Allowed(), parse_allowed("0x7F,0xC1,write-same,unmap,sanitize,"
                                                      "ata-pass-through,security-protocol-in,"
                                                      "write-buffer,compare-and-write,0x9E")
                                            .value()};
    std::array<std::size_t, 2> planned{};
    for (int turn = 0; turn < 300'000; ++turn) {
        const auto which = static_cast<std::size_t>(turn & 1);
        Bytes cdb(random() % 4 == 0 ? random() % 261 : 32);
        const auto dense = random() % 2 == 0;
        for (auto& byte : cdb)
            if (dense || random() % 4 == 0) byte = static_cast<std::uint8_t>(random());
        if (!cdb.empty() && random() % 4 != 0) {  // mostly a known command
            const auto all = all_commands();
            const auto& command = all[random() % all.size()];
            cdb[0] = command.opcode;
            if (cdb.size() > 1 && command.action)
                cdb[1] = static_cast<std::uint8_t>((cdb[1] & 0xE0) | (*command.action & 0x1F));
            if (cdb.size() >= 32 && command.opcode == 0x7F) {
                cdb[7] = 0x18;
                cdb[8] = 0;
                cdb[9] = static_cast<std::uint8_t>(command.action.value_or(0));
            }
        }
        auto facts = test::facts(random() % 2 == 0 ? 512 : 4096);
        facts.read_only = random() % 4 == 0;
        facts.has_block_limits = random() % 2 == 0;
        const auto bytes = random() % 3 == 0 ? random() : random() % (2 << 20);
        const std::uint64_t out = random() % 2 == 0 ? bytes : 0;
        const std::uint64_t in = out == 0 || random() % 16 == 0 ? bytes : 0;
        const auto plan = plan_passthrough(ByteView(cdb), allowed[which], facts, out, in);
        if (!plan) {
            const auto& refusal = plan.error();
            EXPECT_TRUE(refusal.delivery != Delivery::done || refusal.sense.code() != 0);
            continue;
        }
        ++planned[which];
        ASSERT_TRUE(allowed[which].passes(ByteView(cdb)));
        ASSERT_GE(plan->cdb_length, 6);
        ASSERT_LE(plan->cdb_length, Plan::max_cdb);
        ASSERT_EQ(plan->cdb[0], cdb[0]);
        ASSERT_NE(plan->limit_ms, 0U);
        ASSERT_LE(plan->length, facts.max_transfer);
        ASSERT_LE(plan->effect.lba + plan->effect.blocks, ~std::uint64_t{0});
        ASSERT_GE(plan->effect.lba + plan->effect.blocks, plan->effect.lba);
        if (plan->edit == Edit::none) {
            ASSERT_LE(plan->length, plan->direction == Direction::in    ? in
                                    : plan->direction == Direction::out ? out
                                                                        : 0);
        } else {
            ASSERT_LE(plan->length, max_edited_reply);
            ASSERT_LE(plan->reply_limit, in);
            Bytes reply(plan->length);
            for (auto& byte : reply) byte = static_cast<std::uint8_t>(random());
            if (reply.size() > 3 && random() % 2 == 0) reply[1] = cdb[2], reply[2] = 0;
            const auto end =
                edit_reply(*plan, facts, allowed[which], reply, random() % (reply.size() + 1));
            ASSERT_LE(end, reply.size());
            ASSERT_LE(end, plan->reply_limit);
        }
        if (facts.read_only) {
            ASSERT_TRUE(plan->command && !plan->command->changes);
        }
    }
    EXPECT_GT(planned[0], 10'000U);
    EXPECT_GT(planned[1], planned[0]) << "more commands pass if more are allowed";
}

}  // namespace
}  // namespace zonebridge::zbc::test
