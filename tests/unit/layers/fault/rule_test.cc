#include "layers/fault/rule.h"

#include <gtest/gtest.h>

#include "tests/unit/support/machine_disk.h"

namespace zonebridge::fault {
namespace {

using namespace std::chrono_literals;
using Effect = Rule::Effect;

Rule parsed(const std::string& text) {
    auto rule = parse_rule(text);
    EXPECT_TRUE(rule) << text << ": " << rule.error();
    return rule.value_or(Rule{});
}

TEST(Rule, ParsesEveryPartOfTheGrammar) {
    auto rule = parsed("zone=7,state=read-only,after=100");
    EXPECT_EQ(rule.text, "zone=7,state=read-only,after=100");
    EXPECT_EQ(rule.zones, (Rule::Zones{7, 7}));
    EXPECT_EQ(rule.effect, Effect::read_only);
    EXPECT_EQ(rule.state(), ZoneState::read_only);
    EXPECT_EQ(rule.after, 100U);
    EXPECT_EQ(rule.operations, data_operations());
    EXPECT_TRUE(rule.lasts());

    rule = parsed("error=media,offset=1M+8K,operation=read+report,count=3,probability=0.5%,seed=9");
    EXPECT_EQ(rule.spot, (Rule::Spot{1 << 20, 8192}));
    EXPECT_EQ(rule.effect, Effect::media_error);
    EXPECT_EQ(rule.operations, Operations().add(Operation::read).add(Operation::report));
    EXPECT_EQ(rule.count, 3U);
    EXPECT_DOUBLE_EQ(rule.probability.value_or(0), 0.005);
    EXPECT_EQ(rule.seed, 9U);
    EXPECT_FALSE(rule.lasts());

    EXPECT_EQ(parsed("offset=512,error=io").spot, (Rule::Spot{512, std::nullopt}));
    EXPECT_EQ(parsed("zone=3-9,state=offline").zones, (Rule::Zones{3, 9}));
    EXPECT_EQ(parsed("error=gone").effect, Effect::gone);
    EXPECT_EQ(parsed("latency=10ms").latency, 10ms);
    EXPECT_EQ(parsed("latency=3s").latency, 3s);
    EXPECT_EQ(parsed("latency=250us").latency, 250us);
    EXPECT_TRUE(parsed("latency=1s,operation=any").operations.has(Operation::flush));
    EXPECT_TRUE(parsed("error=io,operation=write-zeroes").operations.has(Operation::write_zeroes));
}

TEST(Rule, AStateWithoutATriggerActsAtOnce) {
    EXPECT_TRUE(parsed("zone=7,state=offline").at_once);
    EXPECT_TRUE(parsed("state=read-only").at_once);
    EXPECT_FALSE(parsed("zone=7,state=offline,after=0").at_once)
        << "this rule acts at the first request";
    EXPECT_FALSE(parsed("zone=7,state=offline,operation=reset").at_once);
    EXPECT_FALSE(parsed("zone=7,state=offline,probability=1%").at_once);
    EXPECT_FALSE(parsed("error=gone").at_once);
}

TEST(Rule, ErrorsNameWhatIsWrongAndWhatIsPossible) {
    const std::pair<const char*, const char*> wrong[] = {
        {"", "KEY=VALUE"},
        {"zone=7", "state="},
        {"zone", "'zone' is not KEY=VALUE"},
        {"zone=7,state=read-only,", "KEY=VALUE"},
        {"zones=7,error=io", "'zones'"},
        {"zone=x,error=io", "zone=x"},
        {"zone=9-7,error=io", "zone=9-7"},
        {"zone=7-,error=io", "zone=7-"},
        {"zone=99999999999,error=io", "99999999999"},
        {"zone=-1,error=io", "zone=-1"},
        {"offset=x,error=io", "'x'"},
        {"offset=4K+0,error=io", "the length must be more than 0"},
        {"offset=4K+1Q,error=io", "'1Q'"},
        {"offset=8000000T+16000000T,error=io", "end"},
        {"state=full,zone=1", "read-only or offline"},
        {"error=media_error", "media, io or gone"},
        {"latency=10", "latency=10"},
        {"latency=ms", "10ms"},
        {"latency=0s", "latency=0s"},
        {"latency=601s", "ten minutes"},
        {"latency=99999999999999999999s", "ten minutes"},
        {"error=io,operation=writes", "write-zeroes"},
        {"error=io,operation=", "''"},
        {"error=io,operation=read+", "''"},
        {"error=io,after=-1", "after=-1"},
        {"error=io,count=0", "from 1 on"},
        {"error=io,probability=5", "probability=5"},
        {"error=io,probability=0%", "above 0%"},
        {"error=io,probability=101%", "100%"},
        {"error=io,probability=nan%", "nan%"},
        {"error=io,probability=5%x", "5%x"},
        {"error=io,seed=1", "probability="},
        {"error=io,error=media", "twice"},
        {"error=io,latency=1s", "a rule of its own"},
        {"zone=1,offset=4K,error=io", "not both"},
        {"offset=4K,state=offline", "zone="},
        {"zone=1,state=offline,count=1", "count="},
        {"error=gone,count=1", "error=gone"},
        {"zone=1,error=io,operation=flush", "flush"},
    };
    for (const auto& [text, named] : wrong) {
        const auto rule = parse_rule(text);
        ASSERT_FALSE(rule) << text;
        EXPECT_NE(rule.error().find(named), std::string::npos) << text << ": " << rule.error();
    }
}

TEST(Rule, ARuleThatCannotActOnADiskSaysWhy) {
    const auto fault = [](const char* text, const test::MachineDiskShape& shape) {
        return find_fault(parsed(text), limits_of(shape)).value_or("");
    };
    const test::MachineDiskShape zoned{.zones = 16};
    const test::MachineDiskShape plain{.model = Model::none};
    EXPECT_EQ(fault("zone=15,state=offline", zoned), "");
    EXPECT_NE(fault("zone=16,state=offline", zoned).find("16 zones, 0 to 15"), std::string::npos);
    EXPECT_NE(fault("zone=3-16,error=io", zoned).find("16 zones"), std::string::npos);
    EXPECT_NE(fault("state=offline", plain).find("no zones"), std::string::npos);
    EXPECT_NE(fault("zone=0,error=io", plain).find("no zones"), std::string::npos);
    EXPECT_EQ(fault("offset=0,error=io", plain), "");
    EXPECT_EQ(fault("offset=1048064,error=io", zoned), "");
    EXPECT_NE(fault("offset=1M,error=io", zoned).find("ends at 1M"), std::string::npos);
    EXPECT_NE(fault("offset=1020K+5K,error=io", zoned).find("ends at"), std::string::npos);
    EXPECT_NE(fault("error=io,operation=append", zoned).find("no such"), std::string::npos);
    EXPECT_NE(fault("error=io,operation=reset+discard", plain).find("no such"), std::string::npos);
    EXPECT_EQ(fault("error=io,operation=reset+read", plain), "");
}

}  // namespace
}  // namespace zonebridge::fault
