// zonebridge bench: measures a device's speed, and the CPU time it costs.
#include "tools/bench.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/size.h"
#include "tools/bench_load.h"
#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/verb.h"

namespace zonebridge::tools {
namespace {

struct BenchOptions {
    DeviceArguments device;
    std::optional<Work> work;
    std::optional<std::uint32_t> depth;
    LoadOptions load;
    double runtime = 10;
    std::optional<std::string> json;
};

constexpr std::uint32_t largest_depth = 4096;
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 30;

/// Errors of the command line that do not depend on the device.
Outcome check(const BenchOptions& options) {
    if (!options.work)
        return tl::unexpected(misuse("--work is required: append, seqwrite, randread or report"));
    const auto depth = options.depth.value_or(1);
    if (depth == 0 || depth > largest_depth)
        return tl::unexpected(misuse(fmt::format("--depth must be from 1 to {}", largest_depth)));
    if (options.load.block_size == 0)
        return tl::unexpected(misuse("--block-size must be more than 0"));
    if (options.load.block_size > largest_memory / depth)
        return tl::unexpected(misuse(fmt::format(
            "--block-size {} at --depth {} takes more memory than the {} that bench may use",
            options.load.block_size, depth, readable_size(largest_memory))));
    if (options.load.zones_in_flight == 0U)
        return tl::unexpected(misuse("--zones-in-flight must be more than 0"));
    if (options.load.zones_in_flight && !writes(*options.work))
        return tl::unexpected(misuse("--zones-in-flight works only with append and seqwrite"));
    return {};
}

Outcome run(const BenchOptions& options) {
    if (auto checked = check(options); !checked) return checked;
    const auto access =
        writes(*options.work) ? DiskClient::Access::write : DiskClient::Access::read;
    auto session = DiskClient::open(options.device, access, options.depth.value_or(1));
    if (!session) return tl::unexpected(std::move(session.error()));
    BenchSummary summary;
    auto load_options = options.load;
    load_options.work = *options.work;
    load_options.force = options.device.force;
    auto load = choose_load(*session, load_options, summary.note);
    if (!load) return tl::unexpected(std::move(load.error()));
    // Opened before the work, so that no results are lost for want of a file; never the disk
    // itself.
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
    plan.block_size = reports ? 0 : options.load.block_size;
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
        summary.zones_in_flight = options.load.zones_in_flight.value_or(1);
    if (auto told = print_results(summary, *result, file ? &*file : nullptr); !told) return told;
    return session->close();
}

std::optional<std::string> parse_seconds(const std::string& text, double& seconds) {
    double value = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    constexpr double longest = 7 * 24 * 3600.0;
    if (parsed.ec != std::errc{} || parsed.ptr != end || !(value > 0) || value > longest)
        return fmt::format("'{}' is not a time: give seconds, such as 10 or 0.5, up to a week",
                           text);
    seconds = value;
    return std::nullopt;
}

}  // namespace

Verb add_bench(CLI::App& program) {
    auto options = std::make_shared<BenchOptions>();
    auto* app = add_verb(
        program, "bench", "Measure a device: requests per second, latency, processor time",
        {"zonebridge bench disk.img --work append --depth 16 --zones-in-flight 4",
         "zonebridge bench /dev/nvme0n1 --work randread --depth 32 --runtime 30 --json result"});
    add_device(*app, options->device, DiskClient::Access::write);
    add_parsed(*app, "--work", "WORK", "append, seqwrite, randread or report (required)",
               [options](const std::string& text) -> std::optional<std::string> {
                   options->work = parse_work(text);
                   if (options->work) return std::nullopt;
                   return fmt::format(
                       "'{}' is not a kind of work: give append, seqwrite, randread or report",
                       text);
               });
    add_number(*app, "--depth", options->depth, "Requests in flight (default: 1)");
    add_size(*app, "--block-size", options->load.block_size,
             "Size of a request, in bytes (default: 4K)");
    add_number(*app, "--zones-in-flight", options->load.zones_in_flight,
               "With append and seqwrite: zones written at the same time (default: 1)");
    add_parsed(
        *app, "--runtime", "S", "How long to run, in seconds, such as 10 or 0.5 (default: 10)",
        [options](const std::string& text) { return parse_seconds(text, options->runtime); });
    add_path(*app, "--json", options->json,
             "Write the results to this file as one JSON document (-: standard output)");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
