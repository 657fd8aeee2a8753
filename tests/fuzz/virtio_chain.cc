// Descriptor chains, right ones and broken ones, to the devices of both kinds.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    zonebridge::fuzz::run_virtio_chain({data, size});
    return 0;
}
