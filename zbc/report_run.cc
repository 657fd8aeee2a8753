#include "zbc/report_run.h"

#include <algorithm>
#include <limits>

namespace zonebridge::zbc {
namespace {

constexpr std::size_t max_buffers = 4;
constexpr std::size_t zones_in_buffer = 512;

}  // namespace

void ReportRun::begin(const Unit& unit, const Geometry& geometry, const ReportZones& fields,
                      ReportingOption option, std::span<const iovec> data_in) noexcept {
    *this = ReportRun();
    unit_ = &unit;
    geometry_ = &geometry;
    fields_ = fields;
    option_ = option;
    data_in_ = data_in;
    writer_ = ScatterWriter(data_in);
    start_ = next_ = fields.start_lba * unit.block_size;
    stored_ = std::min<std::uint64_t>(report_header_length, fields.allocation_length);
    overrun_ = writer_.skip(stored_) < stored_;
    complete_ = lists_nothing(option);
    // The header alone: all there is to say about it is known.
    if (stored_ == fields.allocation_length && (fields.partial || ignores_state(option)))
        complete_ = true;
}

std::optional<ReportRun::Next> ReportRun::next() const noexcept {
    if (complete_ || overrun_ || next_ >= unit_->blocks * unit_->block_size) return std::nullopt;
    auto zones = std::numeric_limits<std::size_t>::max();
    if (ignores_state(option_))  // every zone takes its place in the reply
        zones = (fields_.allocation_length - stored_) / zone_descriptor_length + 1;
    return Next{next_, zones};
}

void ReportRun::list(const ReportedZone& zone) noexcept {
    if (!lists(option_, zone)) return;
    const auto room = fields_.allocation_length - stored_;
    if (fields_.partial && room < zone_descriptor_length) {
        complete_ = true;
        return;
    }
    ++listed_;
    same_.add(zone.type, zone.length);
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(room, zone_descriptor_length));
    const auto bytes = encode_zone_descriptor(zone, unit_->block_size);
    if (writer_.write(std::span(bytes).first(part)) < part) overrun_ = true;
    stored_ += part;
    if (stored_ == fields_.allocation_length && (fields_.partial || ignores_state(option_)))
        complete_ = true;
}

void ReportRun::feed(std::span<const Zone> zones) noexcept {
    if (zones.empty()) complete_ = true;
    for (const auto& zone : zones) {
        const auto end = zone.start + zone.length;
        if (end <= next_) {  // no way on: a disk that answers something else than was asked
            complete_ = true;
            return;
        }
        if (zone.start + zone.capacity > start_) list(reported_zone(zone));
        if (complete_ || overrun_) return;
        if (const auto gap = gap_after(zone)) list(*gap);
        if (complete_ || overrun_) return;
        next_ = end;
    }
}

void ReportRun::finish(TaskResult& result) noexcept {
    if (overrun_) {
        result.delivery = Delivery::overrun;
        return;
    }
    if (!fields_.partial && ignores_state(option_)) {
        listed_ = geometry_->count_from(start_, option_);
        same_ = SameField();
        geometry_->describe_from(start_, option_, same_);
    }
    const auto header = encode_report_header(
        {listed_, same_.value(), unit_->blocks - 1, unit_->zone_granularity_blocks});
    const auto length = std::min<std::size_t>(header.size(), fields_.allocation_length);
    scatter(std::span(header).first(length), data_in_);
    result.data_in_length = stored_;
}

ReportBuffers::ReportBuffers(std::size_t depth) : waiting_(depth) {
    const auto count = std::min(depth, max_buffers);
    zones_.resize(count * zones_in_buffer);
    for (std::uint32_t number = 0; number < count; ++number) free_.push_back(number);
}

std::optional<std::uint32_t> ReportBuffers::take(std::uint32_t slot) noexcept {
    if (free_.empty()) {
        waiting_.push(slot);
        return std::nullopt;
    }
    const auto number = free_.back();
    free_.pop_back();
    return number;
}

std::optional<std::uint32_t> ReportBuffers::give_back(std::uint32_t number) noexcept {
    if (!waiting_.empty()) return waiting_.pop();
    free_.push_back(number);
    return std::nullopt;
}

std::span<Zone> ReportBuffers::zones(std::uint32_t number) noexcept {
    return std::span(zones_).subspan(number * zones_in_buffer, zones_in_buffer);
}

}  // namespace zonebridge::zbc
