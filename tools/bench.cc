// zonebridge bench: what a device does, and what it costs.
#include <algorithm>
#include <charconv>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tools/bench_load.h"
#include "tools/bench_report.h"
#include "tools/bench_run.h"
#include "tools/files.h"
#include "tools/session.h"
#include "tools/verb.h"
#include "tools/zones.h"
#include "transports/size.h"

namespace zonebridge::tools {
namespace {

struct Options {
    DeviceArguments device;
    std::optional<Work> work;
    std::optional<std::uint32_t> depth;
    std::uint64_t block_size = 4096;
    std::optional<std::uint32_t> zones_in_flight;
    double runtime = 10;
    std::optional<std::string> json;
};

constexpr std::uint32_t zones_a_report = 128;
constexpr std::uint32_t largest_depth = 4096;
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 30;

tl::unexpected<Failure> refuse(const Session& session, std::string why) {
    return tl::unexpected(refusal(fmt::format("{}: {}", session.device(), std::move(why))));
}

/// What the zones hold, as far as it matters here.
struct Survey {
    std::vector<Extent> written;       ///< In sequential zones.
    std::vector<std::uint32_t> zones;  ///< Sequential ones that can be written.
    std::uint64_t not_empty = 0;
    std::uint64_t bytes = 0;
};

tl::expected<Survey, Failure> look_at_zones(Session& session) {
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

/// Everything that is in the way of writing, or the zones emptied.
Outcome make_empty(Session& session, const Survey& survey, bool force) {
    if (survey.not_empty == 0) return {};
    if (!force)
        return refuse(
            session,
            fmt::format(
                "{} not empty: {} in {} would be lost, because this work resets "
                "every zone it uses; --force does it",
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

tl::expected<std::unique_ptr<Load>, Failure> load_of_zone_writes(Session& session,
                                                                 const Options& options) {
    const auto& limits = session.limits();
    const auto survey = look_at_zones(session);
    if (!survey) return tl::unexpected(survey.error());
    const auto lanes = options.zones_in_flight.value_or(1);
    for (const auto& [limit, word] :
         {std::pair{limits.max_open, "open"}, std::pair{limits.max_active, "active"}})
        if (limit && lanes > *limit)
            return refuse(session, fmt::format("{} zones in flight are more than the {} that may "
                                               "be {} at once",
                                               lanes, *limit, word));
    if (lanes > survey->zones.size())
        return refuse(session, fmt::format("{} zones in flight are more than the {} sequential "
                                           "zones that can be written",
                                           lanes, survey->zones.size()));
    if (options.block_size % limits.physical_block_size != 0)
        return refuse(session, fmt::format("--block-size {} is not a multiple of the {}-byte "
                                           "blocks that zones are written in",
                                           options.block_size, limits.physical_block_size));
    if (auto emptied = make_empty(session, *survey, options.device.force); !emptied)
        return tl::unexpected(std::move(emptied.error()));
    return std::make_unique<ZoneWrites>(
        limits.layout, *options.work == Work::append ? Operation::append : Operation::write,
        survey->zones, lanes, options.block_size);
}

tl::expected<std::unique_ptr<Load>, Failure> load_of_writes(Session& session,
                                                            const Options& options) {
    const auto& limits = session.limits();
    if (*options.work == Work::append &&
        (limits.append == Support::absent || options.block_size > limits.max_append))
        return refuse(session, limits.append == Support::absent
                                   ? "this disk has no zone append"
                                   : fmt::format("--block-size {} is more than one append takes: "
                                                 "{} at most",
                                                 options.block_size, limits.max_append));
    if (limits.layout.zone_count() != 0) return load_of_zone_writes(session, options);
    if (options.zones_in_flight)
        return refuse(session, "has no zones: --zones-in-flight goes with zoned disks");
    if (!options.device.force && session.identity().transport != "null")
        return refuse(session,
                      fmt::format("has no zones that could be seen to be empty: all of its {} "
                                  "may be overwritten; --force does it",
                                  readable_size(limits.size())));
    return std::make_unique<PlainWrites>(limits.size(), options.block_size);
}

tl::expected<std::unique_ptr<Load>, Failure> load_of_reads(Session& session, const Options& options,
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
            note = "nothing is written: reads go to the whole disk and may never reach its medium";
            for (std::uint32_t zone = 0; zone < layout.zone_count(); ++zone)
                if (layout.capacity_of(zone) >= options.block_size)
                    extents.push_back({layout.start_of(zone), layout.capacity_of(zone)});
        }
    }
    if (extents.empty() || extents.front().length < options.block_size)
        return refuse(session, fmt::format("no zone holds {} written bytes to read; 'bench --work "
                                           "seqwrite' writes some",
                                           options.block_size));
    return std::make_unique<RandomReads>(std::move(extents), options.block_size);
}

tl::expected<std::unique_ptr<Load>, Failure> load_for(Session& session, const Options& options,
                                                      std::string& note) {
    const auto& limits = session.limits();
    if (*options.work == Work::report) {
        if (limits.layout.zone_count() == 0) return refuse(session, "has no zones to report");
        return std::make_unique<Reports>(limits.layout, zones_a_report);
    }
    if (options.block_size % limits.logical_block_size != 0)
        return refuse(session, fmt::format("--block-size {} is not a multiple of the disk's "
                                           "{}-byte blocks",
                                           options.block_size, limits.logical_block_size));
    if (options.block_size > limits.max_transfer || options.block_size > limits.size())
        return refuse(
            session, fmt::format("--block-size {} is more than one request takes: {} at most",
                                 options.block_size, std::min(limits.max_transfer, limits.size())));
    if (writes(*options.work)) return load_of_writes(session, options);
    return load_of_reads(session, options, note);
}

/// What the command line is wrong about, whatever the device is.
Outcome check(const Options& options) {
    if (!options.work)
        return tl::unexpected(misuse("--work is required: append, seqwrite, randread or report"));
    const auto depth = options.depth.value_or(1);
    if (depth == 0 || depth > largest_depth)
        return tl::unexpected(misuse(fmt::format("--depth is from 1 to {}", largest_depth)));
    if (options.block_size == 0) return tl::unexpected(misuse("--block-size 0 moves nothing"));
    if (options.block_size > largest_memory / depth)
        return tl::unexpected(misuse(fmt::format(
            "--block-size {} at --depth {} takes more memory than the {} this has for it",
            options.block_size, depth, readable_size(largest_memory))));
    if (options.zones_in_flight == 0U)
        return tl::unexpected(misuse("--zones-in-flight 0 writes nothing"));
    if (options.zones_in_flight && !writes(*options.work))
        return tl::unexpected(misuse("--zones-in-flight goes with append and seqwrite"));
    return {};
}

Outcome run(const Options& options) {
    if (auto checked = check(options); !checked) return checked;
    const auto access = writes(*options.work) ? Session::Access::write : Session::Access::read;
    auto session = Session::open(options.device, access, options.depth.value_or(1));
    if (!session) return tl::unexpected(std::move(session.error()));
    BenchSummary summary;
    auto load = load_for(*session, options, summary.note);
    if (!load) return tl::unexpected(std::move(load.error()));
    // Before the work, and never the disk itself: results must not be lost for want of a file.
    std::optional<File> file;
    if (options.json) {
        const auto to_stdout = *options.json == "-";
        auto opened = File::open(to_stdout ? std::nullopt : options.json, File::Mode::replace,
                                 session->file());
        if (!opened) return tl::unexpected(failure_of(opened.error()));
        file.emplace(std::move(*opened));
    }

    const auto reports = *options.work == Work::report;
    BenchPlan plan;
    plan.depth = static_cast<std::uint32_t>(
        std::min<std::size_t>(options.depth.value_or(1), session->depth()));
    plan.block_size = reports ? 0 : options.block_size;
    plan.report_zones = reports ? zones_a_report : 0;
    plan.runtime = std::chrono::nanoseconds(static_cast<std::int64_t>(options.runtime * 1e9));
    const auto result = run_bench(*session, **load, plan);
    if (!result) return tl::unexpected(result.error());

    summary.device = options.device.name;
    summary.transport = session->identity().transport;
    summary.data_path = session->identity().data_path;
    summary.work = *options.work;
    summary.plan = plan;
    if (writes(*options.work) && session->layout().zone_count() != 0)
        summary.zones_in_flight = options.zones_in_flight.value_or(1);
    if (auto told = tell(summary, *result, file ? &*file : nullptr); !told) return told;
    return session->close();
}

std::optional<std::string> parse_seconds(const std::string& text, double& seconds) {
    double value = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    constexpr double longest = 7 * 24 * 3600.0;
    if (parsed.ec != std::errc{} || parsed.ptr != end || !(value > 0) || value > longest)
        return fmt::format("'{}' is no time: seconds, as 10 or 0.5, up to a week", text);
    seconds = value;
    return std::nullopt;
}

}  // namespace

Verb add_bench(CLI::App& program) {
    auto options = std::make_shared<Options>();
    auto* app = add_verb(
        program, "bench", "Measure a device: requests a second, latency, processor time",
        {"zonebridge bench disk.img --work append --depth 16 --zones-in-flight 4",
         "zonebridge bench /dev/nvme0n1 --work randread --depth 32 --runtime 30 --json result"});
    add_device(*app, options->device, Session::Access::write);
    add_parsed(*app, "--work", "WORK", "append, seqwrite, randread or report (required)",
               [options](const std::string& text) -> std::optional<std::string> {
                   options->work = parse_work(text);
                   if (options->work) return std::nullopt;
                   return fmt::format("'{}' is no work: append, seqwrite, randread or report",
                                      text);
               });
    add_number(*app, "--depth", options->depth, "Requests in flight (default: 1)");
    add_size(*app, "--block-size", options->block_size, "Bytes of a request (default: 4K)");
    add_number(*app, "--zones-in-flight", options->zones_in_flight,
               "With append and seqwrite: zones written side by side (default: 1)");
    add_parsed(
        *app, "--runtime", "S", "Seconds, as 10 or 0.5 (default: 10)",
        [options](const std::string& text) { return parse_seconds(text, options->runtime); });
    add_path(*app, "--json", options->json,
             "Write the results to this file as one JSON document (-: standard output)");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
