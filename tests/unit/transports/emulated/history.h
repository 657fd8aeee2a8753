// What a disk was told, and so what may be found on it after its power or its process went: for
// every zone all the states it passed through since it was last known durable.
//
// Threads: a plain value.
// Ownership: owns what it remembers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge::emulated {

/// A 512-byte sector that says which write it came from; stamp 0 is a sector of zeroes.
void put_stamp(std::uint64_t stamp, std::span<std::uint8_t, 512> sector);
/// Absent: no such sector was ever written as a whole.
[[nodiscard]] std::optional<std::uint64_t> find_stamp(std::span<const std::uint8_t, 512> sector);

class History {
  public:
    explicit History(const Limits& limits);

    /// Stamps for a write's sectors, and its data.
    [[nodiscard]] std::vector<std::uint8_t> next_data(std::size_t length);

    /// Before it is submitted, the data from next_data. It may be there from now on.
    void write(std::uint64_t offset, std::span<const std::uint8_t> data);
    /// The same for zeroes: a write of zeroes, or a discard of what was written already.
    void clear(std::uint64_t offset, std::uint64_t length);
    /// The newest write failed, or part of it: the zone holds `written` bytes.
    void cut_back(std::uint32_t zone, std::uint64_t written);
    void reset(std::uint32_t zone);
    void finish(std::uint32_t zone);

    /// What a flush submitted now will cover.
    struct Mark {
        std::vector<std::size_t> epochs;  // how many of each zone's are over
        std::vector<std::size_t> written;
        std::vector<bool> finished;
        std::uint64_t stamp = 0;
    };
    [[nodiscard]] Mark mark() const;
    /// The flush completed.
    void flushed(const Mark& mark);

    /// What is found must be possible; empty if so, else what is wrong. What was found is then
    /// what is known.
    [[nodiscard]] std::string check(std::uint32_t zone, const Zone& found,
                                    std::span<const std::uint8_t> content);
    /// The disk is up and the zone must hold just what it was told last.
    [[nodiscard]] std::string check_live(std::uint32_t zone,
                                         std::span<const std::uint8_t> content) const;
    [[nodiscard]] std::uint64_t written(std::uint32_t zone) const {
        return zones_[zone].epochs.back().written * 512;
    }

  private:
    /// From one reset to the next.
    struct Epoch {
        std::vector<std::vector<std::uint64_t>> sectors;  // of each, the stamps it may have
        std::size_t written = 0;                          // in sectors
        std::size_t least = 0;                            // of those, surely there
        std::optional<std::size_t> finished_at;
        bool surely_finished = false;
    };
    struct ZoneHistory {
        std::vector<Epoch> epochs;  // the first is known durable as far as its `least`
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
