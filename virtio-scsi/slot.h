// What the controller keeps of a queue and of each request in flight. Private to controller*.cc.
//
// Threads: belongs to the controller's thread.
// Ownership: a Port owns its slots and their storage; it borrows its VirtQueue.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "virtio-scsi/controller.h"

namespace zonebridge::virtio_scsi {

/// Pieces a chain may have: as many descriptors as the ring has, or as a request of seg_max segments and
/// its two heads, which drivers make in indirect tables longer than a small ring; and a few more for
/// buffers that span regions of guest memory.
[[nodiscard]] inline std::size_t pieces_of_chain(std::size_t ring_size) noexcept {
    return std::max<std::size_t>(ring_size, Config::default_seg_max + 2) + 8;
}
inline constexpr std::size_t max_cdb_size = 260;

/// One chain from pop to push: a command, or a task management function.
struct Controller::Slot {
    Port* port = nullptr;
    bool busy = false;
    virtio::Chain chain;
    std::span<iovec> storage;

    /// The writable buffer that holds both the end of the response and the beginning of the data, as
    /// the driver gave it, if there is one: the data's view of it is cut.
    std::optional<iovec> uncut;
    iovec* cut = nullptr;

    std::array<std::uint8_t, RequestHeader::size + max_cdb_size> head{};

    // A command's own; what a function looks for.
    std::optional<std::uint16_t> lun;  ///< A function's: absent means every unit.
    std::optional<std::uint64_t> id;   ///< A function's: absent means every command.
    std::uint64_t serial = 0;          ///< The order of commands and functions.
    bool reset = false;                ///< A function that resets the unit at its end.
};

struct Controller::Port {
    explicit Port(std::uint16_t number, virtio::VirtQueue& virtqueue)
        : index(number),
          queue(virtqueue),
          slots(virtqueue.size()),
          storage(slots.size() * pieces_of_chain(slots.size())) {
        const auto pieces = pieces_of_chain(slots.size());
        free.reserve(slots.size());
        for (std::size_t i = 0; i < slots.size(); ++i) {
            slots[i].port = this;
            slots[i].storage = std::span(storage).subspan(i * pieces, pieces);
            free.push_back(&slots[i]);
        }
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    std::vector<Slot> slots;
    std::vector<iovec> storage;
    std::vector<Slot*> free;  // capacity slots.size()
};

struct Controller::Lun {
    std::uint16_t number = 0;
    zbc::LogicalUnit* unit = nullptr;
    std::unique_ptr<zbc::TaskQueue> queue;
    /// Taken and not yet accepted by `queue`, oldest first; room for every slot there is.
    std::vector<zbc::Task> pending;
};

}  // namespace zonebridge::virtio_scsi
