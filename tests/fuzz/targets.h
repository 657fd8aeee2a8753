// The fuzz targets that drive whole devices, as functions: the fuzzer calls them with its inputs,
// seeds_test with the seeds and with changed seeds.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace zonebridge::fuzz {

/// The outcome of an input, so that tests notice inputs without effect.
struct Tally {
    std::array<unsigned, 256> good{};     ///< Requests that succeeded, by opcode or request type.
    std::array<unsigned, 256> refused{};  ///< Requests that failed.
    unsigned faults = 0;                  ///< Sessions that ended by a broken ring.
    std::uint64_t digest = 0;             ///< Of all answers, to compare two runs.

    void note(std::span<const std::uint8_t> answer) {
        const auto mix = [this](std::uint64_t word) {
            digest = (digest ^ word) * 0x9E3779B97F4A7C15 + 1;
            digest ^= digest >> 32;
        };
        mix(answer.size());
        std::uint64_t word = 0;
        for (; answer.size() >= sizeof word; answer = answer.subspan(sizeof word)) {
            std::memcpy(&word, answer.data(), sizeof word);
            mix(word);
        }
        for (const auto byte : answer) mix(byte);
    }
    void note(std::string_view text) {
        note(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    }
    friend bool operator==(const Tally&, const Tally&) = default;

    void add(const Tally& other) {
        for (std::size_t i = 0; i < good.size(); ++i) {
            good[i] += other.good[i];
            refused[i] += other.refused[i];
        }
        faults += other.faults;
        digest ^= other.digest;
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
