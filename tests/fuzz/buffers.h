// A command's buffers, split by a fuzzer's input, each followed by canary bytes that must not
// change.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "base/iovec.h"
#include "tests/fuzz/input.h"

namespace zonebridge::fuzz {

inline constexpr std::uint8_t canary = 0xC5;

/// The buffers of one direction.
class Buffers {
  public:
    /// Makes buffers of `total` bytes; `cut` determines the pieces, of which there are at most 24.
    void make(std::uint64_t total, std::uint8_t cut) {
        while (total > 0 && pieces_.size() < 24) {
            const std::uint64_t most = (cut & 0xF) == 0 ? total : 1 + (cut & 0xF) * 331;
            const auto size = pieces_.size() == 23 ? total : std::min(total, most);
            pieces_.emplace_back(size + slack, canary);
            lengths_.push_back(size);
            total -= size;
            // An empty buffer is allowed, too.
            if ((cut & 0x10) != 0 && pieces_.size() == 1) {
                pieces_.emplace_back(slack, canary);
                lengths_.push_back(0);
            }
        }
        list_.reserve(pieces_.size());
        for (std::size_t i = 0; i < pieces_.size(); ++i)
            list_.push_back({pieces_[i].data(), lengths_[i]});
    }
    /// Makes every byte a canary again.
    void wipe() {
        for (auto& piece : pieces_) std::fill(piece.begin(), piece.end(), canary);
    }
    /// Copies bytes to the front of the buffers.
    void fill(std::span<const std::uint8_t> bytes) { copy_to(list_, 0, bytes); }

    [[nodiscard]] std::span<const iovec> list() const { return list_; }
    [[nodiscard]] std::uint64_t total() const { return total_length(list_); }
    [[nodiscard]] std::vector<std::uint8_t> contents() const {
        std::vector<std::uint8_t> out(total());
        copy_from(list_, 0, out);
        return out;
    }
    /// Requires that no byte behind any buffer was written.
    void require_canaries() const {
        for (std::size_t i = 0; i < pieces_.size(); ++i)
            require(std::all_of(pieces_[i].begin() + static_cast<std::ptrdiff_t>(lengths_[i]),
                                pieces_[i].end(), [](auto byte) { return byte == canary; }));
    }

  private:
    static constexpr std::size_t slack = 16;

    std::vector<std::vector<std::uint8_t>> pieces_;
    std::vector<std::uint64_t> lengths_;
    std::vector<iovec> list_;
};

}  // namespace zonebridge::fuzz
