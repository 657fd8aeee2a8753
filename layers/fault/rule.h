// One rule for injecting faults: where, which effect, on which requests, and when. And the observer
// of rules that act.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::fault {

/// A set of the model's operations.
class Operations {
  public:
    constexpr Operations() = default;
    [[nodiscard]] constexpr bool has(Operation operation) const noexcept {
        return (bits_ >> static_cast<unsigned>(operation) & 1) != 0;
    }
    constexpr Operations& add(Operation operation) noexcept {
        bits_ |= 1U << static_cast<unsigned>(operation);
        return *this;
    }
    constexpr Operations& add(Operations others) noexcept {
        bits_ |= others.bits_;
        return *this;
    }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    friend constexpr bool operator==(Operations, Operations) = default;

  private:
    std::uint32_t bits_ = 0;
};

/// Reads and every operation that changes data: the default of a rule that names no operations.
[[nodiscard]] Operations data_operations() noexcept;

struct Rule {
    enum class Effect : std::uint8_t {
        read_only,    ///< The zones become read-only, and stay so.
        offline,      ///< The zones go offline, and stay so.
        media_error,  ///< The request fails with StatusCode::media_error and moves no data.
        io_error,     ///< Likewise with io_error.
        gone,         ///< The whole disk is gone: this request and all after it fail.
        latency,      ///< The completion is delayed.
    };
    static constexpr std::chrono::microseconds most_latency = std::chrono::minutes(10);

    std::string text;  ///< As the user wrote it.
    Effect effect = Effect::io_error;
    std::chrono::microseconds latency{0};  ///< For Effect::latency only.

    /// Zone numbers, both included.
    struct Zones {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        friend bool operator==(const Zones&, const Zones&) = default;
    };
    /// Bytes. Without a length, the logical block that holds `offset`.
    struct Spot {
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> length;
        friend bool operator==(const Spot&, const Spot&) = default;
    };
    // At most one of them; neither: the whole disk.
    std::optional<Zones> zones;
    std::optional<Spot> spot;

    Operations operations;
    /// Acts before the first request: a rule that sets a zone's state and has no condition.
    bool at_once = false;
    std::uint64_t after = 0;             ///< The first `after` matching requests are left alone.
    std::optional<std::uint64_t> count;  ///< The rule acts this many times, then never again.
    std::optional<double> probability;   ///< Acts on this share of the matching requests, 0 to 1.
    std::uint64_t seed = 0;              ///< Another seed selects other requests.

    /// A rule that acts once and stays in force.
    [[nodiscard]] bool lasts() const noexcept {
        return effect == Effect::read_only || effect == Effect::offline || effect == Effect::gone;
    }
    /// The state that the rule gives to its zones, if it sets one.
    [[nodiscard]] std::optional<ZoneState> state() const noexcept {
        if (effect == Effect::read_only) return ZoneState::read_only;
        if (effect == Effect::offline) return ZoneState::offline;
        return std::nullopt;
    }
};

/// Notified of injected faults, so that they are not mistaken for faults of the disk.
class Observer {
  public:
    /// `rule` acts for the first time. Called once for each rule, on any thread, while a request is
    /// processed.
    virtual void rule_acts(const Rule& rule) noexcept = 0;

  protected:
    ~Observer() = default;
};

/// Parses "zone=7,state=read-only,after=100"; zonebridge-serve(1) has the grammar. The error is
/// part of a sentence that names the wrong part and the possible values.
[[nodiscard]] tl::expected<Rule, std::string> parse_rule(std::string_view text);

/// Why `rule` can never act on a disk with these limits; empty if it can.
[[nodiscard]] std::optional<std::string> find_fault(const Rule& rule, const Limits& limits);

}  // namespace zonebridge::fault
