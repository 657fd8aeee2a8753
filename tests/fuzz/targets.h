// The fuzz targets that drive whole devices, as functions: the fuzzer calls them with its inputs,
// seeds_test with the seeds and with changed seeds.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace zonebridge::fuzz {

/// The outcome of an input, so that tests notice inputs without effect.
struct Tally {
    std::array<unsigned, 256> good{};     ///< Requests that succeeded, by opcode or request type.
    std::array<unsigned, 256> refused{};  ///< Requests that failed.
    unsigned faults = 0;                  ///< Sessions that ended by a broken ring.

    void add(const Tally& other) {
        for (std::size_t i = 0; i < good.size(); ++i) {
            good[i] += other.good[i];
            refused[i] += other.refused[i];
        }
        faults += other.faults;
    }
};

/// Sends SCSI commands to the target over a disk in memory.
Tally run_scsi_target(std::span<const std::uint8_t> input);
/// Plans CDBs for passing through, and edits replies.
Tally run_passthrough_plan(std::span<const std::uint8_t> input);
/// Sends virtio-blk requests to the device over a disk in memory, by a valid ring.
Tally run_blk_request(std::span<const std::uint8_t> input);
/// Sends descriptor chains, some of them malformed, to the virtio-scsi or the virtio-blk device.
Tally run_virtio_chain(std::span<const std::uint8_t> input);

}  // namespace zonebridge::fuzz
