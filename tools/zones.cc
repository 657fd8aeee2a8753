#include "tools/zones.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/size.h"

namespace zonebridge::tools {
namespace {

constexpr std::uint64_t batch_size = 4096;

}  // namespace

ZoneScan::ZoneScan(DiskClient& session, std::uint64_t first, std::uint64_t count)
    : session_(session), zone_(first) {
    const std::uint64_t zones = session.layout().zone_count();
    end_ = first >= zones ? first : first + std::min(count, zones - first);
}

tl::expected<std::span<const Zone>, Failure> ZoneScan::next() {
    if (zone_ == end_) return std::span<const Zone>{};
    batch_.resize(std::min(batch_size, end_ - zone_));
    const auto offset = session_.layout().start_of(static_cast<std::uint32_t>(zone_));
    const auto count = session_.report(offset, batch_);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0 || *count > batch_.size())
        return tl::unexpected(refusal(
            fmt::format("{}: the report of zone {} came back empty", session_.device(), zone_)));
    zone_ += *count;
    return std::span<const Zone>(batch_).first(*count);
}

std::optional<std::uint64_t> written_bytes(const Zone& zone) noexcept {
    if (zone.state == ZoneState::full) return zone.capacity;
    if (!zone.write_pointer) return std::nullopt;
    return *zone.write_pointer - zone.start;
}

void Tally::add(const Zone& zone) noexcept {
    ++zones_;
    ++states_[static_cast<std::size_t>(zone.state) % states_.size()];
    ++types_[static_cast<std::size_t>(zone.type) % types_.size()];
    if (const auto written = written_bytes(zone)) {
        written_ += *written;
        capacity_ += zone.capacity;
    }
}

std::string Tally::states_in_words() const {
    std::string words;
    for (const auto state : all_states) {
        if (of(state) == 0) continue;
        if (!words.empty()) words += ", ";
        words += fmt::format("{} {}", of(state), to_string(state));
    }
    return words.empty() ? "none" : words;
}

std::string describe_disk(std::uint64_t size, std::string_view model, std::uint64_t zone_count,
                          std::uint64_t zone_size) {
    if (zone_count == 0) return readable_size(size) + ", no zones";
    return fmt::format("{}, {}, {} of {}", readable_size(size), model, count_zones(zone_count),
                       exact_size(zone_size));
}

std::string count_zones(std::uint64_t count) {
    return fmt::format("{} zone{}", count, count == 1 ? "" : "s");
}

}  // namespace zonebridge::tools
