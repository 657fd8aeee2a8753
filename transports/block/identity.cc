#include "transports/block/identity.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <xxhash.h>

namespace zonebridge::block {
namespace {

std::uint64_t hash_of(const std::string& text) {
    return XXH3_64bits(text.data(), text.size());
}

std::string trimmed(std::string text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\0'; };
    while (!text.empty() && is_blank(text.back())) text.pop_back();
    const auto first = std::find_if_not(text.begin(), text.end(), is_blank);
    text.erase(text.begin(), first);
    return text;
}

std::string word(const host::Node& disk, std::initializer_list<const char*> names) {
    for (const auto* name : names)
        if (auto text = host::attribute(disk, name))
            if (auto clean = trimmed(std::move(*text)); !clean.empty()) return clean;
    return {};
}

// SCSI's unit serial number page, with its 4-byte header (SPC-5, 7.7.20).
std::string scsi_serial(const host::Node& disk) {
    constexpr std::size_t header = 4;
    constexpr std::size_t longest = 256;
    std::ifstream file(disk.sysfs / "device/vpd_pg80", std::ios::binary);
    std::string page(header + longest, '\0');
    file.read(page.data(), static_cast<std::streamsize>(page.size()));
    const auto length = static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0));
    if (length <= header) return {};
    auto serial = trimmed(page.substr(header, length - header));
    const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
    if (!std::all_of(serial.begin(), serial.end(), printable)) return {};
    return serial;
}

// A name that identifies this disk alone, the best first; empty if there is none.
std::string strongest(const host::Node& disk, const Identity& identity) {
    if (auto name = word(disk, {"wwid", "device/wwid", "dm/uuid"}); !name.empty()) return name;
    if (identity.serial.empty()) return {};
    return fmt::format("{} {} {} {}", identity.vendor, identity.product, identity.serial,
                       word(disk, {"nsid"}));
}

}  // namespace

Identity identify(const std::string& path, const host::Node& disk, std::uint64_t size) {
    Identity identity;
    identity.vendor = word(disk, {"device/vendor"});
    // virtio and PCI functions give their vendor as a number, which is not a name.
    if (identity.vendor.starts_with("0x")) identity.vendor.clear();
    identity.product = word(disk, {"device/model", "dm/name"});
    if (identity.product.empty()) identity.product = disk.name;
    identity.revision = word(disk, {"device/rev", "device/firmware_rev"});
    identity.serial = word(disk, {"device/serial", "serial"});
    if (identity.serial.empty()) identity.serial = scsi_serial(disk);
    identity.path = path;
    const auto name = strongest(disk, identity);
    // A partition is a disk of its own, so its path is part of the name.
    const auto part = disk.path == path ? std::string() : path;
    identity.unique_id = name.empty() ? hash_of(fmt::format("{} {}", path, size))
                                      : hash_of(fmt::format("{} {}", name, part));
    return identity;
}

Identity identify_file(const std::string& path, std::uint64_t size) {
    Identity identity;
    identity.product = "file";
    identity.path = path;
    std::error_code failed;
    const auto whole = std::filesystem::canonical(path, failed);
    identity.unique_id = hash_of(fmt::format("{} {}", failed ? path : whole.string(), size));
    return identity;
}

}  // namespace zonebridge::block
