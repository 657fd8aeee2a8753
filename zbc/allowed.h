// Which commands a guest may send to a disk that is passed through: those that pass by default, and
// those that the user allowed by name or by number. Made once, and then only read.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "zbc/bytes.h"
#include "zone/status.h"

namespace zonebridge::zbc {

class Allowed {
  public:
    /// What passes by default.
    Allowed() noexcept;

    /// Adds the commands that `text` names, separated by commas: "write-buffer", "mode-select", "0xC1",
    /// "0x9E/0x18"; an opcode alone stands for all its service actions. Nothing is added if any
    /// part is wrong. Errors: invalid-request, with the known names.
    [[nodiscard]] tl::expected<void, Error> add(std::string_view text);

    /// Whether a command passes. REPORT LUNS never does. Constant time.
    [[nodiscard]] bool passes(std::uint8_t opcode, std::uint16_t action) const noexcept;
    [[nodiscard]] bool passes(ByteView cdb) const noexcept;

    /// Whether REPORT SUPPORTED OPERATION CODES may show the command: because it passes, or because
    /// the front end answers it. Without an action, of an opcode with service actions: whether any of
    /// them passes.
    [[nodiscard]] bool shows(std::uint8_t opcode, bool with_action,
                             std::uint16_t action) const noexcept;

  private:
    void allow(std::uint8_t opcode, std::optional<std::uint16_t> action) noexcept;

    /// By opcode, a bit for each service action; all bits for an opcode without service actions.
    std::array<std::uint32_t, 256> actions_{};
    /// The service actions of 7Fh, which have 16 bits.
    std::bitset<0x10000> variable_;
};

/// The set that --allow asks for.
[[nodiscard]] tl::expected<Allowed, Error> parse_allowed(std::string_view text);

/// The names that add() knows, of commands that do not pass by default, in alphabetical order,
/// separated by ", ".
[[nodiscard]] std::string allow_names();

}  // namespace zonebridge::zbc
