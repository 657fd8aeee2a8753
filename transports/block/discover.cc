#include "transports/block/discover.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

#include "transports/host/places.h"
#include "zone/survey.h"

namespace zonebridge::block {
namespace {

// ---- Limits.

constexpr std::uint64_t kibibyte = 1024;
constexpr std::uint64_t max_zeroes_written = std::uint64_t{16} << 20;
constexpr std::size_t zones_a_step = 8192;  // half a mebibyte of report

tl::unexpected<Error> refuse(const std::string& path, const std::string& what) {
    return tl::make_unexpected(
        Error{StatusCode::unsupported,
              fmt::format("{}: {}; the kernel's messages (dmesg) may say more", path, what),
              {}});
}

bool is_block_size(std::uint64_t size) {
    return std::has_single_bit(size) && size >= Layout::granule && size <= (1U << 20);
}

tl::expected<void, Error> read_block_sizes(const std::string& path, const host::Node& disk,
                                           Limits& limits) {
    const auto logical = host::number_of(disk, "queue/logical_block_size").value_or(512);
    if (!is_block_size(logical))
        return refuse(path, fmt::format("its logical block size of {} bytes is invalid", logical));
    // Sequential zones are written in these units, which may be smaller than the physical block.
    const auto physical = host::number_of(disk, "queue/physical_block_size").value_or(logical);
    auto granularity = limits.model == Model::none
                           ? 0
                           : host::number_of(disk, "queue/zone_write_granularity").value_or(0);
    if (granularity == 0) granularity = physical;
    if (!is_block_size(granularity) || granularity < logical) {
        if (limits.model != Model::none)
            return refuse(path,
                          fmt::format("its zones need writes of {} bytes, but its blocks have {}",
                                      granularity, logical));
        granularity = logical;
    }
    limits.logical_block_size = static_cast<std::uint32_t>(logical);
    limits.physical_block_size = static_cast<std::uint32_t>(granularity);
    return {};
}

// The hidden path devices of an NVMe multipath head: for nvme0n1 every nvme0c*n1.
std::vector<host::Node> paths_below(const host::Node& disk) {
    std::vector<host::Node> paths;
    constexpr std::string_view prefix = "nvme";
    const auto split = disk.name.find('n', prefix.size());
    if (!disk.name.starts_with(prefix) || split == std::string::npos) return paths;
    const auto begins = disk.name.substr(0, split) + "c";
    const auto ends = disk.name.substr(split);
    const auto subsystem = disk.sysfs.parent_path();
    for (const auto& controller : host::names_in(subsystem)) {
        if (!controller.starts_with(prefix)) continue;
        for (const auto& name : host::names_in(subsystem / controller)) {
            if (!name.starts_with(begins) || !name.ends_with(ends)) continue;
            host::Node path;
            path.kind = host::Node::Kind::block;
            path.sysfs = subsystem / controller / name;
            paths.push_back(std::move(path));
        }
    }
    return paths;
}

// sysfs has 0 if there is no limit; and also on an NVMe multipath head, which does not inherit the
// limits of its paths.
std::optional<std::uint32_t> limit_of(const host::Node& disk, const char* name) {
    auto value = host::number_of(disk, name).value_or(0);
    if (value == 0) {
        for (const auto& path : paths_below(disk)) {
            const auto below = host::number_of(path, name).value_or(0);
            if (below != 0 && (value == 0 || below < value)) value = below;
        }
    }
    if (value == 0 || value >= 0xFFFFFFFF) return std::nullopt;
    return static_cast<std::uint32_t>(value);
}

tl::expected<void, Error> read_zone_limits(const std::string& path, const host::Node& disk,
                                           Limits& limits) {
    limits.max_open = limit_of(disk, "queue/max_open_zones");
    limits.max_active = limit_of(disk, "queue/max_active_zones");
    if (limits.max_open && limits.max_active && *limits.max_open > *limits.max_active)
        return refuse(path, fmt::format("it says that {} zones may be open but only {} active",
                                        *limits.max_open, *limits.max_active));
    return {};
}

tl::expected<Layout, Error> survey_zones(const std::string& path, const host::Node& disk,
                                         std::uint64_t size, ZonePort& port) {
    const auto sectors = host::number_of(disk, "queue/chunk_sectors").value_or(0);
    if (sectors == 0 || sectors > Layout::max_zone_size / Layout::granule)
        return refuse(
            path, fmt::format("it is zoned, but its zone size of {} sectors is invalid", sectors));
    Survey survey(size, sectors * Layout::granule);
    ReportBuffer buffer(zones_a_step);
    std::vector<Zone> zones;
    while (!survey.complete()) {
        const auto count =
            port.report(survey.position(), buffer.capacity(), ZonePort::From::memory, buffer);
        if (!count) {
            auto failure =
                os_failure(count.error(), fmt::format("{}: can't report its zones", path));
            return tl::make_unexpected(std::move(failure));
        }
        if (*count == 0)
            return refuse(path, fmt::format("its zone report ends at byte {} of {}",
                                            survey.position(), size));
        zones.clear();
        for (std::size_t i = 0; i < *count; ++i)
            zones.push_back(
                to_zone(buffer.zones()[i], buffer.header().flags, ZonePort::From::memory));
        if (const auto fault = survey.add(zones)) return refuse(path, *fault);
    }
    auto layout = survey.finish();
    if (!layout) return refuse(path, layout.error());
    return std::move(*layout);
}

tl::expected<void, Error> check_units(const std::string& path, const Limits& limits) {
    const auto& layout = limits.layout;
    const auto unit = limits.physical_block_size;
    const auto whole = [&](std::uint64_t bytes) { return bytes % unit == 0; };
    if (layout.sequential_type() == ZoneType::sequential_write_preferred) return {};
    if (!whole(layout.zone_size()) || !whole(layout.zone_capacity()))
        return refuse(
            path,
            fmt::format("its zones (size {}, capacity {}) are not a whole number of {}-byte blocks",
                        layout.zone_size(), layout.zone_capacity(), unit));
    return {};
}

// For a disk without zones. Linux emulates write zeroes by writing, which saves sending the data
// through the ring.
void read_clearing(const host::Node& disk, Limits& limits) {
    const auto block = limits.logical_block_size;
    const auto bytes = [&](const char* name) {
        return host::number_of(disk, name).value_or(0) / block * block;
    };
    if (const auto most = bytes("queue/discard_max_bytes"); most != 0) {
        limits.max_discard = most;
        limits.discard_granularity = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
            bytes("queue/discard_granularity"), block, std::uint64_t{1} << 31));
    }
    const auto native = bytes("queue/write_zeroes_max_bytes");
    limits.max_write_zeroes = native != 0 ? native : max_zeroes_written;
    limits.write_zeroes_unmaps = native != 0;
}

// ---- Identity.

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

Model model_of(const host::Node& disk) {
    const auto word = host::attribute(disk, "queue/zoned");
    if (!word) return Model::none;
    return parse_model(*word).value_or(Model::none);
}

tl::expected<Limits, Error> read_limits(const std::string& path, const host::Node& disk,
                                        std::uint64_t size, ZonePort& zones) {
    Limits limits;
    limits.model = model_of(disk);
    if (auto read = read_block_sizes(path, disk, limits); !read)
        return tl::make_unexpected(read.error());
    if (size == 0) return refuse(path, "it has no size: there is no medium in it, or it is gone");
    if (size % limits.logical_block_size != 0)
        return refuse(path, fmt::format("its size {} is not a whole number of {}-byte blocks", size,
                                        limits.logical_block_size));

    if (limits.model == Model::none) {
        if (const auto fault = Layout::find_fault(size, 0, 0, 0)) return refuse(path, *fault);
        limits.layout = Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
        read_clearing(disk, limits);
    } else {
        if (auto read = read_zone_limits(path, disk, limits); !read)
            return tl::make_unexpected(read.error());
        auto layout = survey_zones(path, disk, size, zones);
        if (!layout) return tl::make_unexpected(layout.error());
        limits.layout = std::move(*layout);
        if (auto units = check_units(path, limits); !units)
            return tl::make_unexpected(units.error());
    }

    const auto most = host::number_of(disk, "queue/max_sectors_kb").value_or(0) * kibibyte;
    const auto unit = std::max<std::uint64_t>(limits.physical_block_size, 4096);
    limits.max_transfer = most == 0 ? max_transfer : std::min(most, max_transfer);
    limits.max_transfer = std::max(limits.max_transfer / unit * unit, unit);
    limits.max_segments = max_segments;
    limits.fua =
        host::number_of(disk, "queue/fua").value_or(0) != 0 ? Support::native : Support::emulated;
    return limits;
}

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
