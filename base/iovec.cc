#include "base/iovec.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace zonebridge {
namespace {

std::uint8_t* bytes_at(const iovec& buffer, std::size_t offset) noexcept {
    return static_cast<std::uint8_t*>(buffer.iov_base) + offset;
}

}  // namespace

std::uint64_t total_length(std::span<const iovec> buffers) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t total = 0;
    for (const auto& buffer : buffers)
        total = buffer.iov_len > most - total ? most : total + buffer.iov_len;
    return total;
}

std::optional<std::span<const iovec>> front(std::span<const iovec> buffers, std::uint64_t length,
                                            std::span<iovec> scratch) noexcept {
    auto rest = length;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        const std::uint64_t here = buffers[i].iov_len;
        if (here == rest) return buffers.first(i + 1);
        if (here > rest) {
            if (i >= scratch.size()) return std::nullopt;
            std::copy_n(buffers.begin(), i + 1, scratch.begin());
            scratch[i].iov_len = rest;
            return scratch.first(i + 1);
        }
        rest -= here;
    }
    return std::nullopt;
}

std::optional<std::span<const iovec>> skip_front(std::span<const iovec> buffers,
                                                 std::uint64_t bytes,
                                                 std::span<iovec> scratch) noexcept {
    while (!buffers.empty() && bytes >= buffers.front().iov_len) {
        bytes -= buffers.front().iov_len;
        buffers = buffers.subspan(1);
    }
    if (bytes == 0) return buffers;
    if (buffers.empty() || scratch.size() < buffers.size()) return std::nullopt;
    std::copy(buffers.begin(), buffers.end(), scratch.begin());
    return trim_front(scratch.first(buffers.size()), bytes);
}

std::span<iovec> trim_front(std::span<iovec> buffers, std::uint64_t bytes) noexcept {
    while (!buffers.empty() && bytes >= buffers.front().iov_len) {
        bytes -= buffers.front().iov_len;
        buffers = buffers.subspan(1);
    }
    if (bytes != 0) {
        auto& front = buffers.front();
        front = {bytes_at(front, bytes), front.iov_len - bytes};
    }
    return buffers;
}

std::size_t copy_from(std::span<const iovec> buffers, std::uint64_t offset,
                      std::span<std::uint8_t> out) noexcept {
    return IovecCursor(buffers, offset).read(out);
}

std::size_t copy_to(std::span<const iovec> buffers, std::uint64_t offset,
                    std::span<const std::uint8_t> in) noexcept {
    return IovecCursor(buffers, offset).write(in);
}

IovecCursor::IovecCursor(std::span<const iovec> buffers, std::uint64_t offset) noexcept
    : rest_(buffers) {
    skip(offset);
}

template <typename Each>
std::uint64_t IovecCursor::walk(std::uint64_t length, const Each& each) noexcept {
    std::uint64_t done = 0;
    while (done < length && !rest_.empty()) {
        const auto& buffer = rest_.front();
        const auto part = std::min<std::uint64_t>(length - done, buffer.iov_len - used_);
        if (part != 0 && !each(std::span(bytes_at(buffer, used_), part), done)) return done;
        done += part;
        used_ += part;
        if (used_ != buffer.iov_len) continue;
        rest_ = rest_.subspan(1);
        used_ = 0;
    }
    return done;
}

std::size_t IovecCursor::write(std::span<const std::uint8_t> in) noexcept {
    return walk(in.size(), [in](std::span<std::uint8_t> piece, std::uint64_t done) {
        std::memcpy(piece.data(), in.data() + done, piece.size());
        return true;
    });
}

std::size_t IovecCursor::read(std::span<std::uint8_t> out) noexcept {
    return walk(out.size(), [out](std::span<const std::uint8_t> piece, std::uint64_t done) {
        std::memcpy(out.data() + done, piece.data(), piece.size());
        return true;
    });
}

std::uint64_t IovecCursor::skip(std::uint64_t length) noexcept {
    return walk(length, [](std::span<const std::uint8_t>, std::uint64_t) { return true; });
}

std::optional<std::size_t> IovecCursor::compare(std::span<const std::uint8_t> bytes) noexcept {
    std::optional<std::size_t> differs;
    const auto same =
        walk(bytes.size(), [&](std::span<const std::uint8_t> theirs, std::uint64_t done) {
            const auto ours = bytes.subspan(done, theirs.size());
            if (std::memcmp(ours.data(), theirs.data(), theirs.size()) == 0) return true;
            // The buffer may be changing: if no byte differs any more, report its last byte.
            const auto place = std::mismatch(ours.begin(), ours.end(), theirs.begin()).first;
            differs = done + std::min<std::size_t>(place - ours.begin(), theirs.size() - 1);
            return false;
        });
    if (!differs && same < bytes.size()) differs = same;
    return differs;
}

IovecCursor::Slice IovecCursor::slice(std::uint64_t length, std::span<iovec> out) noexcept {
    std::size_t count = 0;
    const auto covered = walk(length, [&](std::span<std::uint8_t> piece, std::uint64_t) {
        if (count == out.size()) return false;
        out[count++] = {piece.data(), piece.size()};
        return true;
    });
    return {out.first(count), covered};
}

}  // namespace zonebridge
