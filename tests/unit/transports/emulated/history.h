// The requests that a disk received, and so the contents that are possible after a power cut or
// after its process was killed: for each zone, all states since the last one known to be durable.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge::emulated {

/// Fills a 512-byte sector with the stamp of a write. Stamp 0 gives a sector of zeroes.
void put_stamp(std::uint64_t stamp, std::span<std::uint8_t, 512> sector);
/// The stamp of a sector; none if the sector does not hold exactly one stamp.
[[nodiscard]] std::optional<std::uint64_t> find_stamp(std::span<const std::uint8_t, 512> sector);

class History {
  public:
    explicit History(const Limits& limits);

    /// The data for a write of `length` bytes, with a new stamp in each sector.
    [[nodiscard]] std::vector<std::uint8_t> next_data(std::size_t length);

    /// Call this before a write of data from next_data() is submitted. The data may be found from
    /// now on.
    void write(std::uint64_t offset, std::span<const std::uint8_t> data);
    /// The same for a write of zeroes, or for a discard of written data.
    void clear(std::uint64_t offset, std::uint64_t length);
    /// The newest write failed, at least in part: the zone holds `written` bytes.
    void cut_back(std::uint32_t zone, std::uint64_t written);
    void reset(std::uint32_t zone);
    void finish(std::uint32_t zone);

    /// What a flush submitted now will cover.
    struct Mark {
        std::vector<std::size_t> epochs;  // for each zone, how many epochs have ended
        std::vector<std::size_t> written;
        std::vector<bool> finished;
        std::uint64_t stamp = 0;
    };
    [[nodiscard]] Mark mark() const;
    /// Call this when the flush with this mark has completed.
    void flushed(const Mark& mark);

    /// Returns an empty string if the found state is possible, else what is wrong. The found state
    /// is then the only possible one.
    [[nodiscard]] std::string check(std::uint32_t zone, const Zone& found,
                                    std::span<const std::uint8_t> content);
    /// For a running disk: the zone must hold exactly its newest data.
    [[nodiscard]] std::string check_live(std::uint32_t zone,
                                         std::span<const std::uint8_t> content) const;
    [[nodiscard]] std::uint64_t written(std::uint32_t zone) const {
        return zones_[zone].epochs.back().written * 512;
    }

  private:
    /// The time of a zone from one reset to the next.
    struct Epoch {
        std::vector<std::vector<std::uint64_t>> sectors;  // for each, its possible stamps
        std::size_t written = 0;                          // in sectors
        std::size_t least = 0;                            // sectors that are surely there
        std::optional<std::size_t> finished_at;
        bool surely_finished = false;
    };
    struct ZoneHistory {
        std::vector<Epoch> epochs;  // the first is known to be durable up to its `least`
        std::size_t over = 0;       // epochs that were dropped
    };

    void put(std::uint64_t offset, std::span<const std::uint64_t> stamps);
    [[nodiscard]] static bool fits(const Epoch& epoch, std::size_t pointer,
                                   std::span<const std::optional<std::uint64_t>> found);
    [[nodiscard]] std::vector<std::size_t> pointers(const Epoch& epoch, const Zone& found,
                                                    bool first) const;

    const Limits limits_;
    std::vector<ZoneHistory> zones_;
    std::uint64_t stamp_ = 0;
};

}  // namespace zonebridge::emulated
