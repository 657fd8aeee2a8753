#include "zbc/allowed.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "zbc/passed_commands.h"

namespace zonebridge::zbc {
namespace {

constexpr std::string_view variable_length_name = "variable-length";
constexpr unsigned most_actions = 32;
constexpr std::uint32_t all_actions = 0xFFFFFFFF;

struct Number {
    std::uint8_t opcode = 0;
    std::optional<std::uint16_t> action;
};

/// "0x1F": nothing for anything that is not hexadecimal, or is more than `most`.
std::optional<std::uint16_t> hexadecimal(std::string_view text, unsigned most) noexcept {
    if (text.size() < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
        return std::nullopt;
    text.remove_prefix(2);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size() || value > most)
        return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

tl::unexpected<Error> wrong(std::string message) {
    return tl::unexpected(Error{StatusCode::invalid_request, std::move(message), {}});
}

tl::expected<Number, Error> parse_number(std::string_view text) {
    const auto slash = text.find('/');
    const auto opcode = hexadecimal(text.substr(0, slash), 0xFF);
    if (!opcode)
        return wrong(
            fmt::format("'{}' is not an operation code: write it as 0xC1, or with a "
                        "service action as 0x9E/0x18",
                        text));
    Number number{static_cast<std::uint8_t>(*opcode), std::nullopt};
    if (slash == std::string_view::npos) return number;
    if (!has_action(number.opcode))
        return wrong(
            fmt::format("'{}' has a service action, but commands of operation code "
                        "{:02X}h have none: write 0x{:02X}",
                        text, number.opcode, number.opcode));
    const auto most = number.opcode == variable_length ? 0xFFFFU : most_actions - 1;
    number.action = hexadecimal(text.substr(slash + 1), most);
    if (!number.action)
        return wrong(fmt::format("'{}' has no service action from 0x0 to 0x{:X} after the slash",
                                 text, most));
    return number;
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

}  // namespace

Allowed::Allowed() noexcept {
    for (const auto& command : all_passed_commands())
        if (command.passing == Passing::by_default) allow(command.opcode, command.action);
}

void Allowed::allow(std::uint8_t opcode, std::optional<std::uint16_t> action) noexcept {
    if (opcode == variable_length) {
        if (action)
            variable_.set(*action);
        else
            variable_.set();
    } else if (action) {
        actions_[opcode] |= std::uint32_t{1} << (*action % most_actions);
    } else {
        actions_[opcode] = all_actions;
    }
}

tl::expected<void, Error> Allowed::add(std::string_view text) {
    auto more = *this;
    for (std::size_t at = 0; at <= text.size();) {
        const auto comma = std::min(text.find(',', at), text.size());
        const auto word = trimmed(text.substr(at, comma - at));
        at = comma + 1;
        if (word.empty())
            return wrong(fmt::format(
                "'{}' names no command; give one of {}, or a number such as 0xC1 or 0x9E/0x18",
                text, allow_names()));
        if (word.front() >= '0' && word.front() <= '9') {
            const auto number = parse_number(word);
            if (!number) return tl::unexpected(number.error());
            more.allow(number->opcode, number->action);
            continue;
        }
        auto known = word == variable_length_name;
        if (known) more.allow(variable_length, std::nullopt);
        for (const auto& command : all_passed_commands()) {
            if (command.allow_name != word) continue;
            known = true;
            more.allow(command.opcode, command.action);
        }
        if (!known)
            return wrong(fmt::format(
                "there is no command '{}'; give one of {}, or a number such as 0xC1 or 0x9E/0x18",
                word, allow_names()));
    }
    *this = more;
    return {};
}

bool Allowed::passes(std::uint8_t opcode, std::uint16_t action) const noexcept {
    const auto* const command = find_passed_command(opcode, action);
    if (command && command->passing == Passing::answered_above) return false;
    if (opcode == variable_length) return variable_.test(action);
    if (!has_action(opcode)) return actions_[opcode] != 0;
    return action < most_actions && (actions_[opcode] >> action & 1) != 0;
}

bool Allowed::passes(ByteView cdb) const noexcept {
    return passes(cdb.u8(0), action_of(cdb));
}

bool Allowed::shows(std::uint8_t opcode, bool with_action, std::uint16_t action) const noexcept {
    if (has_action(opcode) && !with_action)
        return opcode == variable_length ? variable_.any() : actions_[opcode] != 0;
    const auto* const command = find_passed_command(opcode, action);
    if (command && command->passing == Passing::answered_above) return true;
    return passes(opcode, action);
}

tl::expected<Allowed, Error> parse_allowed(std::string_view text) {
    Allowed allowed;
    if (const auto added = allowed.add(text); !added) return tl::unexpected(added.error());
    return allowed;
}

std::string allow_names() {
    std::set<std::string_view> names;
    for (const auto& command : all_passed_commands())
        if (command.passing == Passing::if_allowed) names.insert(command.allow_name);
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace zonebridge::zbc
