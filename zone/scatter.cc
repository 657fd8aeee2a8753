#include "zone/scatter.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace zonebridge {

std::uint64_t total_length(std::span<const iovec> buffers) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t total = 0;
    for (const auto& buffer : buffers)
        total = buffer.iov_len > most - total ? most : total + buffer.iov_len;
    return total;
}

std::optional<std::span<const iovec>> front(std::span<const iovec> buffers, std::uint64_t length,
                                            std::span<iovec> room) noexcept {
    auto rest = length;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        const std::uint64_t here = buffers[i].iov_len;
        if (here == rest) return buffers.first(i + 1);
        if (here > rest) {
            if (i >= room.size()) return std::nullopt;
            std::copy_n(buffers.begin(), i + 1, room.begin());
            room[i].iov_len = rest;
            return room.first(i + 1);
        }
        rest -= here;
    }
    return std::nullopt;
}

std::size_t scatter(std::span<const std::uint8_t> bytes, std::span<const iovec> buffers) noexcept {
    return ScatterWriter(buffers).write(bytes);
}

std::size_t gather(std::span<const iovec> buffers, std::span<std::uint8_t> out) noexcept {
    std::size_t done = 0;
    for (const auto& buffer : buffers) {
        const auto part = std::min(buffer.iov_len, out.size() - done);
        if (part == 0) continue;
        std::memcpy(out.data() + done, buffer.iov_base, part);
        done += part;
    }
    return done;
}

std::size_t ScatterWriter::write(std::span<const std::uint8_t> bytes) noexcept {
    return advance(bytes.data(), bytes.size());
}

std::size_t ScatterWriter::advance(const std::uint8_t* from, std::size_t length) noexcept {
    std::size_t done = 0;
    while (done < length && index_ < buffers_.size()) {
        const auto& buffer = buffers_[index_];
        const auto part = std::min(length - done, buffer.iov_len - used_);
        if (part != 0 && from)
            std::memcpy(static_cast<std::uint8_t*>(buffer.iov_base) + used_, from + done, part);
        done += part;
        used_ += part;
        if (used_ == buffer.iov_len) {
            ++index_;
            used_ = 0;
        }
    }
    return done;
}

std::optional<std::size_t> ScatterComparer::compare(std::span<const std::uint8_t> bytes) noexcept {
    std::size_t done = 0;
    while (done < bytes.size()) {
        if (index_ == buffers_.size()) return done;
        const auto& buffer = buffers_[index_];
        const auto part = std::min(bytes.size() - done, buffer.iov_len - used_);
        if (part != 0) {
            const auto* const theirs = static_cast<const std::uint8_t*>(buffer.iov_base) + used_;
            const auto ours = bytes.subspan(done, part);
            if (std::memcmp(ours.data(), theirs, part) != 0) {
                // The buffer may be changing: where nothing differs any more, its end will do.
                const auto place = std::mismatch(ours.begin(), ours.end(), theirs).first;
                return done + std::min<std::size_t>(place - ours.begin(), part - 1);
            }
        }
        done += part;
        used_ += part;
        if (used_ == buffer.iov_len) {
            ++index_;
            used_ = 0;
        }
    }
    return std::nullopt;
}

}  // namespace zonebridge
