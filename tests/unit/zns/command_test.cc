#include "zns/command.h"

#include <gtest/gtest.h>

namespace zonebridge::zns {
namespace {

TEST(ZnsCommand, DataCommandsHavePositionLengthAndFua) {
    EXPECT_EQ(read(7, 0x1'2345'6789, 8), (Command{0x02, 7, 0x23456789, 1, 7, 0}));
    EXPECT_EQ(write(7, 0x1'2345'6789, 1, false), (Command{0x01, 7, 0x23456789, 1, 0, 0}));
    EXPECT_EQ(write(1, 0, max_blocks, true), (Command{0x01, 1, 0, 0, 0x4000'FFFF, 0}));
    EXPECT_EQ(append(1, 0x4000, 16, false), (Command{0x7D, 1, 0x4000, 0, 15, 0}));
    EXPECT_EQ(append(1, 0x4000, 16, true), (Command{0x7D, 1, 0x4000, 0, 0x4000'000F, 0}));
    EXPECT_EQ(flush(3), (Command{0x00, 3, 0, 0, 0, 0}));
}

TEST(ZnsCommand, ActionsNameOneZoneOrSelectAll) {
    EXPECT_EQ(act(1, Action::close, 0x4000), (Command{0x79, 1, 0x4000, 0, 0, 1}));
    EXPECT_EQ(act(1, Action::finish, 0x4000), (Command{0x79, 1, 0x4000, 0, 0, 2}));
    EXPECT_EQ(act(1, Action::open, 0x4000), (Command{0x79, 1, 0x4000, 0, 0, 3}));
    EXPECT_EQ(act(1, Action::reset, 0x1'0000'0000), (Command{0x79, 1, 0, 1, 0, 4}));
    EXPECT_EQ(act_on_all(1, Action::reset), (Command{0x79, 1, 0, 0, 0, 0x104}));
}

TEST(ZnsCommand, AReportIsPartialOfAllZonesWithItsLengthInDwords) {
    EXPECT_EQ(report(2, 0x8000, 4096), (Command{0x7A, 2, 0x8000, 0, 1023, 0x10000}));
}

}  // namespace
}  // namespace zonebridge::zns
