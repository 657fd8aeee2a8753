// zonebridge list: the zoned disks of this host, and the transports that reach them.
#include <memory>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/disks.h"
#include "tools/files.h"
#include "tools/verb.h"
#include "tools/zones.h"

namespace zonebridge::tools {
namespace {

using Json = nlohmann::ordered_json;

struct ListOptions {
    bool all = false;
    bool json = false;
};

Json number_or_null(std::optional<std::uint64_t> value) {
    return value ? Json(*value) : Json(nullptr);
}

Json to_json(const ZonedDisk& disk) {
    Json one;
    one["disk"] = disk.path;
    one["model"] = to_string(disk.zoned);
    one["vendor"] = disk.vendor;
    one["product"] = disk.product;
    one["size"] = number_or_null(disk.size);
    one["zone_size"] = number_or_null(disk.zone_size);
    one["zone_count"] = number_or_null(disk.zone_count);
    one["devices"] = disk.ways;
    one["reason"] = disk.reason;
    one["used_by"] = disk.holders;
    if (!disk.note.empty()) one["note"] = disk.note;
    if (!disk.untold.empty()) one["untold"] = disk.untold;
    return one;
}

Json to_json(const OtherDisk& disk) {
    return {{"disk", disk.path}, {"reason", disk.reason}};
}

void print(Output& out, const ZonedDisk& disk) {
    out.print("{}: {}", one_line(disk.path), to_string(disk.zoned));
    if (disk.size) out.print(", {}", readable_size(*disk.size));
    if (disk.zone_count && disk.zone_size)
        out.print(", {} of {}", count_zones(*disk.zone_count), exact_size(*disk.zone_size));
    auto name = disk.vendor;
    if (!name.empty() && !disk.product.empty()) name += ' ';
    name += disk.product;
    if (!name.empty()) out.print(" ({})", one_line(name));
    out.write("\n");
    for (const auto& way : disk.ways)
        out.print("    {}{}\n", one_line(way), &way == disk.ways.data() ? "  (the default)" : "");
    if (!disk.note.empty()) out.print("    note: {}\n", disk.note);
    for (const auto& holder : disk.holders)
        out.print("    in use: {}{}\n", holder.starts_with('/') ? "" : "it ", one_line(holder));
    if (!disk.untold.empty()) out.print("    could not be examined: {}\n", one_line(disk.untold));
}

Outcome run(const ListOptions& options) {
    const auto found = find_disks();
    Output out(STDOUT_FILENO);
    if (options.json) {
        Json document;
        document["disks"] = Json::array();
        for (const auto& disk : found.zoned) document["disks"].push_back(to_json(disk));
        if (options.all) {
            document["others"] = Json::array();
            for (const auto& disk : found.others) document["others"].push_back(to_json(disk));
        }
        out.print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        for (const auto& disk : found.zoned) print(out, disk);
        if (found.zoned.empty())
            out.print("this host has no zoned disk{}\n",
                      options.all ? "" : "; 'zonebridge list --all' lists the other disks");
        if (options.all)
            for (const auto& disk : found.others)
                out.print("{}: not listed: {}\n", one_line(disk.path), one_line(disk.reason));
    }
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

}  // namespace

Verb add_list(CLI::App& program) {
    auto options = std::make_shared<ListOptions>();
    auto* app = add_verb(program, "list", "List the zoned disks of this host",
                         {"zonebridge list", "zonebridge list --all --json"});
    add_flag(*app, "--all", options->all,
             "Also list every other disk, with the reason why it is not a zoned disk");
    add_flag(*app, "--json", options->json, "Print one JSON document");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
