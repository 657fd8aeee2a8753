// Fuzzes the decoders of Identify data of NVMe controllers and namespaces, and the limits made from
// them.
#include <bit>

#include "tests/fuzz/input.h"
#include "zns/identify.h"

/// Input: a byte: ZASL; then three structures of 4096 bytes: the controller's, the namespace's and
/// the zoned namespace's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace zonebridge;
    using fuzz::require;
    fuzz::Input input(data, size);
    const auto zasl = input.byte();
    const auto first = input.take(zns::identify_size);
    const auto second = input.take(zns::identify_size);
    const auto third = input.take(zns::identify_size);
    const auto controller = zns::decode_controller(first);
    static_cast<void>(zns::decode_zasl(first));
    static_cast<void>(zns::decode_command_set(first));
    const auto space = zns::decode_namespace(second);
    if (!space) {
        require(!space.error().empty());
        return 0;
    }
    require(std::has_single_bit(space->block_size) && space->block_size >= Layout::granule);
    const zns::HostBounds host{1 << 20, 16};
    static_cast<void>(zns::limits_of(controller, *space, std::nullopt, zasl, host));
    const auto zoned = zns::decode_zoned_namespace(third, space->format);
    if (!zoned) {
        require(!zoned.error().empty());
        return 0;
    }
    require(zoned->zone_blocks != 0);
    const auto limits = zns::limits_of(controller, *space, *zoned, zasl, host);
    require(limits.logical_block_size == space->block_size);
    require(limits.max_transfer >= limits.logical_block_size);
    require(limits.max_transfer <= host.max_transfer);
    require(limits.max_append <= limits.max_transfer);
    return 0;
}
