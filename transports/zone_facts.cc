#include "transports/zone_facts.h"

#include <fstream>
#include <iterator>

namespace zonebridge {
namespace {

std::string trimmed(std::optional<std::string> text) {
    if (!text) return {};
    const auto last = text->find_last_not_of(" \t\n");
    text->resize(last == std::string::npos ? 0 : last + 1);
    const auto first = text->find_first_not_of(" \t");
    return first == std::string::npos ? std::string() : text->substr(first);
}

std::optional<Zoned> parse(std::optional<std::string> word) {
    const auto text = trimmed(std::move(word));
    if (text == "none") return Zoned::none;
    if (text == "drive-managed") return Zoned::drive_managed;
    if (text == "host-aware") return Zoned::host_aware;
    if (text == "host-managed") return Zoned::host_managed;
    return std::nullopt;
}

/// Reads a binary attribute, at most one page of it.
std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content(4096, '\0');
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(file.gcount()));
    return content;
}

std::optional<Zoned> word_of_scsi(const host::Node& node) {
    if (host::number_of(node, "device/type") == 0x14) return Zoned::host_managed;
    return zoned_of_vpd_b1(content_of(node.sysfs / "device" / "vpd_pgb1"));
}

std::optional<Zoned> word_of_nvme(const host::Node& node) {
    const auto command_set = host::number_of(node, "csi");  // from Linux 6.8 on
    if (!command_set) return std::nullopt;
    return *command_set == 2 ? Zoned::host_managed : Zoned::none;
}

void add_sizes(ZoneFacts& facts, const host::Node& block) {
    constexpr std::uint64_t sector = 512;  // sysfs's own unit, whatever the disk's block size
    if (const auto sectors = host::number_of(block, "size")) facts.size = *sectors * sector;
    if (!has_zones(facts.block_layer)) return;
    if (const auto sectors = host::number_of(block, "queue/chunk_sectors"))
        facts.zone_size = *sectors * sector;
    facts.zone_count = host::number_of(block, "queue/nr_zones");
}

}  // namespace

std::string_view to_string(Zoned zoned) noexcept {
    switch (zoned) {
        case Zoned::none:
            return "none";
        case Zoned::drive_managed:
            return "drive-managed";
        case Zoned::host_aware:
            return "host-aware";
        case Zoned::host_managed:
            return "host-managed";
    }
    return "unknown";
}

std::optional<Zoned> zoned_of_vpd_b1(std::string_view page) noexcept {
    // Byte 8, bits 5 and 4; 11b is reserved.
    if (page.size() < 9 || static_cast<unsigned char>(page[1]) != 0xB1) return std::nullopt;
    switch (static_cast<unsigned char>(page[8]) >> 4 & 3) {
        case 0:
            return Zoned::none;
        case 1:
            return Zoned::host_aware;
        case 2:
            return Zoned::drive_managed;
        default:
            return std::nullopt;
    }
}

ZoneFacts zone_facts(const host::Node& node) {
    ZoneFacts facts;
    facts.scsi = node.sg.has_value() || node.bsg.has_value();
    facts.nvme = node.nvme_generic.has_value();
    // A passthrough node's own folder says little: use the block device's if there is one.
    auto source = node;
    if (node.kind != host::Node::Kind::block && node.block)
        if (const auto block = host::look_at(*node.block)) source = *block;

    if (source.kind == host::Node::Kind::block) {
        facts.block_layer = parse(host::attribute(source, "queue/zoned"));
        add_sizes(facts, source);
    }
    if (facts.scsi) facts.device = word_of_scsi(source);
    if (facts.nvme) facts.device = word_of_nvme(source);
    facts.vendor = trimmed(host::attribute(source, "device/vendor"));
    facts.model = trimmed(host::attribute(source, "device/model"));
    return facts;
}

}  // namespace zonebridge
