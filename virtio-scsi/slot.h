// What a controller keeps of a queue, of each request in flight, of a unit, and of a task management
// function that waits for commands. Private to controller*.cc.
//
// Threads: belongs to the controller's thread.
// Ownership: a Port owns its slots and their storage; it borrows its VirtQueue.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
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
    std::uint64_t serial = 0;          ///< The order of this controller's commands and functions.
    zbc::Task task;                    ///< A command's, while its unit has no room for it.
    Slot* next = nullptr;              ///< The command that waits behind this one.

    // A function's own.
    std::size_t parts = 0;  ///< Controllers that have commands it waits for, as far as is known.
    bool reset = false;     ///< Resets the unit at its end.
    bool query = false;     ///< Asks whether there is such a command, and waits for none.
    bool found = false;     ///< There was one.
};

struct Controller::Port {
    explicit Port(std::uint16_t number, virtio::VirtQueue& virtqueue)
        : index(number), queue(virtqueue), slots(virtqueue.size()) {
        for (auto& slot : slots) slot.port = this;
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    virtio::Slots<Slot> slots;
    /// Functions wait until the chains before this available index are taken.
    std::optional<std::uint16_t> behind;
};

struct Controller::Lun {
    Unit unit;
    std::unique_ptr<zbc::TaskQueue> queue;
    std::size_t in_flight = 0;  ///< Accepted by `queue` and not reaped.
    // Taken and not yet accepted, oldest first.
    Slot* first = nullptr;
    Slot* last = nullptr;
    /// Being removed: called once nothing is in flight.
    std::function<void()> drained;
};

/// A function, as each controller knows it.
struct Controller::Function {
    Controller* home = nullptr;  ///< Has it on its control queue, in `slot`.
    Slot* slot = nullptr;        ///< Home's own: nobody else looks inside.
    std::optional<std::uint16_t> lun;
    std::optional<std::uint64_t> id;
    bool query = false;

    // What this controller has of what it affects.
    std::uint64_t serial = 0;  ///< Affects commands before this one.
    std::size_t left = 0;      ///< Those not answered.
    bool found = false;
};

}  // namespace zonebridge::virtio_scsi
