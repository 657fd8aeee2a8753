// Fuzzes the filter and the planning of passed-through commands, and the editing of replies.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    zonebridge::fuzz::run_passthrough_plan({data, size});
    return 0;
}
