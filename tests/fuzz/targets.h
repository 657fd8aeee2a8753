// The fuzz targets that drive whole devices with requests, as functions: the fuzzer calls them with
// what it thought up, seeds_test with the seeds and with changes of them.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace zonebridge::fuzz {

/// What an input came to; so that inputs which do nothing are noticed.
struct Tally {
    std::array<unsigned, 256> good{};     ///< Requests that succeeded, by opcode or request type.
    std::array<unsigned, 256> refused{};  ///< And those that were answered otherwise.
    unsigned faults = 0;                  ///< Sessions that a broken ring ended.

    void add(const Tally& other) {
        for (std::size_t i = 0; i < good.size(); ++i) {
            good[i] += other.good[i];
            refused[i] += other.refused[i];
        }
        faults += other.faults;
    }
};

/// SCSI commands to the target over a disk in memory.
Tally run_scsi_target(std::span<const std::uint8_t> input);
/// CDBs to what decides on passing them through, and replies to what edits them.
Tally run_passthrough_plan(std::span<const std::uint8_t> input);
/// virtio-blk requests to the device over a disk in memory, by a ring that is right.
Tally run_blk_request(std::span<const std::uint8_t> input);
/// Descriptor chains, now and then broken, to the virtio-scsi and the virtio-blk device.
Tally run_virtio_chain(std::span<const std::uint8_t> input);

}  // namespace zonebridge::fuzz
