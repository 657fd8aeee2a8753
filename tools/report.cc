// zonebridge report: a device's zones, as a table, CSV, JSON or a picture.
#include <algorithm>
#include <limits>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>

#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/formats.h"
#include "tools/map.h"
#include "tools/progress.h"
#include "tools/verb.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

struct ReportOptions {
    DeviceArguments device;
    std::optional<std::uint64_t> offset;
    std::optional<std::uint64_t> count;
    std::vector<ZoneState> states;
    std::vector<ZoneType> types;
    bool json = false;
    bool csv = false;
    bool map = false;
};

/// The zones to report, before the filter of states and types.
struct Span {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

bool wanted(const ReportOptions& options, const Zone& zone) {
    const auto lists = [](const auto& list, auto value) {
        return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
    };
    return lists(options.states, zone.state) && lists(options.types, zone.type);
}

tl::expected<Span, Failure> span_of(const ReportOptions& options, const DiskClient& session) {
    const auto& layout = session.layout();
    if (layout.zone_count() == 0)
        return tl::unexpected(refusal(fmt::format(
            "{}: this disk has no zones: it is an ordinary disk (model none)", session.device())));
    const auto offset = options.offset.value_or(0);
    if (offset >= layout.size())
        return tl::unexpected(
            refusal(fmt::format("{}: offset {} is beyond the disk, which ends at {}",
                                session.device(), offset, layout.size())));
    Span span{layout.zone_of(offset), 0};
    span.count = layout.zone_count() - span.first;
    // With a filter, --count counts matching zones, so every zone may have to be read.
    if (options.states.empty() && options.types.empty() && options.count)
        span.count =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(span.count, *options.count));
    return span;
}

/// Calls `take(number, zone)` for each zone that passes the filter, `keep_on()` after each batch.
template <typename Take, typename KeepOn>
Outcome for_each_zone(DiskClient& session, const ReportOptions& options, Span span, Take take,
                      KeepOn keep_on) {
    Progress progress("report", Progress::Unit::zones, span.count);
    ZoneScan scan(session, span.first, span.count);
    auto left = options.count.value_or(std::numeric_limits<std::uint64_t>::max());
    auto number = span.first;
    while (left > 0) {
        const auto batch = scan.next();
        if (!batch) return tl::unexpected(batch.error());
        if (batch->empty()) break;
        for (const auto& zone : *batch) {
            if (left > 0 && wanted(options, zone)) {
                take(number, zone);
                --left;
            }
            ++number;
        }
        progress.update(number - span.first);
        if (!keep_on()) break;
    }
    return {};
}

Outcome write_list(DiskClient& session, const ReportOptions& options, Span span, Output& out) {
    auto writer = options.json  ? json_writer(out, session.device(), session.identity().notice)
                  : options.csv ? csv_writer(out)
                                : table_writer(out, session.layout());
    writer->begin();
    const auto written = for_each_zone(
        session, options, span,
        [&](std::uint32_t number, const Zone& zone) { writer->zone(number, zone); },
        [&] { return !out.failed(); });
    // A report that failed stays without its end, so that no reader takes it for complete.
    if (written) writer->end();
    return written;
}

Outcome draw_map(DiskClient& session, const ReportOptions& options, Span span, Output& out) {
    ZoneMap map(style_of_terminal(), span.first, span.count);
    const auto drawn = for_each_zone(
        session, options, span,
        [&](std::uint32_t number, const Zone& zone) { map.add(number, zone); },
        [] { return true; });
    if (drawn) out.write(map.render());
    return drawn;
}

Outcome run(const ReportOptions& options) {
    if (int{options.json} + int{options.csv} + int{options.map} > 1)
        return tl::unexpected(misuse("give only one of --json, --csv and --map"));
    auto session = DiskClient::open(options.device, DiskClient::Access::read);
    if (!session) return tl::unexpected(std::move(session.error()));
    const auto span = span_of(options, *session);
    if (!span) return tl::unexpected(span.error());

    Output out(STDOUT_FILENO);
    const auto reported = options.map ? draw_map(*session, options, *span, out)
                                      : write_list(*session, options, *span, out);
    if (!reported) {
        // Print the partial table for a person; a program gets no partial report.
        if (!options.json && !options.csv) (void)out.flush();
        return reported;
    }
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return session->close();
}

template <typename Value, typename Parse>
void add_words(CLI::App& app, const std::string& name, const std::string& metavar,
               const std::string& help, std::vector<Value>& values, Parse parse,
               std::string known) {
    add_parsed(
        app, name, metavar, help,
        [&values, parse, known = std::move(known),
         metavar](const std::string& text) -> std::optional<std::string> {
            const auto value = parse(text);
            if (!value) return fmt::format("'{}' is not one of: {}", text, known);
            values.push_back(*value);
            return std::nullopt;
        },
        Repeat::yes);
}

template <typename List>
std::string words_of(const List& list) {
    std::string words;
    for (const auto value : list) {
        if (!words.empty()) words += ", ";
        words += to_string(value);
    }
    return words;
}

}  // namespace

Verb add_report(CLI::App& program) {
    auto options = std::make_shared<ReportOptions>();
    auto* app =
        add_verb(program, "report", "List a device's zones, or draw a map of them",
                 {"zonebridge report disk.img", "zonebridge report disk.img --map",
                  "zonebridge report disk.img --state implicit-open --state closed --json"});
    add_device(*app, options->device, DiskClient::Access::read);
    add_size(*app, "--offset", options->offset, "Start with the zone that holds this byte");
    add_parsed(*app, "--count", "N", "Show at most N zones",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto count = parse_number(text);
                   if (!count) return count.error();
                   options->count = *count;
                   return std::nullopt;
               });
    const auto states = words_of(all_states);
    const auto types = words_of(all_types);
    add_words(*app, "--state", "STATE",
              "Show only zones in this state; repeat the option for several states: " + states,
              options->states, parse_zone_state, states);
    add_words(*app, "--type", "TYPE",
              "Show only zones of this type; repeat the option for several types: " + types,
              options->types, parse_zone_type, types);
    add_flag(*app, "--json", options->json, "Print one JSON document, in bytes");
    add_flag(*app, "--csv", options->csv, "Print comma-separated values, in bytes");
    add_flag(*app, "--map", options->map, "Draw a map of the zones");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
