// Fuzzes the virtio-scsi and virtio-blk devices with valid and malformed descriptor chains.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    zonebridge::fuzz::run_virtio_chain({data, size});
    return 0;
}
