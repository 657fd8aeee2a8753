#include "virtio/vhost_user/front_end_memory.h"

#include <gtest/gtest.h>

#include "tests/unit/virtio/echo_backend.h"
#include "tests/unit/virtio/messages.h"

namespace zonebridge::virtio {
namespace {

class FrontEndMemoryTest : public testing::Test {
  protected:
    static constexpr std::uint64_t memory_size = 0x200000;

    FrontEndMemoryTest() {
        EXPECT_TRUE(guest_.add(0, memory_size));
        EXPECT_TRUE(bits_.add(0, 0x1000));
    }
    [[nodiscard]] static Deadline soon() {
        return std::chrono::steady_clock::now() + std::chrono::seconds{20};
    }
    void share() {
        auto table = memory_.replaced_by(table_message(guest_));
        ASSERT_TRUE(table) << table.error();
        ASSERT_TRUE(memory_.move_to(std::move(*table), soon()));
    }
    /// A log of `bytes` bytes.
    [[nodiscard]] Message log_of(std::uint64_t bytes) const {
        return message_of(driver::pack(bytes, std::uint64_t{0}), {bits_.regions()[0].fd});
    }

    EchoBackend backend_;
    driver::SharedMemory guest_;
    driver::SharedMemory bits_;
    FrontEndMemory memory_{backend_};
    const std::vector<std::optional<std::uint64_t>> no_used_rings_{EchoBackend::queues};
};

TEST_F(FrontEndMemoryTest, ANewTableIsUnusedUntilTheBackendMovesToIt) {
    const auto table = memory_.replaced_by(table_message(guest_));
    ASSERT_TRUE(table) << table.error();
    EXPECT_EQ(memory_.guest().region_count(), 0U);
    EXPECT_TRUE(backend_.calls().empty());
    ASSERT_TRUE(memory_.move_to(*table, soon()));
    EXPECT_EQ(memory_.guest().region_count(), 1U);
    EXPECT_TRUE(backend_.called("memory 1"));
}

TEST_F(FrontEndMemoryTest, TheLogIsUsedOnlyWhileTheFeatureIsOn) {
    share();
    ASSERT_TRUE(memory_.set_log(log_of(0x1000), true));
    ASSERT_TRUE(memory_.update_log(false, no_used_rings_));
    EXPECT_FALSE(backend_.called("log on"));
    EXPECT_FALSE(backend_.called("log off")) << "it never was on";
    ASSERT_TRUE(memory_.update_log(true, no_used_rings_));
    EXPECT_TRUE(backend_.called("log on"));
    ASSERT_TRUE(memory_.update_log(false, no_used_rings_));
    EXPECT_EQ(backend_.calls().back(), "log off");
}

TEST_F(FrontEndMemoryTest, ALogThatDoesNotCoverTheMemoryIsRefused) {
    share();
    ASSERT_TRUE(memory_.set_log(log_of(memory_size / 4096 / 8 - 1), true));
    const auto updated = memory_.update_log(true, no_used_rings_);
    ASSERT_FALSE(updated);
    EXPECT_NE(updated.error().find("does not cover"), std::string::npos) << updated.error();
    EXPECT_FALSE(backend_.called("log on"));
    EXPECT_TRUE(memory_.update_log(false, no_used_rings_)) << "nothing to cover";
}

TEST_F(FrontEndMemoryTest, ALogHasToBeAFile) {
    EXPECT_FALSE(memory_.set_log(log_of(0x1000), false));
    EXPECT_FALSE(memory_.set_log(message_of(driver::pack(0x1000ull, 0ull)), true));
    EXPECT_TRUE(memory_.update_log(true, no_used_rings_)) << "there is none to use";
}

TEST_F(FrontEndMemoryTest, AnInflightRecordIsReturnedUnchanged) {
    const auto asked = driver::pack(0ull, 0ull, std::uint16_t{2}, std::uint16_t{16});
    const auto made = memory_.make_record(message_of(asked));
    ASSERT_TRUE(made) << made.error();
    EXPECT_EQ(made->payload.size(), asked.size());
    EXPECT_FALSE(memory_.record()) << "the front end has it";
    driver::Bytes payload(made->payload.begin(), made->payload.end());
    ASSERT_TRUE(memory_.set_record(message_of(payload, {made->fd.get()})));
    ASSERT_TRUE(memory_.record());
    EXPECT_EQ(memory_.record()->queues(), 2);
    EXPECT_EQ(memory_.record()->queue_size(), 16);
}

TEST_F(FrontEndMemoryTest, ReleaseUnmapsEverything) {
    share();
    ASSERT_TRUE(memory_.set_log(log_of(0x1000), true));
    memory_.release(soon());
    EXPECT_EQ(memory_.guest().region_count(), 0U);
    EXPECT_EQ(backend_.calls().back(), "memory 0");
    ASSERT_TRUE(memory_.update_log(true, no_used_rings_));
    EXPECT_FALSE(backend_.called("log on"));
    EXPECT_FALSE(memory_.undrained());
}

}  // namespace
}  // namespace zonebridge::virtio
