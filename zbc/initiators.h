// What a logical unit remembers of each initiator (I_T nexus): a pending unit attention, and the
// mode pages that are its own.
//
// Threads: any; lock-free.
// Ownership: owns a fixed table. An initiator that no longer fits takes the place of another, which
// then is new at its next command: it sees one more unit attention and loses its D_SENSE.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace zonebridge::zbc {

class Initiators {
  public:
    static constexpr std::size_t max_known = 64;

    /// Whether 29h/00h waits to be told; an initiator never seen before has it waiting.
    [[nodiscard]] bool attention_pending(std::uint32_t initiator) noexcept;
    /// Tells it: true for exactly one caller for each reset.
    [[nodiscard]] bool take_attention(std::uint32_t initiator) noexcept;

    [[nodiscard]] bool descriptor_sense(std::uint32_t initiator) noexcept;
    void set_descriptor_sense(std::uint32_t initiator, bool value) noexcept;

    /// As LogicalUnit::reset.
    void reset(std::uint32_t initiator) noexcept;

  private:
    using Cell = std::atomic<std::uint64_t>;  // initiator << 32 | flags; 0: free

    Cell& find(std::uint32_t initiator) noexcept;
    /// Sets and clears flags, if the cell is still the initiator's; returns what it held before.
    std::uint64_t change(std::uint32_t initiator, std::uint64_t set, std::uint64_t clear) noexcept;

    std::array<Cell, max_known> cells_{};
    std::atomic<std::uint32_t> next_victim_{0};
};

}  // namespace zonebridge::zbc
