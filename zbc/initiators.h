// What a logical unit remembers of each initiator (I_T nexus): its pending unit attentions, and the
// mode pages that are its own.
//
// Threads: any; lock-free.
// Ownership: owns a fixed table. An initiator that no longer fits takes the place of another, which
// then is new at its next command: it sees one more unit attention and loses its mode pages.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "zbc/sense.h"

namespace zonebridge::zbc {

class Initiators {
  public:
    static constexpr std::size_t max_known = 64;

    /// Whether something waits to be told; an initiator never seen before has power_on waiting.
    [[nodiscard]] bool attention_pending(std::uint32_t initiator) noexcept;
    /// What is to be told first; each that was raised goes to exactly one caller.
    [[nodiscard]] std::optional<Attention> take_attention(std::uint32_t initiator) noexcept;

    /// Takes back what was raised, of this initiator: it learned of it in another way.
    void drop_attention(std::uint32_t initiator, Attention attention) noexcept;

    /// To every initiator but `except`. Those not known yet hear power_on first anyway.
    void raise(Attention attention, std::optional<std::uint32_t> except = std::nullopt) noexcept;

    [[nodiscard]] bool descriptor_sense(std::uint32_t initiator) noexcept;
    void set_descriptor_sense(std::uint32_t initiator, bool value) noexcept;

    /// Whether this initiator's own changes of the disk are refused (SWP).
    [[nodiscard]] bool software_write_protected(std::uint32_t initiator) noexcept;
    void set_software_write_protected(std::uint32_t initiator, bool value) noexcept;

    /// As LogicalUnit::reset.
    void reset(std::uint32_t initiator) noexcept;

  private:
    // initiator << 32 | attentions << 8 | flags; 0: free
    using Cell = std::atomic<std::uint64_t>;

    Cell& find(std::uint32_t initiator) noexcept;
    /// Sets and clears flags, if the cell is still the initiator's; returns what it held before.
    std::uint64_t change(std::uint32_t initiator, std::uint64_t set, std::uint64_t clear) noexcept;

    std::array<Cell, max_known> cells_{};
    std::atomic<std::uint32_t> next_victim_{0};
};

}  // namespace zonebridge::zbc
