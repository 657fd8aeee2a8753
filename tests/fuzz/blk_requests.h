// Mostly valid virtio-blk requests, made from a fuzzer's bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/driver/blk.h"
#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/input.h"

namespace zonebridge::fuzz {

inline constexpr std::uint64_t sector_size = 512;

struct BlkRequest {
    std::uint32_t type = 0;
    std::uint64_t sector = 0;
    std::vector<std::uint8_t> out;  ///< The bytes behind the header.
    std::uint64_t in_length = 0;    ///< The number of writable bytes before the status.

    /// The header and `out`, as the device reads them.
    [[nodiscard]] std::vector<std::uint8_t> readable() const;
};

/// A request near a write pointer or a boundary of `oracle`'s zones; `with` stamps its data.
[[nodiscard]] BlkRequest some_blk_request(Input& input, const DiskOracle& oracle,
                                          std::uint64_t with);

/// One range of a discard or a write of zeroes, decoded from its bytes.
/// The first byte of a sector; the last byte there can be, which is on no disk, if the number is too large.
[[nodiscard]] std::uint64_t byte_of_sector(std::uint64_t sector) noexcept;

struct ClearRange {
    std::uint64_t offset = 0;  ///< In bytes.
    std::uint64_t length = 0;
    std::uint32_t flags = 0;
};
[[nodiscard]] std::vector<ClearRange> ranges_of(const BlkRequest& request);

}  // namespace zonebridge::fuzz
