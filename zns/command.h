// Encodes the command words of NVM reads, writes and flushes, and of the zoned command set's
// appends, reports and zone actions.
#pragma once

#include <cstdint>

namespace zonebridge::zns {

/// NVM and Zoned Namespace Command Set Specifications, "Opcodes".
enum class Opcode : std::uint8_t {
    flush = 0x00,
    write = 0x01,
    read = 0x02,
    zone_management_send = 0x79,
    zone_management_receive = 0x7A,
    zone_append = 0x7D,
};

/// The part of a submission queue entry that belongs to the command; the sender adds the data
/// pointers.
struct Command {
    std::uint8_t opcode = 0;
    std::uint32_t nsid = 0;
    std::uint32_t cdw10 = 0;
    std::uint32_t cdw11 = 0;
    std::uint32_t cdw12 = 0;
    std::uint32_t cdw13 = 0;

    friend bool operator==(const Command&, const Command&) = default;
};

/// ZNS, "Zone Management Send", Zone Send Action.
enum class Action : std::uint8_t { close = 1, finish = 2, open = 3, reset = 4 };

/// The most blocks of one command: its 16-bit count is 0's based.
inline constexpr std::uint32_t max_blocks = 0x10000;

/// `blocks`: 1 to max_blocks.
[[nodiscard]] Command read(std::uint32_t nsid, std::uint64_t lba, std::uint32_t blocks) noexcept;
[[nodiscard]] Command write(std::uint32_t nsid, std::uint64_t lba, std::uint32_t blocks,
                            bool fua) noexcept;
/// `zone`: the first block of the zone.
[[nodiscard]] Command append(std::uint32_t nsid, std::uint64_t zone, std::uint32_t blocks,
                             bool fua) noexcept;
[[nodiscard]] Command flush(std::uint32_t nsid) noexcept;
/// On the zone that begins with block `zone`.
[[nodiscard]] Command act(std::uint32_t nsid, Action action, std::uint64_t zone) noexcept;
/// On every zone that the action applies to (Select All).
[[nodiscard]] Command act_on_all(std::uint32_t nsid, Action action) noexcept;
/// A report of all zones from block `lba` on into `bytes` of data (a multiple of 4, not 0). The
/// header counts only the zones that fit (Partial Report).
[[nodiscard]] Command report(std::uint32_t nsid, std::uint64_t lba, std::uint32_t bytes) noexcept;

}  // namespace zonebridge::zns
