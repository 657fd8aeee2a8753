// Prints the results of a measurement, for people and for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/bench_load.h"
#include "tools/bench_run.h"
#include "tools/failure.h"
#include "tools/files.h"

namespace zonebridge::tools {

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
