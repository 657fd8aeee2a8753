// What the controller keeps of a queue and of each request in flight. Private to controller*.cc.
//
// Threads: belongs to the controller's thread.
// Ownership: a Port owns its slots and their storage; it borrows its VirtQueue.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "virtio-scsi/controller.h"
#include "virtio/slots.h"

namespace zonebridge::virtio_scsi {

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
        : index(number), queue(virtqueue), slots(virtqueue.size()) {
        for (auto& slot : slots) slot.port = this;
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    virtio::Slots<Slot> slots;
};

struct Controller::Lun {
    std::uint16_t number = 0;
    zbc::LogicalUnit* unit = nullptr;
    std::unique_ptr<zbc::TaskQueue> queue;
    /// Taken and not yet accepted by `queue`, oldest first; room for every slot there is.
    std::vector<zbc::Task> pending;
};

}  // namespace zonebridge::virtio_scsi
