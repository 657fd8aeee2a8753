#include <array>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/bench.h"

namespace zonebridge::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Percentile {
    const char* key;
    double percent;
};
constexpr std::array percentiles{Percentile{"p50", 50}, Percentile{"p90", 90},
                                 Percentile{"p99", 99}, Percentile{"p99.9", 99.9},
                                 Percentile{"p99.99", 99.99}};

double rate(std::uint64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double micros_each(const BenchResult& result) {
    if (result.requests == 0) return 0;
    return (result.user_seconds + result.system_seconds) * 1e6 /
           static_cast<double>(result.requests);
}

Json to_json(const BenchSummary& summary, const BenchResult& result) {
    Json latency;
    latency["min"] = result.latency.min();
    latency["mean"] = result.latency.mean();
    for (const auto& [key, percent] : percentiles)
        latency[key] = result.latency.percentile(percent);
    latency["max"] = result.latency.max();

    Json one;
    one["device"] = summary.device;
    one["transport"] = summary.transport;
    one["data_path"] = summary.data_path;
    one["work"] = to_string(summary.work);
    one["block_size"] = summary.plan.block_size ? Json(summary.plan.block_size) : Json(nullptr);
    one["depth"] = summary.plan.depth;
    if (summary.zones_in_flight) one["zones_in_flight"] = *summary.zones_in_flight;
    if (summary.plan.report_zones > 0) one["zones_a_report"] = summary.plan.report_zones;
    if (!summary.note.empty()) one["note"] = summary.note;
    one["runtime"] = result.seconds;
    one["requests"] = result.requests;
    one["iops"] = rate(result.requests, result.seconds);
    one["bandwidth"] = rate(result.bytes, result.seconds);
    one["latency"] = latency;
    one["cpu"] = {{"user", result.user_seconds},
                  {"system", result.system_seconds},
                  {"microseconds_a_request", micros_each(result)}};
    Json document;
    document["results"] = Json::array({one});
    return document;
}

void print(Output& out, const BenchSummary& summary, const BenchResult& result) {
    const auto micros = [](double nanos) { return nanos / 1000; };
    out.print("{} ({}): {}", one_line(summary.device), summary.transport, to_string(summary.work));
    if (summary.plan.block_size > 0) out.print(" of {}", exact_size(summary.plan.block_size));
    if (summary.plan.report_zones > 0) out.print(" of {} zones", summary.plan.report_zones);
    out.print(", depth {}", summary.plan.depth);
    if (summary.zones_in_flight)
        out.print(", {} zone{} in flight", *summary.zones_in_flight,
                  *summary.zones_in_flight == 1 ? "" : "s");
    out.print(", {:.2f} s\n", result.seconds);
    if (!summary.note.empty()) out.print("note      {}\n", one_line(summary.note));
    out.print("IOPS      {:.0f}\n", rate(result.requests, result.seconds));
    if (summary.plan.block_size > 0)
        out.print("bandwidth {}/s\n",
                  readable_size(static_cast<std::uint64_t>(rate(result.bytes, result.seconds))));
    out.print("latency   mean {:.1f} us", micros(result.latency.mean()));
    for (const auto& [key, percent] : percentiles)
        out.print(", {} {:.1f}", key,
                  micros(static_cast<double>(result.latency.percentile(percent))));
    out.print(", max {:.1f}\n", micros(static_cast<double>(result.latency.max())));
    out.print("CPU       user {:.2f} s, system {:.2f} s: {:.2f} us per request\n",
              result.user_seconds, result.system_seconds, micros_each(result));
}

}  // namespace

Outcome print_results(const BenchSummary& summary, const BenchResult& result, File* file) {
    if (file != nullptr) {
        Output out(file->fd(), file->name());
        out.print(
            "{}\n",
            to_json(summary, result).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        if (const auto flushed = out.flush(); !flushed)
            return tl::unexpected(failure_of(flushed.error()));
        const auto was_stdout = file->fd() == STDOUT_FILENO;
        if (const auto closed = file->close(); !closed)
            return tl::unexpected(failure_of(closed.error()));
        if (was_stdout) return {};
    }
    Output out(STDOUT_FILENO);
    print(out, summary, result);
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

}  // namespace zonebridge::tools
