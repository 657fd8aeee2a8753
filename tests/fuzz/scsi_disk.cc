// Fuzzes the discovery of a SCSI disk with the disk's answers: by ZBC, by ZAC behind a SATL, or
// without zones.
#include <bit>

#include "tests/fuzz/input.h"
#include "tests/fuzz/layout_check.h"
#include "tests/fuzz/replies.h"
#include "transports/scsi/discover.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace zonebridge;
    using fuzz::require;
    fuzz::Input input(data, size);
    fuzz::ReplyingPort port(input);
    const auto disk = scsi::discover(
        port, "/dev/fuzzed",
        {.host_max_transfer = 1 << 20, .max_segments = 16, .find_zac = scsi::find_zac});
    if (!disk) {
        require(disk.error().message.starts_with("/dev/fuzzed: "));
        require(disk.error().code != StatusCode::ok);
        return 0;
    }
    const auto& limits = disk->limits;
    fuzz::require_sound(limits.layout);
    require(std::has_single_bit(limits.logical_block_size));
    require(limits.logical_block_size >= Layout::granule);
    require(limits.physical_block_size >= limits.logical_block_size);
    require(limits.max_transfer >= limits.physical_block_size);
    require(limits.max_transfer % limits.physical_block_size == 0);
    require((limits.model == Model::none) == (limits.layout.zone_count() == 0));
    require(!limits.max_open || *limits.max_open != 0);
    require(disk->dialect != nullptr);
    return 0;
}
