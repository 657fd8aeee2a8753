// Fuzzes the SCSI target over a disk in memory with commands.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    zonebridge::fuzz::run_scsi_target({data, size});
    return 0;
}
