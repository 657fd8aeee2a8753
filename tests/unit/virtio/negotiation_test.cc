#include "virtio/vhost_user/negotiation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/virtio/echo_backend.h"
#include "tests/unit/virtio/messages.h"
#include "virtio/ring.h"

namespace zonebridge::virtio {
namespace {

class NegotiationTest : public testing::Test {
  protected:
    static constexpr std::uint64_t good = feature::version_1 | EchoBackend::own_feature;

    /// SET_FEATURES; false if the Backend refused.
    bool accept(std::uint64_t features) {
        const auto wanted = negotiation_.features_of(number(features));
        EXPECT_TRUE(wanted) << wanted.error();
        return negotiation_.accept(*wanted);
    }

    EchoBackend backend_;
    Negotiation negotiation_{backend_};
};

TEST_F(NegotiationTest, TheBackendSeesItsOwnFeaturesOnly) {
    EXPECT_EQ(negotiation_.offered(),
              backend_.features() | feature::log_all | feature::protocol_features);
    EXPECT_FALSE(negotiation_.accepted());
    ASSERT_TRUE(accept(good | feature::log_all | feature::protocol_features));
    EXPECT_EQ(backend_.calls(), std::vector{fmt::format("features {:#x}", good)});
    EXPECT_EQ(negotiation_.accepted(), good | feature::log_all | feature::protocol_features);
    EXPECT_TRUE(negotiation_.wants_log());
}

TEST_F(NegotiationTest, TheBackendIsCalledOnlyWhenTheDeviceChanges) {
    EXPECT_TRUE(negotiation_.changes_device(good));
    ASSERT_TRUE(accept(good));
    EXPECT_FALSE(negotiation_.changes_device(good | feature::log_all));
    ASSERT_TRUE(accept(good | feature::log_all));
    EXPECT_EQ(backend_.calls().size(), 1U);
    EXPECT_TRUE(negotiation_.wants_log());
    EXPECT_TRUE(negotiation_.changes_device(feature::version_1));
}

TEST_F(NegotiationTest, RefusedFeaturesAreNotAcceptedAndShowInTheStatus) {
    ASSERT_TRUE(accept(good));
    const auto ready = device_status::driver | device_status::features_ok;
    ASSERT_EQ(negotiation_.set_status(number(ready)), false);
    EXPECT_EQ(negotiation_.status(), ready);
    EXPECT_FALSE(accept(good | EchoBackend::refused_feature));
    EXPECT_EQ(negotiation_.refusal(), "not this one");
    EXPECT_FALSE(negotiation_.accepted());
    EXPECT_EQ(negotiation_.status(), device_status::driver);
    ASSERT_TRUE(accept(good));
    EXPECT_FALSE(negotiation_.refusal());
    EXPECT_EQ(negotiation_.status(), ready);
}

TEST_F(NegotiationTest, UnofferedFeaturesAreDroppedUnlessTheyChangeTheRing) {
    EXPECT_EQ(negotiation_.features_of(number(good | 1ull << 2)), good);
    for (const auto bit : {feature::access_platform, feature::ring_packed, feature::in_order})
        EXPECT_FALSE(negotiation_.features_of(number(good | bit))) << bit;
    EXPECT_FALSE(negotiation_.features_of(message_of({})));
}

TEST_F(NegotiationTest, StatusZeroResetsOnceAndOnlyTheLowByteCounts) {
    EXPECT_EQ(negotiation_.set_status(number(0)), false) << "it was 0";
    EXPECT_EQ(negotiation_.set_status(number(1)), false);
    EXPECT_EQ(negotiation_.set_status(number(0)), true);
    EXPECT_EQ(negotiation_.set_status(number(0)), false);
    EXPECT_FALSE(negotiation_.set_status(number(256)));
}

TEST_F(NegotiationTest, AResetKeepsTheProtocolsFeatures) {
    ASSERT_TRUE(negotiation_.set_protocol_features(
        number(protocol_feature::status | protocol_feature::reply_ack | 1ull << 60)));
    EXPECT_FALSE(negotiation_.has_protocol(1ull << 60));
    ASSERT_TRUE(accept(good));
    ASSERT_TRUE(negotiation_.set_status(number(1)));
    negotiation_.reset();
    EXPECT_FALSE(negotiation_.accepted());
    EXPECT_EQ(negotiation_.status(), 0);
    EXPECT_TRUE(negotiation_.has_protocol(protocol_feature::status | protocol_feature::reply_ack));
    EXPECT_FALSE(negotiation_.has_protocol(protocol_feature::status | protocol_feature::mq));
}

}  // namespace
}  // namespace zonebridge::virtio
