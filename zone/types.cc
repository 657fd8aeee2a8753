#include "zone/types.h"

#include <array>
#include <utility>

namespace zonebridge {
namespace {

template <typename Enum, std::size_t Count>
std::optional<Enum> find(const std::array<Enum, Count>& values, std::string_view word) noexcept {
    for (const auto value : values)
        if (to_string(value) == word) return value;
    return std::nullopt;
}

constexpr std::array all_types{ZoneType::conventional, ZoneType::sequential_write_required,
                               ZoneType::sequential_write_preferred};
constexpr std::array all_states{ZoneState::not_write_pointer,
                                ZoneState::empty,
                                ZoneState::implicit_open,
                                ZoneState::explicit_open,
                                ZoneState::closed,
                                ZoneState::read_only,
                                ZoneState::full,
                                ZoneState::offline};
constexpr std::array all_models{Model::none, Model::host_aware, Model::host_managed};

}  // namespace

std::string_view to_string(ZoneType type) noexcept {
    switch (type) {
        case ZoneType::conventional:
            return "conventional";
        case ZoneType::sequential_write_required:
            return "sequential-write-required";
        case ZoneType::sequential_write_preferred:
            return "sequential-write-preferred";
    }
    return "unknown";
}

std::string_view to_string(ZoneState state) noexcept {
    switch (state) {
        case ZoneState::not_write_pointer:
            return "not-write-pointer";
        case ZoneState::empty:
            return "empty";
        case ZoneState::implicit_open:
            return "implicit-open";
        case ZoneState::explicit_open:
            return "explicit-open";
        case ZoneState::closed:
            return "closed";
        case ZoneState::read_only:
            return "read-only";
        case ZoneState::full:
            return "full";
        case ZoneState::offline:
            return "offline";
    }
    return "unknown";
}

std::string_view to_string(Model model) noexcept {
    switch (model) {
        case Model::none:
            return "none";
        case Model::host_aware:
            return "host-aware";
        case Model::host_managed:
            return "host-managed";
    }
    return "unknown";
}

std::optional<ZoneType> parse_zone_type(std::string_view word) noexcept {
    return find(all_types, word);
}
std::optional<ZoneState> parse_zone_state(std::string_view word) noexcept {
    return find(all_states, word);
}
std::optional<Model> parse_model(std::string_view word) noexcept {
    return find(all_models, word);
}

std::optional<ZoneState> zone_state_of(std::uint8_t number) noexcept {
    for (const auto state : all_states)
        if (static_cast<std::uint8_t>(state) == number) return state;
    return std::nullopt;
}

}  // namespace zonebridge
