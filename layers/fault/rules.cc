#include "layers/fault/rules.h"

#include <algorithm>
#include <utility>

namespace zonebridge::fault {
namespace {

/// Evenly distributed, and the same for the same seed and number in every run (Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators").
std::uint64_t spread(std::uint64_t seed, std::uint64_t number) noexcept {
    auto z = seed * 0xD1342543DE82EF95U + (number + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

bool drawn(const Rule& rule, std::uint64_t number) noexcept {
    if (!rule.probability) return true;
    // A double holds 53 bits.
    return static_cast<double>(spread(rule.seed, number) >> 11) * 0x1p-53 < *rule.probability;
}

}  // namespace

Rules::Rules(std::vector<Rule> rules, const Limits& limits, Observer* observer)
    : layout_(limits.layout),
      observer_(observer),
      count_(rules.size()),
      active_(std::make_unique<Active[]>(rules.size())) {
    for (std::size_t i = 0; i < count_; ++i) {
        auto& active = active_[i];
        auto& rule = active.rule = std::move(rules[i]);
        active.end = layout_.size();
        if (rule.zones) {
            active.begin = layout_.start_of(rule.zones->first);
            active.end = layout_.start_of(rule.zones->last) + layout_.length_of(rule.zones->last);
        } else if (rule.spot) {
            const auto [offset, length] = *rule.spot;
            active.begin = length ? offset : offset - offset % limits.logical_block_size;
            active.end = active.begin + length.value_or(limits.logical_block_size);
        }
        latencies_ |= rule.effect == Rule::Effect::latency;
        append_spots_ |= rule.spot && rule.operations.has(Operation::append);
        Verdict ignored;
        if (rule.at_once) act(active, ignored);
    }
}

std::optional<Rules::Place> Rules::place_of(const Request& request) const noexcept {
    const auto& [offset, length] = std::pair(request.offset, request.length);
    switch (request.operation) {
        case Operation::read:
        case Operation::write:
        case Operation::discard:
        case Operation::write_zeroes:
            return Place{offset, offset + length};
        case Operation::append:
        case Operation::report: {
            if (layout_.zone_count() == 0) return std::nullopt;
            const auto first = layout_.zone_of(offset);
            const auto zones = request.operation == Operation::append
                                   ? std::size_t{1}
                                   : std::clamp<std::size_t>(request.zones.size(), 1,
                                                             layout_.zone_count() - first);
            const auto last = first + static_cast<std::uint32_t>(zones) - 1;
            return Place{layout_.start_of(first), layout_.start_of(last) + layout_.length_of(last)};
        }
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            if (request.scope == Scope::all) return Place{0, layout_.size()};
            return Place{offset, offset + length};
        case Operation::flush:
            break;
    }
    return std::nullopt;
}

bool Rules::matches(const Active& active, const Request& request,
                    const std::optional<Place>& place) const noexcept {
    const auto& rule = active.rule;
    if (!rule.operations.has(request.operation)) return false;
    if (!rule.zones && !rule.spot) return true;
    if (rule.spot && request.operation == Operation::append) return false;
    return place && place->begin < active.end && active.begin < place->end;
}

bool Rules::count(Active& active) noexcept {
    const auto& rule = active.rule;
    const auto number = active.matched.fetch_add(1, std::memory_order_relaxed);
    if (number < rule.after || !drawn(rule, number)) return false;
    if (!rule.count) return true;
    // Load first, so that the counter of a used-up rule is only read.
    return active.acted.load(std::memory_order_relaxed) < *rule.count &&
           active.acted.fetch_add(1, std::memory_order_relaxed) < *rule.count;
}

void Rules::act(Active& active, Verdict& verdict) noexcept {
    const auto& rule = active.rule;
    switch (rule.effect) {
        case Rule::Effect::read_only:
        case Rule::Effect::offline:
            if (!active.lasting.exchange(true, std::memory_order_acq_rel))
                bad_.fetch_add(1, std::memory_order_release);
            break;
        case Rule::Effect::gone:
            active.lasting.store(true, std::memory_order_relaxed);
            gone_.store(true, std::memory_order_release);
            break;
        case Rule::Effect::media_error:
            if (!verdict.error) verdict.error = StatusCode::media_error;
            break;
        case Rule::Effect::io_error:
            if (!verdict.error) verdict.error = StatusCode::io_error;
            break;
        case Rule::Effect::latency:
            verdict.latency = std::max(verdict.latency, rule.latency);
            break;
    }
    if (observer_ != nullptr && !active.told.load(std::memory_order_relaxed) &&
        !active.told.exchange(true, std::memory_order_relaxed))
        observer_->rule_acts(rule);
}

Rules::Verdict Rules::judge(const Request& request) noexcept {
    Verdict verdict;
    const auto place = place_of(request);
    for (auto& active : std::span(active_.get(), count_)) {
        if (active.lasting.load(std::memory_order_relaxed)) continue;
        if (matches(active, request, place) && count(active)) act(active, verdict);
    }
    return verdict;
}

Rules::Verdict Rules::judge_landed(std::uint64_t offset, std::uint64_t length) noexcept {
    Verdict verdict;
    for (auto& active : std::span(active_.get(), count_)) {
        if (!active.rule.spot || !active.rule.operations.has(Operation::append)) continue;
        if (active.lasting.load(std::memory_order_relaxed)) continue;
        if (offset < active.end && active.begin < offset + length && count(active))
            act(active, verdict);
    }
    return verdict;
}

std::optional<ZoneState> Rules::state_of(std::uint32_t zone) const noexcept {
    if (const auto bad = find_bad(zone, zone, false)) return bad->state;
    return std::nullopt;
}

std::optional<Rules::Bad> Rules::find_bad(std::uint32_t first, std::uint32_t last,
                                          bool offline_alone) const noexcept {
    std::optional<Bad> found;
    for (const auto& active : std::span(active_.get(), count_)) {
        const auto state = active.rule.state();
        if (!state || !active.lasting.load(std::memory_order_acquire)) continue;
        const auto offline = *state == ZoneState::offline;
        if (offline_alone && !offline) continue;
        const auto from = active.rule.zones ? active.rule.zones->first : 0;
        const auto to = active.rule.zones ? active.rule.zones->last : layout_.zone_count() - 1;
        if (from > last || to < first) continue;
        const auto zone = std::max(from, first);
        // Offline is the worse state.
        if (!found || zone < found->zone || (zone == found->zone && offline))
            found = Bad{zone, *state};
    }
    return found;
}

}  // namespace zonebridge::fault
