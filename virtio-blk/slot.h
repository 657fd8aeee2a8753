// The device's state of a queue and of each request in flight. Private to the device's source
// files.
//
// Ownership: a Port owns its slots and borrows its VirtQueue; a Slot borrows a report buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/iovec.h"
#include "virtio-blk/device.h"
#include "virtio/slots.h"

namespace zonebridge::virtio_blk {

/// The zones of one piece of a report.
struct BlockDevice::ReportBuffer {
    std::array<Zone, 64> zones;
};

/// The disk's contents where a recovered write may have gone.
struct BlockDevice::Readback {
    Zone zone;
    /// As long as the longest recovered write.
    std::unique_ptr<std::byte, decltype(&std::free)> bytes{nullptr, &std::free};
    std::size_t size = 0;
    iovec piece{};
};

/// How far the recovery of a write has come.
enum class Recovery : std::uint8_t { none, asking_zone, reading_back };

/// One chain from pop to push.
struct BlockDevice::Slot {
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

    bool flush_after = false;  ///< A write that needs a flush behind it to be durable,
    bool flushing = false;     ///< which is in flight.
    Recovery recovery = Recovery::none;

    // Of discards and writes of zeroes.
    std::array<ClearSegment, max_clear_segments> segments;
    std::uint32_t segment_count = 0;
    std::uint32_t next_segment = 0;

    // Of reports.
    ReportBuffer* buffer = nullptr;
    IovecCursor cursor;
    std::uint64_t position = 0;  ///< In the next zone to report.
    std::uint64_t reported = 0;
    std::uint64_t room = 0;  ///< Descriptors that fit.
    Slot* next_waiting = nullptr;
};

struct BlockDevice::Port {
    Port(std::uint16_t number, virtio::VirtQueue& virtqueue)
        : index(number), queue(virtqueue), slots(virtqueue.size()) {
        for (auto& slot : slots) slot.port = this;
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    virtio::Slots<Slot> slots;
};

}  // namespace zonebridge::virtio_blk
