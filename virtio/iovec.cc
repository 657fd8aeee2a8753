#include "virtio/iovec.h"

#include <algorithm>
#include <cstring>

namespace zonebridge::virtio {
namespace {

/// Calls `each(piece, length)` for the pieces of `buffers` from `offset` on until `length` bytes
/// are done; returns how many were.
template <typename Each>
std::size_t walk(std::span<const iovec> buffers, std::uint64_t offset, std::size_t length,
                 Each each) noexcept {
    std::size_t done = 0;
    for (const iovec& buffer : buffers) {
        if (done == length) break;
        if (offset >= buffer.iov_len) {
            offset -= buffer.iov_len;
            continue;
        }
        const std::size_t piece = std::min<std::size_t>(length - done, buffer.iov_len - offset);
        each(static_cast<std::byte*>(buffer.iov_base) + offset, done, piece);
        done += piece;
        offset = 0;
    }
    return done;
}

}  // namespace

std::uint64_t total_length(std::span<const iovec> buffers) noexcept {
    std::uint64_t total = 0;
    for (const iovec& buffer : buffers) total += buffer.iov_len;
    return total;
}

std::size_t copy_from(std::span<const iovec> buffers, std::uint64_t offset,
                      std::span<std::byte> out) noexcept {
    return walk(buffers, offset, out.size(),
                [out](const std::byte* piece, std::size_t done, std::size_t length) {
                    std::memcpy(out.data() + done, piece, length);
                });
}

std::size_t copy_to(std::span<const iovec> buffers, std::uint64_t offset,
                    std::span<const std::byte> in) noexcept {
    return walk(buffers, offset, in.size(),
                [in](std::byte* piece, std::size_t done, std::size_t length) {
                    std::memcpy(piece, in.data() + done, length);
                });
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
    scratch[0].iov_base = static_cast<std::byte*>(scratch[0].iov_base) + bytes;
    scratch[0].iov_len -= bytes;
    return std::span<const iovec>(scratch.data(), buffers.size());
}

WriteCursor::WriteCursor(std::span<const iovec> buffers, std::uint64_t offset) noexcept
    : rest_(buffers), into_(offset) {
    while (!rest_.empty() && into_ >= rest_.front().iov_len) {
        into_ -= rest_.front().iov_len;
        rest_ = rest_.subspan(1);
    }
}

std::size_t WriteCursor::write(std::span<const std::byte> in) noexcept {
    std::size_t done = 0;
    while (done != in.size() && !rest_.empty()) {
        const auto& buffer = rest_.front();
        const auto piece = std::min<std::size_t>(in.size() - done, buffer.iov_len - into_);
        std::memcpy(static_cast<std::byte*>(buffer.iov_base) + into_, in.data() + done, piece);
        done += piece;
        into_ += piece;
        if (into_ == buffer.iov_len) {
            rest_ = rest_.subspan(1);
            into_ = 0;
        }
    }
    return done;
}

}  // namespace zonebridge::virtio
