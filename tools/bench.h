// The steps of a measurement: choosing the requests, running them, printing the results.
//
// Ownership: a load borrows the session's limits.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "tools/bench_load.h"
#include "tools/disk_client.h"
#include "tools/failure.h"
#include "tools/files.h"
#include "tools/histogram.h"

namespace zonebridge::tools {

// ---- bench_choose.cc

inline constexpr std::uint32_t zones_a_report = 128;

struct LoadOptions {
    Work work = Work::randread;
    std::uint64_t block_size = 4096;
    std::optional<std::uint32_t> zones_in_flight;
    bool force = false;  ///< Data on the disk may be destroyed.
};

/// Refused if the device can't do the work, or data would be lost without `force`; with it the
/// zones to be written are reset. `note` gets what a reader of the results must know.
[[nodiscard]] tl::expected<std::unique_ptr<Load>, Failure> choose_load(DiskClient& session,
                                                                       const LoadOptions& options,
                                                                       std::string& note);

// ---- bench_run.cc

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

// ---- bench_report.cc

/// The measurement's parameters.
struct BenchSummary {
    std::string device;
    std::string transport;
    std::string data_path;
    Work work = Work::randread;
    BenchPlan plan;
    std::optional<std::uint32_t> zones_in_flight;
    std::string note;  ///< What a reader must know of the numbers; may be empty.
};

/// Writes JSON to `file` if there is one, and text to standard output unless that is the file.
[[nodiscard]] Outcome print_results(const BenchSummary& summary, const BenchResult& result,
                                    File* file);

}  // namespace zonebridge::tools
