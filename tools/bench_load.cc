#include "tools/bench_load.h"

#include <algorithm>
#include <utility>

namespace zonebridge::tools {

std::string_view to_string(Work work) noexcept {
    switch (work) {
        case Work::append:
            return "append";
        case Work::seqwrite:
            return "seqwrite";
        case Work::randread:
            return "randread";
        case Work::report:
            return "report";
    }
    return "unknown";
}

std::optional<Work> parse_work(std::string_view word) noexcept {
    for (const auto work : {Work::append, Work::seqwrite, Work::randread, Work::report})
        if (to_string(work) == word) return work;
    return std::nullopt;
}

RandomReads::RandomReads(std::vector<Extent> extents, std::uint64_t block)
    : extents_(std::move(extents)), block_(block) {
    std::uint64_t blocks = 0;
    for (const auto& extent : extents_) blocks_up_to_.push_back(blocks += extent.length / block);
}

std::optional<Load::Item> RandomReads::next() noexcept {
    const auto number = random_() % blocks_up_to_.back();
    const auto found = std::upper_bound(blocks_up_to_.begin(), blocks_up_to_.end(), number);
    const auto place = static_cast<std::size_t>(found - blocks_up_to_.begin());
    const auto before = place == 0 ? 0 : blocks_up_to_[place - 1];
    return Item{.operation = Operation::read,
                .offset = extents_[place].start + (number - before) * block_,
                .length = block_};
}

std::optional<Load::Item> Reports::next() noexcept {
    const auto zone = static_cast<std::uint32_t>(zone_);
    zone_ += step_;
    if (zone_ >= layout_.zone_count()) zone_ = 0;
    return Item{.operation = Operation::report, .offset = layout_.start_of(zone)};
}

ZoneWrites::ZoneWrites(const Layout& layout, Operation operation, std::vector<std::uint32_t> zones,
                       std::uint32_t lanes, std::uint64_t block)
    : layout_(layout), operation_(operation), zones_(std::move(zones)), block_(block) {
    lanes_.resize(lanes);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) lanes_[lane].place = lane;
}

std::optional<Load::Item> ZoneWrites::next_of(Lane& lane, std::uint32_t number) noexcept {
    if (lane.issued == layout_.capacity_of(zones_[lane.place])) {
        if (lane.in_flight > 0) return std::nullopt;
        lane.place += lanes_.size();
        lane.issued = 0;
        if (lane.place >= zones_.size()) {
            lane.place = number;
            lane.used_before = true;
        }
        if (lane.used_before) {
            ++lane.in_flight;
            const auto zone = zones_[lane.place];
            // No other request goes to the zone before this one has completed: see below.
            return Item{.operation = Operation::reset,
                        .offset = layout_.start_of(zone),
                        .length = layout_.length_of(zone),
                        .lane = number,
                        .measured = false};
        }
    }
    if (lane.used_before && lane.issued == 0 && lane.in_flight > 0) return std::nullopt;
    const auto zone = zones_[lane.place];
    const auto start = layout_.start_of(zone);
    const auto length = std::min(block_, layout_.capacity_of(zone) - lane.issued);
    const auto offset = operation_ == Operation::append ? start : start + lane.issued;
    lane.issued += length;
    ++lane.in_flight;
    return Item{.operation = operation_, .offset = offset, .length = length, .lane = number};
}

std::optional<Load::Item> ZoneWrites::next() noexcept {
    const auto lanes = static_cast<std::uint32_t>(lanes_.size());
    for (std::uint32_t tried = 0; tried < lanes; ++tried) {
        const auto number = turn_;
        turn_ = turn_ + 1 == lanes ? 0 : turn_ + 1;
        if (auto item = next_of(lanes_[number], number)) return item;
    }
    return std::nullopt;
}

void ZoneWrites::done(const Item& item) noexcept {
    --lanes_[item.lane].in_flight;
}

std::optional<Load::Item> PlainWrites::next() noexcept {
    const Item item{.operation = Operation::write, .offset = position_, .length = block_};
    position_ += block_;
    if (position_ == end_) position_ = 0;
    return item;
}

}  // namespace zonebridge::tools
