#include "transports/host/node.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>

#include <fmt/format.h>

#include "transports/host/places.h"

namespace zonebridge::host {
namespace {

namespace fs = std::filesystem;

fs::path resolve(const fs::path& path) {
    std::error_code failed;
    auto found = fs::canonical(path, failed);
    return failed ? fs::path() : found;
}

Node::Kind kind_of(const fs::path& sysfs) {
    const auto subsystem = resolve(sysfs / "subsystem").filename();
    if (subsystem == "block") return Node::Kind::block;
    if (subsystem == "scsi_generic") return Node::Kind::sg;
    if (subsystem == "bsg") return Node::Kind::bsg;
    if (subsystem == "nvme-generic") return Node::Kind::nvme_generic;
    return Node::Kind::other;
}

std::string words_for(Node::Kind kind) {
    switch (kind) {
        case Node::Kind::file:
            return "a regular file";
        case Node::Kind::block:
            return "a block device";
        case Node::Kind::sg:
            return "a SCSI generic device";
        case Node::Kind::bsg:
            return "a SCSI block generic (bsg) device";
        case Node::Kind::nvme_generic:
            return "an NVMe generic device";
        case Node::Kind::other:
            return "a character device that is not a disk";
    }
    return {};
}

std::string words_for(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a special file";
}

// A block device that programs can open. The kernel hides others: the paths of an NVMe multipath
// head, namespaces whose zones it can't handle.
bool usable(const fs::path& block) {
    return is_there(block) && first_line(block / "hidden").value_or("0") == "0";
}

// The one device of a SCSI disk in `folder` ("block", "scsi_generic", "bsg").
std::optional<std::string> scsi_sibling(const Places& places, const fs::path& folder) {
    const auto names = names_in(folder);
    if (names.empty()) return std::nullopt;
    return node_path(places, folder / names.front());
}

void find_scsi_siblings(const Places& places, const fs::path& device, Node& node) {
    node.block = scsi_sibling(places, device / "block");
    node.sg = scsi_sibling(places, device / "scsi_generic");
    node.bsg = scsi_sibling(places, device / "bsg");
}

// "nvme0n1" and "ng0n1" name the same namespace, with multipathing too.
void find_nvme_siblings(const Places& places, const std::string& name, Node& node) {
    constexpr std::string_view block_prefix = "nvme";
    constexpr std::string_view generic_prefix = "ng";
    const auto prefix = name.starts_with(block_prefix) ? block_prefix : generic_prefix;
    const auto rest = name.substr(prefix.size());
    const auto block = places.sysfs / "class/block" / fmt::format("{}{}", block_prefix, rest);
    const auto generic =
        places.sysfs / "class/nvme-generic" / fmt::format("{}{}", generic_prefix, rest);
    if (usable(block)) node.block = node_path(places, block);
    if (is_there(generic)) node.nvme_generic = node_path(places, generic);
}

bool looks_like_namespace(const std::string& name) {
    return name.starts_with("nvme") && name.find('n', 4) != std::string::npos;
}

void find_siblings(const Places& places, const fs::path& disk, Node& node) {
    const auto device = resolve(disk / "device");
    const auto name = disk.filename().string();
    if (node.kind == Node::Kind::nvme_generic || looks_like_namespace(name)) {
        find_nvme_siblings(places, name, node);
    } else if (!device.empty() && resolve(device / "subsystem").filename() == "scsi") {
        find_scsi_siblings(places, device, node);
    }
    if (node.kind == Node::Kind::block) node.block = node_path(places, disk);
}

std::optional<Node> node_at(const Places& places, const fs::path& sysfs) {
    const auto number = device_number(sysfs);
    if (!number) return std::nullopt;
    const auto block = resolve(sysfs / "subsystem").filename() == "block";
    auto node = describe(places, node_path(places, sysfs), block, *number);
    if (!node) return std::nullopt;
    return std::move(*node);
}

// SCSI's peripheral device types of disks: direct access, and host-managed zoned.
bool is_scsi_disk(const fs::path& sysfs) {
    const auto type = first_line(sysfs / "device/type");
    return type == "0" || type == "20";
}

}  // namespace

tl::expected<Node, Error> describe(const Places& places, const std::string& path, bool block,
                                   dev_t number) {
    Node node;
    node.path = path;
    node.number = number;
    const auto entry = places.sysfs / "dev" / (block ? "block" : "char") /
                       fmt::format("{}:{}", ::major(number), ::minor(number));
    node.sysfs = resolve(entry);
    if (node.sysfs.empty()) {
        if (!block) {
            node.words = words_for(Node::Kind::other);
            return node;
        }
        return tl::make_unexpected(
            Error{StatusCode::device_gone,
                  fmt::format("{}: the kernel has no block device {}:{} (there is no {}); was it "
                              "unplugged, or is /sys not mounted?",
                              path, ::major(number), ::minor(number), entry.string()),
                  NativeCause::os_error(ENXIO)});
    }
    node.name = node.sysfs.filename().string();
    node.kind = kind_of(node.sysfs);
    node.words = words_for(node.kind);
    if (node.kind == Node::Kind::other) return node;

    auto disk = node.sysfs;
    if (node.kind == Node::Kind::block && is_there(disk / "partition")) {
        disk = disk.parent_path();
        node.partition_of = node_path(places, disk);
        node.words = fmt::format("a partition of {}", *node.partition_of);
    }
    find_siblings(places, disk, node);
    return node;
}

tl::expected<Node, Error> look_at(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) {
        const auto error = errno;
        auto failure = os_failure(error, path);
        if (error == ENOENT) failure.message += "; 'zonebridge list' shows the disks of this host";
        if (error == EACCES || error == EPERM)
            failure.message += "; the user needs the right to search its directory";
        return tl::make_unexpected(std::move(failure));
    }
    if (S_ISBLK(facts.st_mode)) return describe({}, path, true, facts.st_rdev);
    if (S_ISCHR(facts.st_mode)) return describe({}, path, false, facts.st_rdev);
    Node node;
    node.path = path;
    if (S_ISREG(facts.st_mode)) {
        node.kind = Node::Kind::file;
        node.words = words_for(node.kind);
    } else {
        node.words = words_for(facts.st_mode);
    }
    return node;
}

std::vector<Node> every_disk(const Places& places) {
    std::vector<Node> disks;
    const auto add = [&](const fs::path& sysfs) {
        if (auto node = node_at(places, sysfs)) disks.push_back(std::move(*node));
    };
    for (const auto& name : names_in(places.sysfs / "block"))
        if (const auto sysfs = places.sysfs / "block" / name; usable(sysfs)) add(sysfs);

    const auto without_block = [&](const fs::path& sysfs) {
        const auto node = node_at(places, sysfs);
        return node && !node->block;
    };
    const auto generic = places.sysfs / "class/scsi_generic";
    for (const auto& name : names_in(generic))
        if (is_scsi_disk(generic / name) && without_block(generic / name)) add(generic / name);
    const auto bsg = places.sysfs / "class/bsg";
    for (const auto& name : names_in(bsg)) {
        if (!is_scsi_disk(bsg / name)) continue;
        const auto node = node_at(places, bsg / name);
        if (node && !node->block && !node->sg) disks.push_back(*node);
    }
    const auto nvme = places.sysfs / "class/nvme-generic";
    for (const auto& name : names_in(nvme))
        if (without_block(nvme / name)) add(nvme / name);

    std::sort(disks.begin(), disks.end(),
              [](const Node& a, const Node& b) { return a.name < b.name; });
    return disks;
}

std::vector<Node> every_disk() {
    return every_disk(Places{});
}

std::optional<std::string> attribute(const Node& node, const std::string& name) {
    if (node.sysfs.empty()) return std::nullopt;
    return first_line(node.sysfs / name);
}

std::optional<std::uint64_t> number_of(const Node& node, const std::string& name) {
    const auto text = attribute(node, name);
    if (!text) return std::nullopt;
    std::uint64_t value = 0;
    const auto* const end = text->data() + text->size();
    const auto parsed = std::from_chars(text->data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

}  // namespace zonebridge::host
