#include "virtio-blk/slot.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/iovec.h"

namespace zonebridge::virtio_blk {

bool Slot::parse() noexcept {
    std::array<std::uint8_t, RequestHeader::size> bytes;
    if (chain.writable_length == 0 || copy_from(chain.readable, 0, bytes) != bytes.size())
        return false;
    header = decode_request(bytes);
    type = header.type.value_or(RequestType::in);
    constexpr auto most = std::numeric_limits<std::uint64_t>::max() / sector_size;
    offset = std::min(header.sector, most) * sector_size;
    flush_after = false;
    flushing = false;
    clear.reset();
    search = Search::none;
    written = 0;

    // The storage belongs to this device: if the status shares a buffer with the data, the data's
    // view of the buffer is shortened until the answer.
    auto& last = storage[static_cast<std::size_t>(&chain.writable.back() - storage.data())];
    status = static_cast<std::byte*>(last.iov_base) + last.iov_len - 1;
    reply = chain.writable;
    reply_length = chain.writable_length - 1;
    shortened = nullptr;
    if (last.iov_len == 1) {
        reply = reply.first(reply.size() - 1);
    } else {
        --last.iov_len;
        shortened = &last;
    }
    return true;
}

void Slot::push(RequestStatus with) noexcept {
    *status = static_cast<std::byte>(with);
    if (shortened != nullptr) ++shortened->iov_len;
    // The status is the last byte, so the whole buffer counts as written.
    port->queue.push(chain, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                chain.writable_length, std::numeric_limits<std::uint32_t>::max())));
}

}  // namespace zonebridge::virtio_blk
