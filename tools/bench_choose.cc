#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/size.h"
#include "tools/bench.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

tl::unexpected<Failure> refuse(const DiskClient& session, std::string why) {
    return tl::unexpected(refusal(fmt::format("{}: {}", session.device(), std::move(why))));
}

/// The zones' contents, as far as loads depend on them.
struct Survey {
    std::vector<Extent> written;       ///< In sequential zones.
    std::vector<std::uint32_t> zones;  ///< Sequential zones that can be written.
    std::uint64_t not_empty = 0;
    std::uint64_t bytes = 0;
};

tl::expected<Survey, Failure> look_at_zones(DiskClient& session) {
    Survey survey;
    std::uint32_t number = 0;
    ZoneScan scan(session, 0, session.layout().zone_count());
    for (;;) {
        const auto batch = scan.next();
        if (!batch) return tl::unexpected(batch.error());
        if (batch->empty()) return survey;
        for (const auto& zone : *batch) {
            const auto this_one = number++;
            if (zone.type == ZoneType::conventional || zone.state == ZoneState::offline) continue;
            const auto written = written_bytes(zone).value_or(0);
            if (written > 0) survey.written.push_back({zone.start, written});
            survey.bytes += written;
            if (zone.state == ZoneState::read_only) continue;
            survey.zones.push_back(this_one);
            if (zone.state != ZoneState::empty) ++survey.not_empty;
        }
    }
}

/// Empties the zones, or fails with the reason why they can't be written.
Outcome make_empty(DiskClient& session, const Survey& survey, bool force) {
    if (survey.not_empty == 0) return {};
    if (!force)
        return refuse(
            session,
            fmt::format(
                "{} not empty: {} in {} would be lost, because this work resets every zone it "
                "uses; give --force to do so",
                survey.not_empty == 1 ? "a zone is" : count_zones(survey.not_empty) + " are",
                readable_size(survey.bytes), survey.not_empty == 1 ? "it" : "them"));
    Request reset;
    reset.operation = Operation::reset;
    reset.scope = Scope::all;
    const auto completion = session.run(reset);
    if (!completion) return tl::unexpected(completion.error());
    if (!completion->status.ok())
        return tl::unexpected(failure_of(
            completion->status, fmt::format("{}: its zones can't be reset", session.device())));
    return {};
}

tl::expected<std::unique_ptr<Load>, Failure> load_of_zone_writes(DiskClient& session,
                                                                 const LoadOptions& options) {
    const auto& limits = session.limits();
    const auto survey = look_at_zones(session);
    if (!survey) return tl::unexpected(survey.error());
    const auto lanes = options.zones_in_flight.value_or(1);
    for (const auto& [limit, word] :
         {std::pair{limits.max_open, "open"}, std::pair{limits.max_active, "active"}})
        if (limit && lanes > *limit)
            return refuse(
                session,
                fmt::format("{} in flight are too many: on this disk at most {} may be {} at once",
                            count_zones(lanes), *limit, word));
    if (lanes > survey->zones.size())
        return refuse(session, fmt::format("{} in flight are more than the {} sequential "
                                           "zones that can be written",
                                           count_zones(lanes), survey->zones.size()));
    if (options.block_size % limits.physical_block_size != 0)
        return refuse(session, fmt::format("--block-size {} is not a multiple of the {}-byte "
                                           "blocks that zones are written in",
                                           options.block_size, limits.physical_block_size));
    if (auto emptied = make_empty(session, *survey, options.force); !emptied)
        return tl::unexpected(std::move(emptied.error()));
    return std::make_unique<ZoneWrites>(
        limits.layout, options.work == Work::append ? Operation::append : Operation::write,
        survey->zones, lanes, options.block_size);
}

tl::expected<std::unique_ptr<Load>, Failure> load_of_writes(DiskClient& session,
                                                            const LoadOptions& options) {
    const auto& limits = session.limits();
    if (options.work == Work::append &&
        (limits.append == Support::absent || options.block_size > limits.max_append))
        return refuse(session,
                      limits.append == Support::absent
                          ? "this disk has no zone append"
                          : fmt::format("--block-size {} is too large: one append takes {} at most",
                                        options.block_size, limits.max_append));
    if (limits.layout.zone_count() != 0) return load_of_zone_writes(session, options);
    if (options.zones_in_flight)
        return refuse(session,
                      "this disk has no zones: --zones-in-flight works only on zoned disks");
    if (!options.force && session.identity().transport != "null")
        return refuse(session,
                      fmt::format("this disk has no zones, so that bench can't see whether it is "
                                  "empty: all of its {} may be overwritten; give --force to do so",
                                  readable_size(limits.size())));
    return std::make_unique<PlainWrites>(limits.size(), options.block_size);
}

tl::expected<std::unique_ptr<Load>, Failure> load_of_reads(DiskClient& session,
                                                           const LoadOptions& options,
                                                           std::string& note) {
    const auto& layout = session.layout();
    std::vector<Extent> extents;
    if (layout.zone_count() == 0) {
        extents.push_back({0, layout.size()});
        note = "reads go to the whole disk, which has no zones";
    } else {
        auto survey = look_at_zones(session);
        if (!survey) return tl::unexpected(survey.error());
        extents = std::move(survey->written);
        const auto too_short = [&options](const Extent& extent) {
            return extent.length < options.block_size;
        };
        extents.erase(std::remove_if(extents.begin(), extents.end(), too_short), extents.end());
        if (extents.empty() && session.limits().reads_past_pointer) {
            note = "no zone holds data: reads go to the whole disk and may never reach its medium";
            for (std::uint32_t zone = 0; zone < layout.zone_count(); ++zone)
                if (layout.capacity_of(zone) >= options.block_size)
                    extents.push_back({layout.start_of(zone), layout.capacity_of(zone)});
        }
    }
    if (extents.empty() || extents.front().length < options.block_size)
        return refuse(session, fmt::format("no zone holds {} written bytes to read; write some "
                                           "with 'bench --work seqwrite' first",
                                           options.block_size));
    return std::make_unique<RandomReads>(std::move(extents), options.block_size);
}

}  // namespace

tl::expected<std::unique_ptr<Load>, Failure> choose_load(DiskClient& session,
                                                         const LoadOptions& options,
                                                         std::string& note) {
    const auto& limits = session.limits();
    if (options.work == Work::report) {
        if (limits.layout.zone_count() == 0)
            return refuse(session, "this disk has no zones to report");
        return std::make_unique<Reports>(limits.layout, zones_a_report);
    }
    if (options.block_size % limits.logical_block_size != 0)
        return refuse(session, fmt::format("--block-size {} is not a multiple of the disk's "
                                           "{}-byte blocks",
                                           options.block_size, limits.logical_block_size));
    if (options.block_size > limits.max_transfer || options.block_size > limits.size())
        return refuse(
            session, fmt::format("--block-size {} is too large: one request takes {} at most",
                                 options.block_size, std::min(limits.max_transfer, limits.size())));
    if (writes(options.work)) return load_of_writes(session, options);
    return load_of_reads(session, options, note);
}

}  // namespace zonebridge::tools
