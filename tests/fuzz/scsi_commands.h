// Mostly valid CDBs, made from a fuzzer's bytes and the target's table of commands; and the effect
// of a CDB on a disk, by a decoder of its own, which follows the standards and not the target's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/input.h"
#include "zone/request.h"

namespace zonebridge::fuzz {

struct ScsiCommand {
    std::vector<std::uint8_t> cdb;
    std::uint64_t moves = 0;               ///< The expected transfer length in bytes.
    std::vector<std::uint8_t> parameters;  ///< The parameter list, for commands that need one.
};

/// A command of the table, near a write pointer or a boundary of `oracle`'s zones; sometimes with a
/// byte changed, or truncated.
[[nodiscard]] ScsiCommand some_command(Input& input, const DiskOracle& oracle);

/// The effect of a CDB on the disk's bytes and zones.
enum class Effect : std::uint8_t { none, read, write, verify, action };

struct Meaning {
    Effect effect = Effect::none;
    std::uint64_t lba = 0;
    std::uint64_t count = 0;  ///< In blocks, or in zones.
    Operation operation = Operation::read;
    bool all = false;
    std::uint8_t byte_check = 0;  ///< BYTCHK of a VERIFY.
    /// The CDB itself may be a reason for refusal: protection, NACA, truncation.
    bool odd = false;
};

/// By SBC-4 and ZBC-2; Effect::none for a CDB that is too short for its opcode.
[[nodiscard]] Meaning meaning_of(std::span<const std::uint8_t> cdb);

}  // namespace zonebridge::fuzz
