// The device's state of a queue and of each request in flight. Private to the device's source
// files.
//
// Ownership: a Port owns its slots and borrows its VirtQueue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

#include "virtio-blk/clear.h"
#include "virtio-blk/report.h"
#include "virtio-blk/wire.h"
#include "virtio/device.h"
#include "virtio/slots.h"
#include "virtio/virtqueue.h"

namespace zonebridge::virtio_blk {

struct Port;

/// One chain from pop to push.
struct Slot {
    /// Reads the header of a popped chain, and finds the place of the status; false if the chain
    /// has no room for both.
    [[nodiscard]] bool parse() noexcept;
    /// Writes the status, and hands the chain back to the driver.
    void push(RequestStatus with) noexcept;

    /// For the requests to the disk.
    [[nodiscard]] std::uint64_t tag() const noexcept {
        return reinterpret_cast<std::uintptr_t>(this);
    }
    [[nodiscard]] static Slot& of(std::uint64_t tag) noexcept {
        return *reinterpret_cast<Slot*>(static_cast<std::uintptr_t>(tag));
    }
    /// Bytes that the driver sent behind the header.
    [[nodiscard]] std::uint64_t data_length() const noexcept {
        return chain.readable_length - RequestHeader::size;
    }

    Port* port = nullptr;
    virtio::Chain chain;
    std::span<iovec> storage;

    RequestHeader header;
    RequestType type = RequestType::in;  ///< header.type, if it is known.
    std::uint64_t offset = 0;            ///< header.sector in bytes, if that is on the disk.
    /// The writable buffers without the status byte, which is the last one.
    std::span<const iovec> reply;
    std::uint64_t reply_length = 0;
    std::byte* status = nullptr;
    /// The buffer that was shortened by that byte, if it held more.
    iovec* shortened = nullptr;

    bool flush_after = false;  ///< A change that needs a flush behind it to be durable,
    bool flushing = false;     ///< which is in flight.
    Clear clear;               ///< No segment is left unless it is a discard or write of zeroes.
    Report report;

    // Of a request that an earlier server took (recovery.h).
    Slot* next_recovered = nullptr;
    /// An append: whether its zone was searched for its data, and whether these may be there.
    enum class Search : std::uint8_t { none, running, absent, found };
    Search search = Search::none;
    std::uint64_t written = 0;  ///< A write: the bytes of its data that are on the disk already.
};

struct Port {
    Port(std::uint16_t number, virtio::VirtQueue& virtqueue)
        : index(number), queue(virtqueue), slots(virtqueue.size()) {
        for (auto& slot : slots) slot.port = this;
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    virtio::Slots<Slot> slots;
    std::optional<virtio::Lost> lost;  ///< Once the recovered chains may be taken.
};

}  // namespace zonebridge::virtio_blk
