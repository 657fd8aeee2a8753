// The requests of a measurement.
//
// Ownership: borrows the layout; the caller owns the buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::tools {

enum class Work : std::uint8_t { append, seqwrite, randread, report };

[[nodiscard]] std::string_view to_string(Work work) noexcept;
[[nodiscard]] std::optional<Work> parse_work(std::string_view word) noexcept;
[[nodiscard]] constexpr bool writes(Work work) noexcept {
    return work == Work::append || work == Work::seqwrite;
}

/// A range of bytes that may be read.
struct Extent {
    std::uint64_t start = 0;
    std::uint64_t length = 0;
};

class Load {
  public:
    /// A request without its buffers; only `measured` ones count.
    struct Item {
        Operation operation = Operation::read;
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
        std::uint32_t lane = 0;
        bool measured = true;
    };

    virtual ~Load() = default;
    /// The next request; nothing while every lane waits for requests in flight.
    [[nodiscard]] virtual std::optional<Item> next() noexcept = 0;
    /// An item of next() has succeeded.
    virtual void done(const Item& item) noexcept = 0;
};

/// Reads of `block` bytes at random places of `extents`, each of which has at least one block; long
/// extents are read in proportion to their length.
class RandomReads final : public Load {
  public:
    RandomReads(std::vector<Extent> extents, std::uint64_t block);
    [[nodiscard]] std::optional<Item> next() noexcept override;
    void done(const Item&) noexcept override {}

  private:
    std::vector<Extent> extents_;
    std::vector<std::uint64_t> blocks_up_to_;  // of all extents up to and including this one
    std::uint64_t block_;
    std::mt19937_64 random_{1};  // a fixed seed: the same places every time
};

/// Reports that begin at one zone after another, `step` zones on each time.
class Reports final : public Load {
  public:
    Reports(const Layout& layout, std::uint32_t step) : layout_(layout), step_(step) {}
    [[nodiscard]] std::optional<Item> next() noexcept override;
    void done(const Item&) noexcept override {}

  private:
    const Layout& layout_;
    std::uint64_t step_;
    std::uint64_t zone_ = 0;
};

/// Writes or appends of `block` bytes that fill one empty zone after another, in several lanes:
/// with N lanes, each has every Nth of `zones`, fills one at a time, and resets them in the next
/// round. The last request to a zone is shorter if its capacity is no multiple of `block`. A lane
/// goes on to its next zone when the last is full, so no more zones than lanes are ever open.
class ZoneWrites final : public Load {
  public:
    /// Requires no fewer zones than lanes, at least one.
    ZoneWrites(const Layout& layout, Operation operation, std::vector<std::uint32_t> zones,
               std::uint32_t lanes, std::uint64_t block);
    [[nodiscard]] std::optional<Item> next() noexcept override;
    void done(const Item& item) noexcept override;

  private:
    struct Lane {
        std::size_t place = 0;  // in zones_
        std::uint64_t issued = 0;
        std::uint32_t in_flight = 0;
        bool used_before = false;  // the zone was written in an earlier round
    };
    [[nodiscard]] std::optional<Item> next_of(Lane& lane, std::uint32_t number) noexcept;

    const Layout& layout_;
    Operation operation_;
    std::vector<std::uint32_t> zones_;
    std::uint64_t block_;
    std::vector<Lane> lanes_;
    std::uint32_t turn_ = 0;
};

/// Sequential writes of `block` bytes over a disk without zones, round after round.
class PlainWrites final : public Load {
  public:
    PlainWrites(std::uint64_t size, std::uint64_t block)
        : end_(size / block * block), block_(block) {}
    [[nodiscard]] std::optional<Item> next() noexcept override;
    void done(const Item&) noexcept override {}

  private:
    std::uint64_t end_;
    std::uint64_t block_;
    std::uint64_t position_ = 0;
};

}  // namespace zonebridge::tools
