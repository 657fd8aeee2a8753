#include "transports/choose.h"

#include <utility>

#include <fmt/format.h>

#include "transports/emulated/emulated.h"

namespace zonebridge {
namespace {

using Kind = DeviceName::Kind;

tl::expected<std::vector<Choice>, Error> choose_for_file(const host::Node& node) {
    const auto emulated_disk = emulated::looks_like_disk(node.path);
    if (!emulated_disk) return tl::unexpected(emulated_disk.error());
    if (*emulated_disk)
        return std::vector<Choice>{
            {Kind::emulated, node.path, "the file begins with the emulated disk's mark"}};
    return tl::unexpected(
        Error{StatusCode::unsupported,
              fmt::format("{0}: this file is not an emulated disk; make one with 'zonebridge "
                          "create', or open this file as block:{0}, a disk without zones",
                          node.path),
              {}});
}

std::vector<Choice> choose_for_namespace(const host::Node& node, const ZoneFacts& facts) {
    const auto by_block = [&](std::string reason) {
        return Choice{Kind::block, *node.block, std::move(reason)};
    };
    const auto zoned = facts.block_layer && *facts.block_layer != Zoned::none
                           ? facts.block_layer
                           : (facts.device ? facts.device : facts.block_layer);
    if (node.block && zoned == Zoned::none)
        return {by_block("an NVMe namespace without zones: by its block device")};
    std::vector<Choice> choices{
        {Kind::nvme, node.path,
         zoned == Zoned::none
             ? fmt::format("an NVMe namespace with a generic node only, {}", *node.nvme_generic)
             : fmt::format("an NVMe ZNS namespace with a generic node, {}", *node.nvme_generic)}};
    // Where the block layer sees no zones it would not keep their order either.
    if (node.block && has_zones(facts.block_layer))
        choices.push_back(by_block("an NVMe ZNS namespace, by its block device"));
    return choices;
}

std::vector<Choice> choose_for_block(const host::Node& node, const ZoneFacts& facts) {
    const auto by_block = [&node](std::string reason) {
        return std::vector<Choice>{{Kind::block, node.path, std::move(reason)}};
    };
    if (node.partition_of)
        return by_block(fmt::format("a partition of {}: by its block device", *node.partition_of));
    const auto kernel_sees_zones = has_zones(facts.block_layer);
    if (facts.scsi && has_zones(facts.device) && !kernel_sees_zones)
        return {{Kind::scsi, node.path,
                 fmt::format("a {} SCSI disk whose zones this kernel's block layer does not show",
                             to_string(*facts.device))}};
    if (facts.scsi && kernel_sees_zones)
        return by_block(
            fmt::format("a {} SCSI disk: by its block device, because the kernel then keeps its "
                        "own write pointers correct",
                        to_string(*facts.block_layer)));
    if (kernel_sees_zones)
        return by_block(fmt::format("a {} block device", to_string(*facts.block_layer)));
    if (facts.device == Zoned::drive_managed)
        return by_block("a drive-managed disk: it shows no zones, so it is an ordinary disk");
    return by_block("a block device without zones");
}

}  // namespace

std::vector<Choice> choose_for_device(const host::Node& node, const ZoneFacts& facts) {
    switch (node.kind) {
        case host::Node::Kind::sg:
            return {{Kind::scsi, node.path, "a SCSI generic node"}};
        case host::Node::Kind::bsg:
            return {{Kind::scsi, node.path, "a SCSI node of bsg"}};
        case host::Node::Kind::nvme_generic:
            return choose_for_namespace(node, facts);
        case host::Node::Kind::block:
            if (node.nvme_generic && !node.partition_of) return choose_for_namespace(node, facts);
            return choose_for_block(node, facts);
        case host::Node::Kind::file:
        case host::Node::Kind::other:
            break;
    }
    return {};
}

tl::expected<std::vector<Choice>, Error> choose(const host::Node& node) {
    if (node.kind == host::Node::Kind::file) return choose_for_file(node);
    auto choices = choose_for_device(node, zone_facts(node));
    if (!choices.empty()) return choices;
    return tl::unexpected(
        Error{StatusCode::unsupported,
              fmt::format("{}: is {}; zonebridge opens block devices, /dev/sg*, "
                          "/dev/bsg/*, /dev/ng*, emulated disks (made by 'zonebridge create') and "
                          "null:SIZE",
                          node.path, node.words),
              {}});
}

}  // namespace zonebridge
