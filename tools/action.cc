// zonebridge open, close, finish, reset: zone actions.
#include <algorithm>
#include <memory>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/progress.h"
#include "tools/verb.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

struct ActionOptions {
    DeviceArguments device;
    Selection selection;
    bool json = false;
};

struct Wording {
    Operation operation;
    std::string description;
    std::string_view past;  // "opened"
};

struct Result {
    std::uint64_t done = 0;  ///< Zones that the action changed.
    Tally after;             ///< All the target's zones, after the action.
};

/// Zones per request: enough to make the cost per request small, few enough to show progress.
constexpr std::uint32_t zones_a_request = 8192;

/// "; 3 zones were reset before it": lets the user continue from there.
std::string done_before(const Wording& wording, std::uint64_t done) {
    if (done == 0) return fmt::format("; no zone was {}", wording.past);
    return fmt::format("; {} {} {} before it", count_zones(done), done == 1 ? "was" : "were",
                       wording.past);
}

/// The zone that refused and, if the device reports it, its state.
std::string describe(DiskClient& session, std::uint32_t number) {
    const auto name = fmt::format("{}: zone {}", session.device(), number);
    if (session.layout().is_conventional(number)) return name + " (conventional)";
    Zone zone;
    const auto reported = session.report(session.layout().start_of(number), {&zone, 1});
    if (!reported || *reported != 1) return name;
    return fmt::format("{} ({})", name, to_string(zone.state));
}

/// Acts on zones in order, and stops at the first that refuses.
tl::expected<std::uint64_t, Failure> act_on_range(DiskClient& session, const Wording& wording,
                                                  Target target) {
    const auto& layout = session.layout();
    Progress progress(std::string(to_string(wording.operation)), Progress::Unit::zones,
                      target.count);
    std::uint32_t done = 0;
    while (done < target.count) {
        const auto first = target.first + done;
        const auto count = std::min(zones_a_request, target.count - done);
        const auto last = first + count - 1;
        Request request;
        request.operation = wording.operation;
        request.offset = layout.start_of(first);
        request.length = layout.start_of(last) + layout.length_of(last) - request.offset;
        const auto completion = session.run(request);
        if (!completion) return tl::unexpected(completion.error());
        done += static_cast<std::uint32_t>(std::min<std::uint64_t>(completion->result, count));
        if (!completion->status.ok()) {
            const auto number = std::min(target.first + done, last);
            auto failure = failure_of(completion->status, describe(session, number));
            failure.message += done_before(wording, done);
            return tl::unexpected(std::move(failure));
        }
        done = first - target.first + count;
        progress.update(done);
    }
    return done;
}

tl::expected<Tally, Failure> count_states(DiskClient& session, Target target) {
    Tally tally;
    ZoneScan scan(session, target.first, target.count);
    for (;;) {
        const auto batch = scan.next();
        if (!batch) return tl::unexpected(batch.error());
        if (batch->empty()) return tally;
        for (const auto& zone : *batch) tally.add(zone);
    }
}

/// How many zones ALL acts on.
std::uint64_t affected_by_all(Operation operation, const Tally& before) {
    std::uint64_t affected = 0;
    for (const auto state :
         {ZoneState::implicit_open, ZoneState::explicit_open, ZoneState::closed, ZoneState::full})
        if (all_acts_on(operation, state)) affected += before.of(state);
    return affected;
}

tl::expected<std::uint64_t, Failure> act_on_all(DiskClient& session, const Wording& wording,
                                                Target target) {
    const auto before = count_states(session, target);
    if (!before) return tl::unexpected(before.error());
    Request request;
    request.operation = wording.operation;
    request.scope = Scope::all;
    const auto completion = session.run(request);
    if (!completion) return tl::unexpected(completion.error());
    if (!completion->status.ok())
        return tl::unexpected(
            failure_of(completion->status, fmt::format("{}: all zones", session.device())));
    return affected_by_all(wording.operation, *before);
}

void print(Output& out, const DiskClient& session, const Wording& wording, Target target,
           const Result& result) {
    const auto& layout = session.layout();
    const auto device = one_line(session.device());
    if (target.scope == Scope::all) {
        if (result.done == 0)
            out.print("{}: no zone had to be {}\n", device, wording.past);
        else
            out.print("{}: {} {}\n", device, wording.past, count_zones(result.done));
    } else {
        const auto last = target.first + target.count - 1;
        const auto numbers =
            target.count == 1
                ? fmt::format("zone {}", target.first)
                : fmt::format("{}, {} to {},", count_zones(target.count), target.first, last);
        out.print("{}: {} {} at offset {} to {}\n", device, wording.past, numbers,
                  layout.start_of(target.first), layout.start_of(last) + layout.length_of(last));
    }
    out.print("now: {}\n", result.after.states_in_words());
}

void print_json(Output& out, const DiskClient& session, const Wording& wording, Target target,
                const Result& result) {
    const auto& layout = session.layout();
    const auto last = target.first + target.count - 1;
    nlohmann::ordered_json states = nlohmann::ordered_json::object();
    for (const auto state : all_states)
        if (const auto count = result.after.of(state))
            states[std::string(to_string(state))] = count;
    nlohmann::ordered_json document;
    document["device"] = session.device();
    document["operation"] = to_string(wording.operation);
    document["scope"] = target.scope == Scope::all ? "all" : "zones";
    document["first_zone"] = target.first;
    document["last_zone"] = last;
    document["offset"] = layout.start_of(target.first);
    document["length"] =
        layout.start_of(last) + layout.length_of(last) - layout.start_of(target.first);
    document["done"] = result.done;
    document["states"] = states;
    out.print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

Outcome run(const ActionOptions& options, const Wording& wording) {
    const auto& selection = options.selection;
    const auto ways =
        int{selection.zones.has_value()} + int{selection.offset.has_value()} + int{selection.all};
    if (ways == 0)
        return tl::unexpected(misuse("no zones are given: give one of --zone, --offset and --all"));
    if (ways > 1) return tl::unexpected(misuse("give only one of --zone, --offset and --all"));
    if (selection.length && !selection.offset)
        return tl::unexpected(misuse("--length works only with --offset"));
    if (selection.length && *selection.length == 0)
        return tl::unexpected(misuse("--length 0 selects no zone"));

    auto session = DiskClient::open(options.device, DiskClient::Access::write);
    if (!session) return tl::unexpected(std::move(session.error()));
    const auto target = resolve(selection, session->layout(), session->device());
    if (!target) return tl::unexpected(target.error());

    const auto done = target->scope == Scope::all ? act_on_all(*session, wording, *target)
                                                  : act_on_range(*session, wording, *target);
    if (!done) return tl::unexpected(done.error());
    const auto after = count_states(*session, *target);
    if (!after) return tl::unexpected(after.error());
    if (const auto flushed = session->flush(); !flushed) return flushed;

    const Result result{*done, *after};
    Output out(STDOUT_FILENO);
    if (options.json)
        print_json(out, *session, wording, *target, result);
    else
        print(out, *session, wording, *target, result);
    if (const auto closed = session->close(); !closed) return closed;
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(refusal(
            fmt::format("{}: the zones were {}, but the result could not be printed: {}",
                        options.device.name, wording.past, failure_of(flushed.error()).message)));
    return {};
}

Verb add_action(CLI::App& program, Wording wording) {
    auto options = std::make_shared<ActionOptions>();
    const auto name = std::string(to_string(wording.operation));
    auto* app = add_verb(program, name, wording.description,
                         {fmt::format("zonebridge {} disk.img --zone 5", name),
                          fmt::format("zonebridge {} disk.img --zone 5-9", name),
                          fmt::format("zonebridge {} disk.img --offset 1G --length 512M", name),
                          fmt::format("zonebridge {} disk.img --all", name)});
    auto& selection = options->selection;
    add_device(*app, options->device, DiskClient::Access::write);
    add_zones(*app, "--zone", selection.zones, "The zone with this number, or the zones N to M");
    add_size(*app, "--offset", selection.offset, "The zone that starts at this byte");
    add_size(*app, "--length", selection.length,
             "With --offset: all zones in this many bytes (default: one zone)");
    add_flag(*app, "--all", selection.all, "Every zone that the action applies to");
    add_flag(*app, "--json", options->json, "Print the result as one JSON document");
    return {app, [options, wording = std::move(wording)] { return run(*options, wording); }};
}

}  // namespace

std::vector<Verb> add_actions(CLI::App& program) {
    std::vector<Verb> verbs;
    verbs.push_back(add_action(
        program, {Operation::open, "Open zones explicitly: keep them open for writing", "opened"}));
    verbs.push_back(add_action(
        program, {Operation::close, "Close open zones: they no longer count as open", "closed"}));
    verbs.push_back(add_action(
        program,
        {Operation::finish, "Finish zones: they become full and take no more data", "finished"}));
    verbs.push_back(add_action(
        program,
        {Operation::reset, "Reset zones: they become empty, and their data is lost", "reset"}));
    return verbs;
}

}  // namespace zonebridge::tools
