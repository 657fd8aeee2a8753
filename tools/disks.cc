#include "tools/disks.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "transports/choose.h"
#include "transports/host/claim.h"
#include "transports/host/node.h"
#include "transports/open.h"

namespace zonebridge::tools {
namespace {

using host::Node;

std::string name_of(DeviceName::Kind transport, const std::string& path) {
    return fmt::format("{}:{}", prefix_word(transport), path);
}

/// All transports that reach the disk's zones.
std::vector<std::string> ways_to(const Node& node, const ZoneFacts& facts) {
    std::vector<std::string> ways;
    if (node.block && has_zones(facts.block_layer))
        ways.push_back(name_of(DeviceName::Kind::block, *node.block));
    if (node.sg || node.bsg)
        ways.push_back(name_of(DeviceName::Kind::scsi, node.sg ? *node.sg : *node.bsg));
    if (node.nvme_generic) ways.push_back(name_of(DeviceName::Kind::nvme, *node.nvme_generic));
    return ways;
}

/// Moves the transport that a plain path gets to the front.
void put_first(std::vector<std::string>& ways, DeviceName::Kind transport) {
    const auto prefix = fmt::format("{}:", prefix_word(transport));
    const auto found = std::find_if(ways.begin(), ways.end(), [&prefix](const std::string& way) {
        return way.starts_with(prefix);
    });
    if (found != ways.end()) std::rotate(ways.begin(), found, found + 1);
}

/// Fills in the facts that only the disk itself has. False if it has no zones.
bool ask_the_disk(ZonedDisk& disk, const std::string& way) {
    const auto device = open_device(way, {});
    if (!device) {
        disk.untold = device.error().message;
        return true;
    }
    const auto& limits = (*device)->limits();
    if (limits.layout.zone_count() == 0) return false;
    const auto& identity = (*device)->identity();
    disk.zoned = limits.model == Model::host_aware ? Zoned::host_aware : Zoned::host_managed;
    disk.vendor = identity.vendor;
    disk.product = identity.product;
    disk.size = limits.size();
    disk.zone_size = limits.layout.zone_size();
    disk.zone_count = limits.layout.zone_count();
    return true;
}

std::string why_not(const Node& node, const ZoneFacts& facts) {
    if (node.name.starts_with("loop")) {
        const auto file = host::attribute(node, "loop/backing_file");
        return file ? fmt::format("a loop device, which never has zones, on the file {}", *file)
                    : "a loop device that is not set up";
    }
    if (facts.device == Zoned::drive_managed)
        return "drive-managed: the drive hides its zones, and is used as an ordinary disk";
    if (facts.size == 0U) return "it has no size: it has no medium, or is not set up";
    if (node.name.starts_with("dm-")) return "a device mapper device without zones";
    if (node.block && !facts.block_layer)
        return "this kernel's block layer does not support zoned disks, and the disk itself "
               "reports no zones";
    return "it has no zones";
}

void add_partitions(const Node& node, std::vector<OtherDisk>& others) {
    std::error_code failed;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator entry(node.sysfs, failed), end;
         !failed && entry != end; entry.increment(failed)) {
        std::error_code ignored;
        if (std::filesystem::exists(entry->path() / "partition", ignored))
            names.push_back(entry->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    const auto folder = std::filesystem::path(node.path).parent_path();
    for (const auto& name : names)
        others.push_back({(folder / name).string(), fmt::format("a partition of {}", node.path)});
}

void sort_in(const Node& node, Disks& disks) {
    const auto facts = zone_facts(node);
    const auto choices = choose_for_device(node, facts);
    ZonedDisk disk;
    disk.path = node.path;
    disk.ways = ways_to(node, facts);
    const auto known = has_zones(facts.block_layer) || has_zones(facts.device);
    // Without a block device only the disk has the facts; otherwise sysfs gave them.
    const auto ask =
        !disk.ways.empty() && !choices.empty() && (known ? !facts.zone_count : !node.block);
    if (known) disk.zoned = has_zones(facts.block_layer) ? *facts.block_layer : *facts.device;
    disk.vendor = facts.vendor;
    disk.product = facts.model;
    disk.size = facts.size;
    disk.zone_size = facts.zone_size;
    disk.zone_count = facts.zone_count;
    if (!choices.empty()) {
        put_first(disk.ways, choices.front().transport);
        disk.reason = choices.front().reason;
    }
    if (node.block && has_zones(facts.device) && !has_zones(facts.block_layer))
        disk.note =
            "this kernel's block layer shows it without zones, so that block: can't reach them";
    auto has_any = known;
    if (ask) has_any = ask_the_disk(disk, disk.ways.front()) && (known || disk.untold.empty());
    if (node.kind == Node::Kind::block) add_partitions(node, disks.others);
    if (!has_any) {
        disks.others.push_back(
            {node.path, disk.untold.empty()
                            ? why_not(node, facts)
                            : fmt::format("it could not be examined: {}", disk.untold)});
        return;
    }
    if (node.block)
        if (const auto block = host::look_at(*node.block)) disk.holders = host::holders_of(*block);
    disks.zoned.push_back(std::move(disk));
}

}  // namespace

Disks find_disks() {
    Disks disks;
    for (const auto& node : host::every_disk()) sort_in(node, disks);
    const auto by_path = [](const OtherDisk& a, const OtherDisk& b) { return a.path < b.path; };
    std::sort(disks.others.begin(), disks.others.end(), by_path);
    return disks;
}

}  // namespace zonebridge::tools
