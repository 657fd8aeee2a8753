#include "zbc/mode.h"

#include "tests/unit/zbc/support.h"
#include "zbc/supported_commands.h"

namespace zonebridge::zbc::test {
namespace {

Unit make_unit(bool read_only = false, bool fua = true) {
    Unit unit;
    unit.model = Model::host_managed;
    unit.blocks = 0x80000;
    unit.block_size = 4096;
    unit.read_only = read_only;
    unit.fua = fua;
    return unit;
}

struct Sensed {
    Bytes bytes;
    std::string words;
};

Sensed mode_sense(const Bytes& cdb, const ModeValues& values = {}, const Unit& unit = make_unit()) {
    Bytes bytes(max_mode_length, 0xEE);
    const auto length = encode_mode_sense(unit, values, ByteView(cdb), bytes);
    bytes.resize(length.value_or(0));
    return {bytes, length ? "good" : words(length.error())};
}

constexpr ModeValues with_descriptors{.descriptor_sense = true};

constexpr auto recovery = "01 0a c0 00*9 ";
constexpr auto caching = "08 12 04 00*17 ";
constexpr auto control = "0a 0a 00 10 00 00 00 00 ff ff 00 00 ";
constexpr auto exceptions = "1c 0a 08 00*9 ";

std::string all(const std::string& header) {
    return header + recovery + caching + control + exceptions;
}

TEST(ModeSense, AllPagesInBothForms) {
    EXPECT_EQ(mode_sense(hex("1a 08 3f 00 ff 00")).bytes, hex(all("3b 00 10 00 ")));
    EXPECT_EQ(mode_sense(hex("1a 00 3f ff ff 00")).bytes,
              hex(all("43 00 10 08 00 08 00 00 00 00 10 00 ")));
    EXPECT_EQ(mode_sense(hex("5a 08 3f 00 00 00 00 00 ff 00")).bytes,
              hex(all("00 3e 00 10 00 00 00 00 ")));
    EXPECT_EQ(mode_sense(hex("5a 10 3f 00 00 00 00 00 ff 00")).bytes,
              hex(all("00 4e 00 10 01 00 00 10 00 00 00 00 00 08 00 00 00*4 00 00 10 00 ")));
}

TEST(ModeSense, ASinglePageIsReturned) {
    EXPECT_EQ(mode_sense(hex("1a 08 08 00 ff 00")).bytes,
              hex(std::string("17 00 10 00 ") + caching));
    EXPECT_EQ(mode_sense(hex("1a 08 0a 00 ff 00")).bytes,
              hex(std::string("0f 00 10 00 ") + control));
    EXPECT_EQ(mode_sense(hex("1a 08 0a 00 ff 00"), with_descriptors).bytes,
              hex("0f 00 10 00 0a 0a 04 10 00 00 00 00 ff ff 00 00"));
}

TEST(ModeSense, CurrentValuesAreThoseTheInitiatorSet) {
    EXPECT_EQ(mode_sense(hex("1a 08 08 00 ff 00"), {.write_cache = false}).bytes,
              hex("17 00 10 00 08 12 00*18"));
    EXPECT_EQ(mode_sense(hex("1a 08 0a 00 ff 00"), {.software_write_protect = true}).bytes,
              hex("0f 00 90 00 0a 0a 00 10 08 00 00 00 ff ff 00 00"))
        << "WP in the header as well";
}

TEST(ModeSense, TheHeaderHasWriteProtectionAndFua) {
    const auto specific = [](bool read_only, bool fua) {
        return mode_sense(hex("1a 08 08 00 ff 00"), {}, make_unit(read_only, fua)).bytes[2];
    };
    EXPECT_EQ(specific(false, false), 0x00);
    EXPECT_EQ(specific(false, true), 0x10);
    EXPECT_EQ(specific(true, true), 0x90);
}

TEST(ModeSense, ChangeableAndDefaultValuesAreReturnedAndSavedOnesRefused) {
    EXPECT_EQ(mode_sense(hex("1a 08 4a 00 ff 00"), with_descriptors).bytes,
              hex("0f 00 10 00 0a 0a 04 00 08 00*7"));
    EXPECT_EQ(mode_sense(hex("1a 08 48 00 ff 00")).bytes, hex("17 00 10 00 08 12 04 00*17"));
    EXPECT_EQ(mode_sense(hex("1a 08 8a 00 ff 00"), with_descriptors).bytes,
              hex(std::string("0f 00 10 00 ") + control));
    EXPECT_EQ(mode_sense(hex("1a 08 88 00 ff 00"), {.write_cache = false}).bytes,
              hex(std::string("17 00 10 00 ") + caching));
    EXPECT_EQ(mode_sense(hex("1a 08 ca 00 ff 00")).words, "5/39/00");
    EXPECT_EQ(mode_sense(hex("5a 08 ff ff 00 00 00 00 ff 00")).words, "5/39/00");
}

TEST(ModeSense, AbsentPagesAreRefused) {
    EXPECT_EQ(mode_sense(hex("1a 08 02 00 ff 00")).words, "5/24/00");
    EXPECT_EQ(mode_sense(hex("1a 08 0a 01 ff 00")).words, "5/24/00");
    EXPECT_EQ(mode_sense(hex("1a 08 3f 01 ff 00")).words, "5/24/00");
}

std::string mode_select(const Bytes& cdb, const Bytes& list, bool before = false) {
    const auto after = decode_mode_select(make_unit(), {.descriptor_sense = before}, ByteView(cdb),
                                          ByteView(list));
    if (!after) return words(after.error());
    std::string what = after->descriptor_sense ? "descriptor" : "fixed";
    if (after->software_write_protect) what += " protected";
    if (!after->write_cache) what += " through";
    return what;
}

const Bytes select6 = hex("15 10 00 00 ff 00");
const Bytes select10 = hex("55 10 00*6 ff 00");

TEST(ModeSelect, SetsAndClearsDescriptorSense) {
    const auto set = hex("00*4 0a 0a 04 10 00 00 00 00 ff ff 00 00");
    const auto clear = hex("00*4 0a 0a 00 10 00 00 00 00 ff ff 00 00");
    EXPECT_EQ(mode_select(select6, set), "descriptor");
    EXPECT_EQ(mode_select(select6, clear, true), "fixed");
    EXPECT_EQ(mode_select(select6, {}, true), "descriptor") << "an empty list changes nothing";
    auto with_descriptor = hex("00 00 10 08 00*4 00 00 10 00");
    with_descriptor.insert(with_descriptor.end(), set.begin() + 4, set.end());
    EXPECT_EQ(mode_select(select6, with_descriptor), "descriptor");
    auto long_form = hex("00*8");
    long_form.insert(long_form.end(), set.begin() + 4, set.end());
    EXPECT_EQ(mode_select(select10, long_form), "descriptor");
    EXPECT_EQ(mode_select(select10, hex("00 00 00 00 01 00 00 10 00*8 00*4 00 00 10 00")), "fixed");
}

TEST(ModeSelect, SwitchesTheWriteCacheAndSoftwareWriteProtection) {
    EXPECT_EQ(mode_select(select6, hex("00*4 08 12 00*18")), "fixed through");
    EXPECT_EQ(mode_select(select6, hex("00*4 08 12 04 00*17")), "fixed");
    EXPECT_EQ(mode_select(select6, hex("00*4 0a 0a 00 10 08 00 00 00 ff ff 00 00")),
              "fixed protected");
    EXPECT_EQ(mode_select(select10, hex("00*8 08 12 00*18 0a 0a 04 10 08 00 00 00 ff ff 00 00")),
              "descriptor protected through");
}

TEST(ModeSelect, AcceptsWhatModeSenseReturned) {
    const ModeValues all{
        .descriptor_sense = true, .software_write_protect = true, .write_cache = false};
    auto list = mode_sense(hex("5a 00 3f 00 00 00 00 00 ff 00"), all).bytes;
    list[0] = list[1] = 0;
    EXPECT_EQ(mode_select(select10, list), "descriptor protected through");
}

TEST(ModeSelect, RefusesChangesToFixedValues) {
    EXPECT_EQ(mode_select(select6, hex("00*4 08 12 05 00*17")), "5/26/00") << "read cache off";
    EXPECT_EQ(mode_select(select6, hex("00*4 88 12 04 00*17")), "fixed") << "PS is ignored";
    EXPECT_EQ(mode_select(select6, hex("00*4 0a 0a 04 11 00 00 00 00 ff ff 00 00")), "5/26/00");
    EXPECT_EQ(mode_select(select6, hex("00*4 02 0a 00*10")), "5/26/00") << "no such page";
    EXPECT_EQ(mode_select(select6, hex("00*4 4a 01 00 06 00*6")), "5/26/00") << "a subpage";
    EXPECT_EQ(mode_select(select6, hex("00*4 0a 0b 00*11")), "5/26/00")
        << "a page of another length";
    EXPECT_EQ(mode_select(select6, hex("00 00 00 08 00*4 00 00 02 00")), "5/26/00")
        << "512-byte blocks";
    EXPECT_EQ(mode_select(select6, hex("00 00 00 07 00*7")), "5/26/00");
    EXPECT_EQ(mode_select(hex("15 11 00 00 ff 00"), {}), "5/24/00") << "nothing can be saved";
    EXPECT_EQ(mode_select(hex("15 00 00 00 ff 00"), {}), "5/24/00") << "not in page format";
}

TEST(ModeSelect, EveryTruncatedListIsALengthErrorOrComplete) {
    const auto list = hex("00 00 10 08 00*4 00 00 10 00 0a 0a 04 10 00 00 00 00 ff ff 00 00");
    for (std::size_t size = 1; size < list.size(); ++size) {
        const auto said =
            mode_select(select6, Bytes(list.begin(), list.begin() + static_cast<int>(size)));
        if (size == 12)
            EXPECT_EQ(said, "fixed");
        else
            EXPECT_EQ(said, "5/1A/00") << size;
    }
    EXPECT_EQ(mode_select(select6, Bytes(max_mode_parameters + 1)), "5/1A/00");
}

// ---- REPORT SUPPORTED OPERATION CODES

Sensed opcodes(const Bytes& cdb, bool zoned = true) {
    Bytes bytes(max_opcodes_length, 0xEE);
    const auto length = encode_supported_opcodes(zoned, ByteView(cdb), bytes);
    bytes.resize(length.value_or(0));
    return {bytes, length ? "good" : words(length.error())};
}

TEST(SupportedOpcodes, OneCommandIsDescribedWithAndWithoutServiceAction) {
    EXPECT_EQ(opcodes(hex("a3 0c 01 88 00 00 00 00 04 00 00 00")).bytes,
              hex("00 03 00 10 88 f8 ff*12 3f 00"));
    EXPECT_EQ(opcodes(hex("a3 0c 02 95 00 00 00 00 04 00 00 00")).bytes,
              hex("00 03 00 10 95 00 ff*12 bf 00"));
    EXPECT_EQ(opcodes(hex("a3 0c 82 94 00 04 00 00 04 00 00 00")).bytes,
              hex("00 83 00 10 94 04 ff*8 00 00 ff ff 01 00 00 0a 00 00 00 00 00 05 00 00 00 b4"));
    EXPECT_EQ(opcodes(hex("a3 0c 03 94 00 03 00 00 04 00 00 00")).bytes[1], 3);
    EXPECT_EQ(opcodes(hex("a3 0c 03 12 00 00 00 00 04 00 00 00")).bytes[1], 3);
}

TEST(SupportedOpcodes, AbsentCommandsAreReportedAsNotSupported) {
    const auto not_supported = hex("00 01 00 00");
    EXPECT_EQ(opcodes(hex("a3 0c 01 42 00 00 00 00 04 00 00 00")).bytes, not_supported);
    EXPECT_EQ(opcodes(hex("a3 0c 02 94 00 10 00 00 04 00 00 00")).bytes, not_supported);
    EXPECT_EQ(opcodes(hex("a3 0c 03 12 00 01 00 00 04 00 00 00")).bytes, not_supported);
    EXPECT_EQ(opcodes(hex("a3 0c 03 95 00 00 00 00 04 00 00 00"), false).bytes, not_supported);
}

TEST(SupportedOpcodes, EveryCommandIsDescribedWithItsUsageAndTimeouts) {
    for (const auto& info : target_commands()) {
        auto cdb = hex("a3 0c 83 00 00 00 00 00 04 00 00 00");
        cdb[3] = info.opcode;
        cdb[5] = static_cast<std::uint8_t>(info.action.value_or(0));
        const auto by_any = opcodes(cdb).bytes;
        cdb[2] = info.action ? 0x82 : 0x81;
        const auto reply = opcodes(cdb).bytes;
        EXPECT_EQ(reply, by_any) << info.name;
        ASSERT_EQ(reply.size(), 4u + info.cdb_length + 12u) << info.name;
        const ByteView view(reply);
        EXPECT_EQ(view.be16(0), 0x0083u) << info.name;
        EXPECT_EQ(view.be16(2), info.cdb_length);
        for (std::size_t i = 0; i < info.cdb_length; ++i)
            EXPECT_EQ(view.u8(4 + i), info.target->usage[i]);
        EXPECT_EQ(view.be16(4 + info.cdb_length), 10);
        EXPECT_EQ(view.be32(12 + info.cdb_length), info.target->timeouts.recommended);
    }
}

TEST(SupportedOpcodes, SequentializeZoneIsNotSupported) {
    EXPECT_EQ(opcodes(hex("a3 0c 03 94 00 10 00 00 04 00 00 00")).bytes, hex("00 01 00 00"));
}

TEST(SupportedTaskManagement, ListsTheFunctionsOfTheFrontEnd) {
    const auto ask = [](const Bytes& cdb) {
        Bytes bytes(max_opcodes_length, 0xEE);
        bytes.resize(encode_supported_tmfs(ByteView(cdb), bytes));
        return bytes;
    };
    EXPECT_EQ(ask(hex("a3 0d 00 00 00 00 00 00 04 00 00 00")), hex("dc 03 00 00"));
    EXPECT_EQ(ask(hex("a3 0d 80 00 00 00 00 00 04 00 00 00")), hex("dc 03 00 0c 00*12"));
}

TEST(SupportedOpcodes, OptionsThatDoNotFitTheOpcodeAreRefused) {
    EXPECT_EQ(opcodes(hex("a3 0c 01 94 00 00 00 00 04 00 00 00")).words, "5/24/00");
    EXPECT_EQ(opcodes(hex("a3 0c 02 88 00 00 00 00 04 00 00 00")).words, "5/24/00");
    EXPECT_EQ(opcodes(hex("a3 0c 04 88 00 00 00 00 04 00 00 00")).words, "5/24/00");
}

TEST(SupportedOpcodes, TheListHoldsEveryCommandOnce) {
    for (const auto zoned : {false, true}) {
        for (const std::size_t each : {8, 20}) {
            const auto list =
                opcodes(each == 8 ? hex("a3 0c 00 00*9") : hex("a3 0c 80 00*9"), zoned).bytes;
            const ByteView view(list);
            ASSERT_EQ(view.be32(0) + 4u, list.size());
            ASSERT_EQ((list.size() - 4) % each, 0u);
            std::size_t at = 4;
            for (const auto& info : target_commands()) {
                if (info.target->zoned && !zoned) continue;
                EXPECT_EQ(view.u8(at), info.opcode);
                EXPECT_EQ(view.be16(at + 2), info.action.value_or(0));
                EXPECT_EQ(view.bit(at + 5, 0), info.action.has_value());
                EXPECT_EQ(view.bit(at + 5, 1), each == 20);
                EXPECT_EQ(view.be16(at + 6), info.cdb_length);
                if (each == 20) {
                    EXPECT_EQ(view.be16(at + 8), 10);
                    EXPECT_EQ(view.be32(at + 12), info.target->timeouts.nominal);
                    EXPECT_EQ(view.be32(at + 16), info.target->timeouts.recommended);
                    EXPECT_GT(info.target->timeouts.nominal, 0u) << info.name;
                    EXPECT_GT(info.target->timeouts.recommended, info.target->timeouts.nominal)
                        << info.name;
                }
                at += each;
            }
            EXPECT_EQ(at, list.size());
        }
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
