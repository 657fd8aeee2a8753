// What a front end and this back end agree on: the device's features, the protocol's features and
// the device status.
//
// accepted() are features that the Backend has taken; refused() means that the Backend did not take
// the last ones, and then accepted() is empty. The device status keeps what the front end wrote, but shows no FEATURES_OK
// while features are refused. The protocol's features last as long as the connection; a reset
// forgets the others.
//
// Threads: belongs to the session's thread.
// Ownership: borrows the Backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vhost_user/channel.h"

namespace zonebridge::virtio {

class Negotiation {
  public:
    explicit Negotiation(Backend& backend) noexcept : backend_(backend) {}

    /// The Backend's features and the session's own two, log_all and protocol_features.
    [[nodiscard]] std::uint64_t offered() const noexcept;

    /// The offered ones of SET_FEATURES' features. An error if an unoffered feature would change how
    /// a ring is read.
    [[nodiscard]] tl::expected<std::uint64_t, std::string> features_of(
        const Message& message) const;
    /// The Backend has to be asked before `features` are accepted: no ring may run then.
    [[nodiscard]] bool changes_device(std::uint64_t features) const noexcept;
    /// Accepts features from features_of(); false if the Backend refuses them.
    [[nodiscard]] bool accept(std::uint64_t features);

    /// The session's own two included. Nothing: none were accepted since the last reset.
    [[nodiscard]] const std::optional<std::uint64_t>& accepted() const noexcept {
        return accepted_;
    }
    /// Why the Backend refused the last features; nothing: it accepted them.
    [[nodiscard]] const std::optional<std::string>& refusal() const noexcept { return refusal_; }
    /// The front end wants the pages written to be logged.
    [[nodiscard]] bool wants_log() const noexcept;

    /// SET_PROTOCOL_FEATURES; those that were not offered are dropped.
    [[nodiscard]] tl::expected<void, std::string> set_protocol_features(const Message& message);
    /// All of `features` were accepted.
    [[nodiscard]] bool has_protocol(std::uint64_t features) const noexcept {
        return (protocol_features_ & features) == features;
    }

    [[nodiscard]] std::uint8_t status() const noexcept;
    /// SET_STATUS; true if this status resets the device.
    [[nodiscard]] tl::expected<bool, std::string> set_status(const Message& message);

    void reset() noexcept;

  private:
    Backend& backend_;
    std::optional<std::uint64_t> accepted_;
    std::optional<std::string> refusal_;
    std::uint64_t protocol_features_ = 0;
    std::uint8_t status_ = 0;
};

}  // namespace zonebridge::virtio
