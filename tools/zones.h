// Iterates over a disk's zones without holding all of them: a scan that fetches them in batches,
// and a tally that counts them.
//
// Ownership: ZoneScan borrows its DiskClient.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/disk_client.h"
#include "tools/failure.h"
#include "zone/types.h"

namespace zonebridge::tools {

class ZoneScan {
  public:
    /// `count` zones (or as many as there are) from zone `first` on.
    ZoneScan(DiskClient& session, std::uint64_t first, std::uint64_t count);

    /// The next batch; empty at the end. Valid until the next call.
    [[nodiscard]] tl::expected<std::span<const Zone>, Failure> next();

  private:
    DiskClient& session_;
    std::vector<Zone> batch_;
    std::uint64_t zone_;
    std::uint64_t end_;
};

/// All states in the order of their numbers, for printed lists.
inline constexpr std::array all_states{
    ZoneState::not_write_pointer, ZoneState::empty,  ZoneState::implicit_open,
    ZoneState::explicit_open,     ZoneState::closed, ZoneState::full,
    ZoneState::read_only,         ZoneState::offline};
inline constexpr std::array all_types{ZoneType::conventional, ZoneType::sequential_write_required,
                                      ZoneType::sequential_write_preferred};

/// Bytes written from the zone's start on, according to its report: nothing for conventional,
/// read-only and offline zones; all of a full zone.
[[nodiscard]] std::optional<std::uint64_t> written_bytes(const Zone& zone) noexcept;

class Tally {
  public:
    void add(const Zone& zone) noexcept;

    [[nodiscard]] std::uint64_t zones() const noexcept { return zones_; }
    [[nodiscard]] std::uint64_t of(ZoneState state) const noexcept {
        return states_[static_cast<std::size_t>(state)];
    }
    [[nodiscard]] std::uint64_t of(ZoneType type) const noexcept {
        return types_[static_cast<std::size_t>(type)];
    }
    /// Bytes written to zones for which written_bytes() is known, and those zones' capacity.
    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }

    /// "3 empty, 1 full"; "none" if there are none.
    [[nodiscard]] std::string states_in_words() const;

  private:
    std::array<std::uint64_t, 16> states_{};
    std::array<std::uint64_t, 4> types_{};
    std::uint64_t zones_ = 0;
    std::uint64_t written_ = 0;
    std::uint64_t capacity_ = 0;
};

/// A disk in a few words: "10 GiB, host-managed, 40 zones of 256M"; "1 GiB, no zones" where `zone_count`
/// is 0. Sizes in bytes.
[[nodiscard]] std::string describe_disk(std::uint64_t size, std::string_view model,
                                        std::uint64_t zone_count, std::uint64_t zone_size);

/// "1 zone", "2 zones".
[[nodiscard]] std::string count_zones(std::uint64_t count);

}  // namespace zonebridge::tools
