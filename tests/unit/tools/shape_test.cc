#include "tools/shape.h"

#include <gtest/gtest.h>

#include "base/size.h"

namespace zonebridge::tools {
namespace {

Limits zns() {
    Limits limits;
    limits.model = Model::host_managed;
    limits.layout = Layout(48 * MiB, 3 * MiB, 2 * MiB, 2U, ZoneType::sequential_write_required);
    limits.logical_block_size = 4096;
    limits.physical_block_size = 4096;
    limits.max_open = 4;
    limits.max_active = 6;
    return limits;
}

TEST(Shape, CopiesEveryPropertyOfTheDisk) {
    const auto shape = shape_like(zns(), {}, "d");
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->size, 48 * MiB);
    EXPECT_EQ(shape->zone_size, 3 * MiB);
    EXPECT_EQ(shape->zone_capacity, 2 * MiB);
    EXPECT_EQ(shape->conventional, 2U);
    EXPECT_EQ(shape->max_open, 4U);
    EXPECT_EQ(shape->max_active, 6U);
    EXPECT_EQ(shape->logical_block_size, 4096U);
    EXPECT_EQ(shape->model, Model::host_managed);
    EXPECT_TRUE(emulated::validate(*shape));
}

TEST(Shape, OptionsOverrideTheDisk) {
    ShapeOptions options;
    options.size = 12 * MiB;
    options.zone_size = MiB;
    options.conventional = 0;
    options.max_open = 3;
    options.block_size = 512;
    options.model = Model::host_aware;
    const auto shape = shape_like(zns(), options, "d");
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->size, 12 * MiB);
    EXPECT_EQ(shape->zone_capacity, std::nullopt);  // it would not fit the smaller zones
    EXPECT_EQ(shape->conventional, 0U);
    EXPECT_EQ(shape->max_open, 3U);
    EXPECT_EQ(shape->logical_block_size, 512U);
    EXPECT_EQ(shape->physical_block_size, 4096U);
    EXPECT_EQ(shape->model, Model::host_aware);
    EXPECT_TRUE(emulated::validate(*shape));
}

TEST(Shape, LimitsThatHaveNoEffectAreLeftOut) {
    ShapeOptions options;
    options.size = 15 * MiB;  // three sequential zones behind two conventional ones
    const auto shape = shape_like(zns(), options, "d");
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->max_open, std::nullopt);
    EXPECT_EQ(shape->max_active, std::nullopt);
    EXPECT_TRUE(emulated::validate(*shape));
}

TEST(Shape, WithoutZonesNoZonePropertyIsCopied) {
    ShapeOptions options;
    options.model = Model::none;
    const auto shape = shape_like(zns(), options, "d");
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->zone_size, 0U);
    EXPECT_TRUE(emulated::validate(*shape));
}

TEST(Shape, ConventionalZonesElsewhereNeedAnOption) {
    auto limits = zns();
    std::vector<bool> conventional(16);
    conventional[0] = conventional[9] = true;
    limits.layout =
        Layout(48 * MiB, 3 * MiB, 3 * MiB, conventional, ZoneType::sequential_write_required);
    const auto refused = shape_like(limits, {}, "/dev/sdz");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("/dev/sdz"), std::string::npos);
    EXPECT_NE(refused.error().message.find("--conventional"), std::string::npos);
    ShapeOptions options;
    options.conventional = 2;
    EXPECT_TRUE(shape_like(limits, options, "d"));
}

TEST(Shape, BlocksThatCannotBeEmulatedNeedAnOption) {
    auto limits = zns();
    limits.physical_block_size = 16384;
    const auto refused = shape_like(limits, {}, "d");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("--physical-block-size"), std::string::npos);
    ShapeOptions options;
    options.physical_block_size = 4096;
    EXPECT_TRUE(shape_like(limits, options, "d"));
}

}  // namespace
}  // namespace zonebridge::tools
