// Decodes the data of Zone Management Receive, as a device sent it: the header and the zone
// descriptors. (ZNS Command Set Specification, "Report Zones Data Structure", "Zone Descriptor Data
// Structure".)
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

/// Bytes of the header, and of a descriptor.
inline constexpr std::size_t report_header_size = 64;
inline constexpr std::size_t descriptor_size = 64;

/// The sizes, in bytes, that the report's numbers are converted with.
struct ReportUnits {
    std::uint32_t block_size = 0;
    std::uint64_t zone_size = 0;
    std::uint64_t size = 0;  ///< Of the namespace.
};

class Report {
  public:
    /// `bytes`: the buffer the device filled with a plain report, not an extended one.
    explicit Report(std::span<const std::uint8_t> bytes) noexcept;

    /// The zones in the report: the header's number, but never more than the buffer holds.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// Zone `index` of the report, below count(). Its length is the zone size, or the rest of the
    /// namespace; everything else is the device's word, which the caller checks against the other
    /// zones. The pointer is absent in states that make it invalid. Fails for positions outside the
    /// disk and for unknown types and states; the text does not name the zone's number.
    [[nodiscard]] tl::expected<Zone, const char*> zone(std::size_t index,
                                                       const ReportUnits& units) const noexcept;

  private:
    [[nodiscard]] std::size_t place(std::size_t index) const noexcept {
        return report_header_size + index * descriptor_size;
    }

    std::span<const std::uint8_t> bytes_;
    std::size_t count_ = 0;
};

/// What is impossible about `zone`, reported as zone `number` of `layout`; null if nothing is.
[[nodiscard]] const char* fault_of(const Zone& zone, std::uint32_t number,
                                   const Layout& layout) noexcept;

}  // namespace zonebridge::zns
