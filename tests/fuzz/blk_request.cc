// Fuzzes the virtio-blk device over a disk in memory with requests.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    zonebridge::fuzz::run_blk_request({data, size});
    return 0;
}
