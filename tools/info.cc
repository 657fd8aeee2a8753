// zonebridge info: prints a device's identity and limits.
#include <memory>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/progress.h"
#include "tools/verb.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
    DeviceArguments device;
    bool json = false;
};

std::string_view words_of(Support support) {
    switch (support) {
        case Support::absent:
            return "absent";
        case Support::emulated:
            return "emulated";
        case Support::native:
            return "native";
    }
    return "unknown";
}

template <typename Number>
Json optional_number(std::optional<Number> value) {
    return value ? Json(*value) : Json(nullptr);
}

std::string limit_in_words(std::optional<std::uint32_t> value) {
    return value ? fmt::format("{}", *value) : "no limit";
}

/// "268435456 (256 MiB)": exact, then readable.
std::string size_in_words(std::uint64_t bytes) {
    return fmt::format("{} ({})", bytes, readable_size(bytes));
}

Json to_json(const DiskClient& session, const Tally& tally) {
    const auto& identity = session.identity();
    const auto& limits = session.limits();
    const auto& layout = session.layout();
    Json document;
    document["device"] = session.device();
    document["transport"] = identity.transport;
    document["reason"] = identity.reason;
    document["data_path"] = identity.data_path;
    if (!identity.notice.empty()) document["notice"] = identity.notice;
    document["identity"] = {{"vendor", identity.vendor},
                            {"product", identity.product},
                            {"revision", identity.revision},
                            {"serial", identity.serial},
                            {"unique_id", fmt::format("{:016x}", identity.unique_id)}};
    document["model"] = to_string(limits.model);
    document["size"] = layout.size();
    document["logical_block_size"] = limits.logical_block_size;
    document["physical_block_size"] = limits.physical_block_size;
    document["zone_count"] = layout.zone_count();
    document["zone_size"] = layout.zone_count() ? Json(layout.zone_size()) : Json(nullptr);
    document["zone_capacity"] = layout.zone_count() ? Json(layout.zone_capacity()) : Json(nullptr);
    document["limits"] = {{"max_open", optional_number(limits.max_open)},
                          {"max_active", optional_number(limits.max_active)},
                          {"max_transfer", limits.max_transfer},
                          {"max_segments", limits.max_segments},
                          {"max_append", limits.max_append},
                          {"append", words_of(limits.append)},
                          {"fua", words_of(limits.fua)},
                          {"max_discard", optional_number(limits.max_discard)},
                          {"discard_granularity",
                           limits.max_discard ? Json(limits.discard_granularity) : Json(nullptr)},
                          {"max_write_zeroes", optional_number(limits.max_write_zeroes)},
                          {"write_zeroes_unmaps", limits.write_zeroes_unmaps},
                          {"reads_past_pointer", limits.reads_past_pointer},
                          {"reads_across_zones", limits.reads_across_zones}};
    Json types = Json::object();
    for (const auto type : all_types) types[std::string(to_string(type))] = tally.of(type);
    Json states = Json::object();
    for (const auto state : all_states) states[std::string(to_string(state))] = tally.of(state);
    document["zones"] = {{"by_type", types},
                         {"by_state", states},
                         {"written", tally.written()},
                         {"capacity", tally.capacity()}};
    return document;
}

void line(Output& out, std::string_view label, std::string_view value) {
    out.print("{:<16}{}\n", label, one_line(value));
}

void print_zones(Output& out, const DiskClient& session, const Tally& tally) {
    const auto& limits = session.limits();
    const auto& layout = session.layout();
    if (layout.zone_count() == 0) {
        line(out, "zones", "none");
        return;
    }
    line(out, "zones", fmt::format("{}", layout.zone_count()));
    line(out, "zone size", size_in_words(layout.zone_size()));
    line(out, "zone capacity", size_in_words(layout.zone_capacity()));
    line(out, "max open", limit_in_words(limits.max_open));
    line(out, "max active", limit_in_words(limits.max_active));
    std::string_view label = "by type";
    for (const auto type : all_types) {
        if (tally.of(type) == 0) continue;
        line(out, label, fmt::format("{} {}", tally.of(type), to_string(type)));
        label = "";
    }
    label = "by state";
    for (const auto state : all_states) {
        if (tally.of(state) == 0) continue;
        line(out, label, fmt::format("{} {}", tally.of(state), to_string(state)));
        label = "";
    }
    line(out, "written",
         fmt::format("{} of {} in zones with a write pointer", readable_size(tally.written()),
                     readable_size(tally.capacity())));
}

void print(Output& out, const DiskClient& session, const Tally& tally) {
    const auto& identity = session.identity();
    const auto& limits = session.limits();
    line(out, "device", session.device());
    line(out, "transport", fmt::format("{} ({})", identity.transport, identity.reason));
    if (!identity.data_path.empty()) line(out, "data path", identity.data_path);
    if (!identity.notice.empty()) line(out, "notice", identity.notice);
    line(out, "vendor", identity.vendor);
    line(out, "product", fmt::format("{}, revision {}", identity.product, identity.revision));
    line(out, "serial", identity.serial);
    line(out, "unique id", fmt::format("{:016x}", identity.unique_id));
    line(out, "model", to_string(limits.model));
    line(out, "size", size_in_words(limits.size()));
    line(out, "blocks",
         fmt::format("{} logical, {} physical", limits.logical_block_size,
                     limits.physical_block_size));
    line(out, "largest request",
         fmt::format("{} in {} segments", size_in_words(limits.max_transfer), limits.max_segments));
    line(out, "zone append",
         limits.append == Support::absent ? std::string("absent")
                                          : fmt::format("{}, at most {}", words_of(limits.append),
                                                        size_in_words(limits.max_append)));
    line(out, "FUA", words_of(limits.fua));
    line(out, "discard",
         limits.max_discard
             ? fmt::format("at most {}, in steps of {}", size_in_words(*limits.max_discard),
                           readable_size(limits.discard_granularity))
             : "absent");
    line(out, "write zeroes",
         limits.max_write_zeroes
             ? fmt::format("at most {}{}", size_in_words(*limits.max_write_zeroes),
                           limits.write_zeroes_unmaps ? ", may give space back" : "")
             : "absent");
    print_zones(out, session, tally);
}

Outcome run(const InfoOptions& options) {
    auto session = DiskClient::open(options.device, DiskClient::Access::read);
    if (!session) return tl::unexpected(std::move(session.error()));

    Tally tally;
    const auto zones = session->layout().zone_count();
    {
        Progress progress("counting zones", Progress::Unit::zones, zones);
        ZoneScan scan(*session, 0, zones);
        for (;;) {
            const auto batch = scan.next();
            if (!batch) return tl::unexpected(batch.error());
            if (batch->empty()) break;
            for (const auto& zone : *batch) tally.add(zone);
            progress.update(tally.zones());
        }
    }

    Output out(STDOUT_FILENO);
    if (options.json)
        out.print(
            "{}\n",
            to_json(*session, tally).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    else
        print(out, *session, tally);
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return session->close();
}

}  // namespace

Verb add_info(CLI::App& program) {
    auto options = std::make_shared<InfoOptions>();
    auto* app = add_verb(program, "info", "Show a device's identity, limits and zone counts",
                         {"zonebridge info disk.img", "zonebridge info --json disk.img"});
    add_device(*app, options->device, DiskClient::Access::read);
    add_flag(*app, "--json", options->json, "Print one JSON document");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
