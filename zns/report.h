// Zone Management Receive's data, as a device sent it: the header and the zone descriptors. (ZNS
// Command Set Specification, "Report Zones Data Structure", "Zone Descriptor Data Structure".)
//
// Ownership: a report borrows its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge::zns {

/// Bytes of the header, and of a descriptor without its extension.
inline constexpr std::size_t report_header_size = 64;
inline constexpr std::size_t descriptor_size = 64;

/// What the sizes in a report are told in; all in bytes.
struct ReportUnits {
    std::uint32_t block_size = 0;
    std::uint64_t zone_size = 0;
    std::uint64_t size = 0;  ///< The namespace's.
};

class Report {
  public:
    /// `bytes`: what the device had room for. `extension`: bytes behind each descriptor, 0 in a
    /// plain report.
    explicit Report(std::span<const std::uint8_t> bytes, std::size_t extension = 0) noexcept;

    /// Zones that are in the report: as its header says, but never more than there is room for.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    /// The header's own number.
    [[nodiscard]] std::uint64_t claimed() const noexcept { return claimed_; }

    /// Zone `index` of the report, below count(). A length is the zone size, or what is left of the
    /// namespace; everything else is as the device says, to be held against the rest. The pointer is
    /// absent where the state makes it invalid. Fails for numbers that no place on a disk can have
    /// and types and states that are none, in words without the zone's number.
    [[nodiscard]] tl::expected<Zone, const char*> zone(std::size_t index,
                                                       const ReportUnits& units) const noexcept;

    /// Descriptor extension of zone `index`, if the descriptor says that it has one.
    [[nodiscard]] std::span<const std::uint8_t> extension(std::size_t index) const noexcept;

  private:
    [[nodiscard]] std::size_t place(std::size_t index) const noexcept {
        return report_header_size + index * (descriptor_size + extension_);
    }

    std::span<const std::uint8_t> bytes_;
    std::size_t extension_;
    std::uint64_t claimed_ = 0;
    std::size_t count_ = 0;
};

/// What about `zone` can't be, told to be zone `number` of `layout`; null if nothing.
[[nodiscard]] const char* fault_of(const Zone& zone, std::uint32_t number,
                                   const Layout& layout) noexcept;

}  // namespace zonebridge::zns
