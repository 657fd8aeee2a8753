#include "layers/tag_table.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/support/hand_loop.h"
#include "transports/null/null.h"

namespace zonebridge::test {
namespace {

struct Slot {
    Slot* next = nullptr;
    std::uint64_t tag = 0;
};

TEST(TagTable, EachRequestInFlightHasASlotOfItsOwn) {
    TagTable<Slot> table(3);
    EXPECT_EQ(table.size(), 3U);
    std::set<Slot*> taken;
    for (int i = 0; i < 3; ++i) taken.insert(&table.take());
    EXPECT_EQ(taken.size(), 3U);
    auto& ended = **taken.begin();
    table.give_back(ended);
    EXPECT_EQ(&table.take(), &ended);
}

TEST(TagTable, ATagLeadsToItsSlotAndIsEven) {
    TagTable<Slot> table(2);
    auto& first = table.take();
    auto& second = table.take();
    EXPECT_NE(table.tag_of(first), table.tag_of(second));
    for (auto* slot : {&first, &second}) {
        EXPECT_EQ(&table.slot_of(table.tag_of(*slot)), slot);
        EXPECT_EQ(table.tag_of(*slot) & 1, 0U);
    }
}

// 64 is the number that is reaped at a time.
TEST(TagTable, EverythingBelowIsReaped) {
    constexpr std::size_t depth = 200;
    const auto disk = null::open(1 << 20);
    ASSERT_TRUE(disk);
    HandLoop loop;
    const auto below = (*disk)->open_queue(loop, {.depth = depth});
    ASSERT_TRUE(below);
    TagTable<Slot> table(depth);
    for (const std::size_t count : {0, 1, 63, 64, 65, 128, 200}) {
        std::set<std::uint64_t> sent;
        for (std::size_t i = 0; i < count; ++i) {
            auto& slot = table.take();
            slot.tag = 1000 + i;
            sent.insert(slot.tag);
            Request request;
            request.operation = Operation::flush;
            request.tag = table.tag_of(slot);
            ASSERT_EQ((*below)->submit({&request, 1}), 1U);
        }
        std::set<std::uint64_t> ended;
        table.reap(**below, [&](const Completion& completion) {
            auto& slot = table.slot_of(completion.tag);
            EXPECT_TRUE(ended.insert(slot.tag).second);
            table.give_back(slot);
        });
        EXPECT_EQ(ended, sent);
    }
}

}  // namespace
}  // namespace zonebridge::test
