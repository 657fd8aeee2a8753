#include "transports/fault/rule.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "transports/size.h"

namespace zonebridge::fault {
namespace {

using Wrong = std::optional<std::string>;

constexpr std::array all_operations{Operation::read,    Operation::write,       Operation::append,
                                    Operation::flush,   Operation::open,        Operation::close,
                                    Operation::finish,  Operation::reset,       Operation::report,
                                    Operation::discard, Operation::write_zeroes};

constexpr std::string_view keys =
    "zone, offset, state, error, latency, operation, after, count, probability, seed";
constexpr std::string_view operation_words =
    "read, write, append, flush, report, open, close, finish, reset, discard, write-zeroes, any, "
    "or several with + between them";

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || at != end || text.empty()) return std::nullopt;
    return value;
}

/// `text` before the first `mark`, and what is behind it, if there is one.
std::pair<std::string_view, std::optional<std::string_view>> split(std::string_view text,
                                                                   char mark) {
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, at), text.substr(at + 1)};
}

Wrong take_zones(Rule& rule, std::string_view text) {
    const auto [first, second] = split(text, '-');
    const auto from = number(first);
    const auto to = second ? number(*second) : from;
    constexpr auto most = Layout::max_zone_count;
    if (!from || !to || *from > *to || *to >= most)
        return fmt::format(
            "zone={} is not a zone's number or a range of numbers, as in zone=7 or zone=7-12",
            text);
    rule.zones = {static_cast<std::uint32_t>(*from), static_cast<std::uint32_t>(*to)};
    return std::nullopt;
}

Wrong take_spot(Rule& rule, std::string_view text) {
    const auto [offset, length] = split(text, '+');
    const auto from = parse_size(offset);
    if (!from) return fmt::format("offset={}: {}", text, from.error());
    rule.spot = Rule::Spot{*from, std::nullopt};
    if (!length) return std::nullopt;
    const auto bytes = parse_size(*length);
    if (!bytes) return fmt::format("offset={}: {}", text, bytes.error());
    if (*bytes == 0) return fmt::format("offset={}: the length must be more than 0", text);
    if (*bytes > std::numeric_limits<std::uint64_t>::max() - *from)
        return fmt::format("offset={}: reaches past any disk's end", text);
    rule.spot->length = *bytes;
    return std::nullopt;
}

Wrong take_state(Rule& rule, std::string_view text) {
    if (text == "read-only")
        rule.effect = Rule::Effect::read_only;
    else if (text == "offline")
        rule.effect = Rule::Effect::offline;
    else
        return fmt::format("state={}: give read-only or offline", text);
    return std::nullopt;
}

Wrong take_error(Rule& rule, std::string_view text) {
    if (text == "media")
        rule.effect = Rule::Effect::media_error;
    else if (text == "io")
        rule.effect = Rule::Effect::io_error;
    else if (text == "gone")
        rule.effect = Rule::Effect::gone;
    else
        return fmt::format("error={}: give media, io or gone", text);
    return std::nullopt;
}

Wrong take_latency(Rule& rule, std::string_view text) {
    constexpr std::uint64_t most = Rule::most_latency.count();
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> units{
        {{"us", 1}, {"ms", 1000}, {"s", 1000000}}};
    rule.effect = Rule::Effect::latency;
    const auto digits = text.find_first_not_of("0123456789");
    if (digits != std::string_view::npos) {
        const auto value = number(text.substr(0, digits));
        for (const auto& [unit, factor] : units)
            if (value && *value != 0 && *value <= most / factor && text.substr(digits) == unit) {
                rule.latency = std::chrono::microseconds(*value * factor);
                return std::nullopt;
            }
    }
    return fmt::format(
        "latency={}: give a whole number with us, ms or s, as in latency=10ms, and ten minutes at "
        "most",
        text);
}

Wrong take_operations(Rule& rule, std::string_view text) {
    for (std::optional<std::string_view> rest = text; rest;) {
        const auto [word, more] = split(*rest, '+');
        rest = more;
        auto found = false;
        for (const auto operation : all_operations)
            if (word == "any" || word == to_string(operation)) {
                rule.operations.add(operation);
                found = true;
            }
        if (!found)
            return fmt::format("operation={}: '{}' is not one of {}", text, word, operation_words);
    }
    return std::nullopt;
}

Wrong take_probability(Rule& rule, std::string_view text) {
    double value = 0;
    const auto* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || std::string_view(at, static_cast<std::size_t>(end - at)) != "%" ||
        !(value > 0 && value <= 100))
        return fmt::format(
            "probability={} is not a percentage above 0% and up to 100%, as in probability=0.5%",
            text);
    rule.probability = value / 100;
    return std::nullopt;
}

Wrong take_number(std::string_view key, std::string_view text, std::uint64_t least,
                  std::uint64_t& into) {
    const auto value = number(text);
    if (!value || *value < least)
        return fmt::format("{}={} is not a whole number{}", key, text,
                           least == 0 ? "" : fmt::format(" from {} on", least));
    into = *value;
    return std::nullopt;
}

/// One KEY=VALUE.
Wrong take(Rule& rule, std::string_view key, std::string_view value) {
    if (key == "zone") return take_zones(rule, value);
    if (key == "offset") return take_spot(rule, value);
    if (key == "state") return take_state(rule, value);
    if (key == "error") return take_error(rule, value);
    if (key == "latency") return take_latency(rule, value);
    if (key == "operation") return take_operations(rule, value);
    if (key == "probability") return take_probability(rule, value);
    if (key == "after") return take_number(key, value, 0, rule.after);
    if (key == "seed") return take_number(key, value, 0, rule.seed);
    if (key == "count") {
        std::uint64_t count = 0;
        auto wrong = take_number(key, value, 1, count);
        rule.count = count;
        return wrong;
    }
    return fmt::format("'{}' is not a key of a rule: possible keys are {}", key, keys);
}

/// What the keys have to do with each other. `effects`: how many were given.
Wrong look_over(const Rule& rule, int effects, bool seeded) {
    if (effects != 1)
        return fmt::format(
            "{}: give one of state=, error= and latency=, and a rule of its own for each further "
            "effect",
            effects == 0 ? "the rule has no effect" : "the rule has several effects");
    if (rule.zones && rule.spot) return "give zone= or offset=, not both";
    if (rule.spot && rule.state()) return "state= is for whole zones: give zone=, not offset=";
    if (rule.count && rule.lasts())
        return fmt::format("count= does not work with {}, which lasts once it has begun",
                           rule.state() ? "state=" : "error=gone");
    if (seeded && !rule.probability) return "seed= works only with probability=";
    if ((rule.zones || rule.spot) && rule.operations == Operations().add(Operation::flush))
        return "a flush has no place on the disk: leave zone= and offset= out";
    return std::nullopt;
}

}  // namespace

Operations data_operations() noexcept {
    return Operations()
        .add(Operation::read)
        .add(Operation::write)
        .add(Operation::append)
        .add(Operation::discard)
        .add(Operation::write_zeroes);
}

tl::expected<Rule, std::string> parse_rule(std::string_view text) {
    Rule rule;
    rule.text = text;
    int effects = 0;
    std::string seen = ",";
    const auto has = [&seen](std::string_view key) {
        return seen.find(fmt::format(",{},", key)) != std::string::npos;
    };
    for (std::optional<std::string_view> rest = text; rest;) {
        const auto [word, more] = split(*rest, ',');
        rest = more;
        const auto [key, value] = split(word, '=');
        if (!value)
            return tl::unexpected(
                fmt::format("'{}' is not KEY=VALUE, as in zone=7,state=read-only,after=100; "
                            "possible keys are {}",
                            word, keys));
        if (auto wrong = take(rule, key, *value)) return tl::unexpected(std::move(*wrong));
        if (has(key)) return tl::unexpected(fmt::format("{}= is given twice", key));
        seen += fmt::format("{},", key);
        if (key == "state" || key == "error" || key == "latency") ++effects;
    }
    const auto seeded = has("seed");
    if (auto wrong = look_over(rule, effects, seeded)) return tl::unexpected(std::move(*wrong));
    rule.at_once = rule.state() && !has("after") && !has("operation") && !has("probability");
    if (rule.operations.empty()) rule.operations = data_operations();
    return rule;
}

std::optional<std::string> find_fault(const Rule& rule, const Limits& limits) {
    const auto& layout = limits.layout;
    const auto count = layout.zone_count();
    if (count == 0 && (rule.zones || rule.state())) return std::string("the disk has no zones");
    if (rule.zones && rule.zones->last >= count)
        return fmt::format("the disk has {} zones, 0 to {}", count, count - 1);
    if (rule.spot) {
        const auto [offset, length] = *rule.spot;
        if (offset >= layout.size() || length.value_or(0) > layout.size() - offset)
            return fmt::format("the disk ends at {} ({} bytes)", exact_size(layout.size()),
                               layout.size());
    }
    // What the disk does not have is refused before it gets here.
    auto possible = false;
    for (const auto operation : all_operations) {
        if (!rule.operations.has(operation)) continue;
        switch (operation) {
            case Operation::open:
            case Operation::close:
            case Operation::finish:
            case Operation::reset:
            case Operation::report:
                possible |= count != 0;
                break;
            case Operation::append:
                possible |= limits.append != Support::absent;
                break;
            case Operation::discard:
                possible |= limits.max_discard.has_value();
                break;
            case Operation::write_zeroes:
                possible |= limits.max_write_zeroes.has_value();
                break;
            case Operation::read:
            case Operation::write:
            case Operation::flush:
                possible = true;
                break;
        }
    }
    if (!possible) return std::string("the disk has no such operation");
    return std::nullopt;
}

}  // namespace zonebridge::fault
