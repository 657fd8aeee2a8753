// Keeps a device busy for a while and measures throughput, latency and CPU time.
#pragma once

#include <chrono>
#include <cstdint>

#include "tools/bench_load.h"
#include "tools/disk_client.h"
#include "tools/failure.h"
#include "tools/histogram.h"

namespace zonebridge::tools {

struct BenchPlan {
    std::uint32_t depth = 1;         ///< Requests in flight, at most the session's depth.
    std::uint64_t block_size = 0;    ///< Bytes of a request's buffer; 0 for reports.
    std::uint32_t report_zones = 0;  ///< Zones that a report requests.
    std::chrono::nanoseconds runtime{};
};

struct BenchResult {
    std::uint64_t requests = 0;  ///< Measured ones that completed.
    std::uint64_t bytes = 0;
    double seconds = 0;         ///< From the first request to the last completion.
    double user_seconds = 0;    ///< Of the whole process.
    double system_seconds = 0;  ///< Of the whole process.
    Histogram latency;          ///< Nanoseconds from submit to reap.
};

/// Submits the requests of `load` until the runtime is over, then waits for those in flight. The
/// first failing request ends the run. The loop allocates nothing.
[[nodiscard]] tl::expected<BenchResult, Failure> run_bench(DiskClient& session, Load& load,
                                                           const BenchPlan& plan);

}  // namespace zonebridge::tools
