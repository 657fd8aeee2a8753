// Walking a request's buffers without touching what they hold.
//
// Threads: pure functions.
// Ownership: borrows the buffers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace zonebridge::emulated {

/// Fills `out` with the pieces of `buffers` from byte `skip` on, at most `length` bytes; returns
/// how many bytes that covers, fewer than asked where `out` is too short. `count`: pieces filled.
inline std::uint64_t slice(std::span<const iovec> buffers, std::uint64_t skip, std::uint64_t length,
                           std::span<iovec> out, std::size_t& count) noexcept {
    std::uint64_t covered = 0;
    count = 0;
    for (const auto& buffer : buffers) {
        if (skip >= buffer.iov_len) {
            skip -= buffer.iov_len;
            continue;
        }
        if (count == out.size() || covered == length) break;
        const auto piece = std::min<std::uint64_t>(buffer.iov_len - skip, length - covered);
        out[count++] = {static_cast<std::uint8_t*>(buffer.iov_base) + skip, piece};
        covered += piece;
        skip = 0;
    }
    return covered;
}

/// Drops the first `bytes` of `buffers`, shortening one in place.
inline std::span<iovec> advance(std::span<iovec> buffers, std::uint64_t bytes) noexcept {
    while (!buffers.empty() && bytes >= buffers.front().iov_len) {
        bytes -= buffers.front().iov_len;
        buffers = buffers.subspan(1);
    }
    if (bytes != 0) {
        auto& front = buffers.front();
        front.iov_base = static_cast<std::uint8_t*>(front.iov_base) + bytes;
        front.iov_len -= bytes;
    }
    return buffers;
}

}  // namespace zonebridge::emulated
