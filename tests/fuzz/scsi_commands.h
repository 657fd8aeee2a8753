// CDBs that are mostly right, made of a fuzzer's bytes and of the target's own table of commands; and
// what a CDB does to a disk, read once more from the standards and not with the target's decoder.
//
// Ownership: a ScsiCommand owns its bytes.
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
    std::uint64_t moves = 0;  ///< Bytes of data that it is about, as far as a maker of CDBs knows.
    std::vector<std::uint8_t> parameters;  ///< For a command that wants a parameter list.
};

/// A command of the table, near something that `oracle` says is worth a try; now and then with a
/// byte changed or cut.
[[nodiscard]] ScsiCommand some_command(Input& input, const DiskOracle& oracle);

/// What a CDB does with the disk's bytes and zones.
enum class Effect : std::uint8_t { none, read, write, verify, action };

struct Meaning {
    Effect effect = Effect::none;
    std::uint64_t lba = 0;
    std::uint64_t count = 0;  ///< Blocks, or zones.
    Operation operation = Operation::read;
    bool all = false;
    std::uint8_t byte_check = 0;  ///< BYTCHK of a VERIFY.
    /// There may be reasons to refuse it in the CDB itself: protection, NACA, a cut.
    bool odd = false;
};

/// SBC-4 and ZBC-2; nothing of a CDB that is too short for its opcode.
[[nodiscard]] Meaning meaning_of(std::span<const std::uint8_t> cdb);

}  // namespace zonebridge::fuzz
