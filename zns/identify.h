// Decodes Identify data of controllers and namespaces, with and without zones, as a device sent it,
// and turns the data and the host's bounds into the model's limits.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "zone/limits.h"

namespace zonebridge::zns {

/// Every Identify data structure is this long.
inline constexpr std::size_t identify_size = 4096;

/// I/O command sets (NVMe Base Specification, "Command Set Identifiers").
enum class CommandSet : std::uint8_t { nvm = 0, key_value = 1, zoned = 2 };

/// The fields of Identify Controller (CNS 01h) that Zonebridge uses.
struct Controller {
    std::string serial;
    std::string model;
    std::string firmware;
    /// The most data of one command, as 2^mdts units of the smallest page; 0: no limit.
    std::uint8_t mdts = 0;
    bool volatile_cache = false;
};
[[nodiscard]] Controller decode_controller(std::span<const std::uint8_t> data);

/// The fields of Identify Namespace (CNS 00h) that Zonebridge uses.
struct Namespace {
    std::uint64_t blocks = 0;
    std::uint32_t block_size = 0;
    std::uint8_t format = 0;  ///< Index of the LBA format in use.
    bool write_protected = false;
    std::array<std::uint8_t, 16> nguid{};  ///< All zero: none.
    std::array<std::uint8_t, 8> eui64{};   ///< All zero: none.
};
/// The error is a text: which field is impossible, or is not supported (metadata).
[[nodiscard]] tl::expected<Namespace, std::string> decode_namespace(
    std::span<const std::uint8_t> data);

/// The fields of the zoned Identify Namespace (CNS 05h, CSI 02h) that Zonebridge uses.
struct ZonedNamespace {
    std::uint64_t zone_blocks = 0;
    std::optional<std::uint32_t> max_open;    ///< Absent: no limit.
    std::optional<std::uint32_t> max_active;  ///< Absent: no limit.
    bool reads_across_zones = false;
};
/// `format`: Namespace::format. The error is a text that says which field is impossible.
[[nodiscard]] tl::expected<ZonedNamespace, std::string> decode_zoned_namespace(
    std::span<const std::uint8_t> data, std::uint8_t format);

/// ZASL of the zoned Identify Controller (CNS 06h, CSI 02h), in the unit of Controller::mdts; 0:
/// the limit is MDTS.
[[nodiscard]] std::uint8_t decode_zasl(std::span<const std::uint8_t> data) noexcept;

/// The command set in a Namespace Identification Descriptor list (CNS 03h), if the list has it.
[[nodiscard]] std::optional<std::uint8_t> decode_command_set(
    std::span<const std::uint8_t> data) noexcept;

/// The most that the host's side of the path allows in one command.
struct HostBounds {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::uint32_t max_segments = 0;  ///< Buffers.
};

/// Everything but the layout. `zoned` is absent for a namespace without zones; `zasl` is then
/// ignored.
///
/// The unit of MDTS and ZASL is the controller's smallest page, which only its registers tell. It
/// is at least 4 KiB, so 4 KiB is assumed: the result is never more than the controller allows.
[[nodiscard]] Limits limits_of(const Controller& controller, const Namespace& space,
                               const std::optional<ZonedNamespace>& zoned, std::uint8_t zasl,
                               const HostBounds& host);

}  // namespace zonebridge::zns
