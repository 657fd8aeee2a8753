#include "virtio/vhost_user/negotiation.h"

#include <utility>

#include <fmt/format.h>

#include "virtio/ring.h"

namespace zonebridge::virtio {
namespace {

/// The session's own features, which the Backend does not see.
constexpr std::uint64_t own = feature::protocol_features | feature::log_all;

/// Features that change how a ring is read. Acting on them by mistake would be dangerous, so a
/// driver that sets them without an offer is refused. Other unoffered features are dropped.
constexpr std::uint64_t ring_format =
    feature::access_platform | feature::ring_packed | feature::in_order;

}  // namespace

std::uint64_t Negotiation::offered() const noexcept {
    return backend_.features() | own;
}

tl::expected<std::uint64_t, std::string> Negotiation::features_of(const Message& message) const {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
    const std::uint64_t unoffered = *value & ~offered();
    if ((unoffered & ring_format) != 0)
        return tl::unexpected(
            fmt::format("features {:#x} were never offered", unoffered & ring_format));
    return *value & offered();
}

bool Negotiation::changes_device(std::uint64_t features) const noexcept {
    return !accepted_ || (*accepted_ & ~own) != (features & ~own);
}

bool Negotiation::accept(std::uint64_t features) {
    refusal_.reset();
    if (changes_device(features))
        if (auto set = backend_.set_features(features & ~own); !set)
            refusal_ = std::move(set.error());
    accepted_.reset();
    if (!refusal_) accepted_ = features;
    return !refusal_;
}

bool Negotiation::wants_log() const noexcept {
    return accepted_ && (*accepted_ & feature::log_all) != 0;
}

tl::expected<void, std::string> Negotiation::set_protocol_features(const Message& message) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value) return tl::unexpected(std::string("its payload is not 8 bytes"));
    protocol_features_ = *value & protocol_feature::offered;
    return {};
}

std::uint8_t Negotiation::status() const noexcept {
    return refusal_ ? status_ & ~device_status::features_ok : status_;
}

tl::expected<bool, std::string> Negotiation::set_status(const Message& message) {
    const auto value = parse<std::uint64_t>(message.payload);
    if (!value || *value > 0xff)
        return tl::unexpected(std::string("its payload is not a device status"));
    const auto before = std::exchange(status_, static_cast<std::uint8_t>(*value));
    return status_ == 0 && before != 0;
}

void Negotiation::reset() noexcept {
    accepted_.reset();
    refusal_.reset();
    status_ = 0;
}

}  // namespace zonebridge::virtio
