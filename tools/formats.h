// The formats of a zone report, each written zone by zone: table, CSV, JSON.
//
// Ownership: a writer borrows its Output.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tools/files.h"
#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge::tools {

/// begin(), then zone() for each zone in order, then end().
class ReportWriter {
  public:
    virtual ~ReportWriter() = default;
    virtual void begin() = 0;
    virtual void zone(std::uint32_t number, const Zone& zone) = 0;
    virtual void end() = 0;
};

/// For people: aligned columns, exact offsets, sizes in the command line's notation.
[[nodiscard]] std::unique_ptr<ReportWriter> table_writer(Output& out, const Layout& layout);
/// A heading line, then one line a zone; an absent write pointer is an empty field.
[[nodiscard]] std::unique_ptr<ReportWriter> csv_writer(Output& out);
/// One document: {"device": ..., "zones": [{...}, ...]}; `notice` only if it is not empty.
[[nodiscard]] std::unique_ptr<ReportWriter> json_writer(Output& out, std::string device,
                                                        std::string notice);

}  // namespace zonebridge::tools
