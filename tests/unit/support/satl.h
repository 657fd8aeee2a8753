// What a SATL does for a simulated ATA disk: it takes ATA commands out of CDBs, and puts the registers
// into sense data. The reverse of zbc/zac and zbc/zac_sense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "zbc/sense.h"
#include "zbc/zac.h"
#include "zbc/zac_sense.h"

namespace zonebridge::test {

/// Nothing if the CDB is not ATA PASS-THROUGH(16). Unknown codes are kept.
[[nodiscard]] std::optional<zbc::zac::AtaCommand> decode_ata(ByteView cdb) noexcept;

/// Sense data with registers; returns their length, of which out.size() bytes were written.
std::size_t encode_registers(const zbc::zac::Registers& registers, const zbc::Sense& sense,
                             zbc::SenseFormat format, std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::test
