// The parts of a server, and the table of the system calls that each needs, with the reasons.
//
// Threads: any; the tables are constant.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace zonebridge::service {

/// A part of the server that needs system calls or capabilities of its own.
enum class Part : std::uint8_t {
    base,  ///< Every server.
    vhost_user,
    vduse,
    emulated,
    block,
    scsi,
    nvme,
    nvme_admin,   ///< NVMe commands that the kernel takes from an administrator only.
    later_disks,  ///< Disks of any kind are opened while a guest runs (the control socket).
    sanitizer,    ///< A build with AddressSanitizer.
};

/// Whether this is a build with AddressSanitizer. Its leak checker traces the server's threads from a
/// process of its own, so such a build, which is for tests, has more calls and no Landlock.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

class Parts {
  public:
    Parts(std::initializer_list<Part> parts) {
        for (const auto part : parts) add(part);
    }
    void add(Part part) noexcept { bits_ |= 1U << static_cast<unsigned>(part); }
    [[nodiscard]] bool has(Part part) const noexcept {
        return (bits_ >> static_cast<unsigned>(part) & 1U) != 0;
    }
    /// The names, in the order of the enumeration and without `base`.
    [[nodiscard]] std::string words() const;

  private:
    unsigned bits_ = 0;
};

/// Compares an argument of a call, which the kernel sees as 64 bits: (argument & mask) == value.
struct CallCondition {
    unsigned argument = 0;
    std::uint64_t mask = ~std::uint64_t{0};
    std::uint64_t value = 0;
};

struct CallRow {
    Part part;
    int call;
    std::optional<CallCondition> condition;
    const char* reason;
};

/// Calls that are allowed. Several rows for a call allow what any of them allows.
[[nodiscard]] std::span<const CallRow> call_rows() noexcept;
/// Calls with a path: for the broker, or refused with EACCES.
[[nodiscard]] std::span<const CallRow> path_rows() noexcept;

}  // namespace zonebridge::service
