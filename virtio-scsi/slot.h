// A controller's state of a queue, of each request in flight, of a unit, and of a task management
// function that waits for commands. Private to controller*.cc.
//
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
#include "virtio/device.h"
#include "virtio/slots.h"

namespace zonebridge::virtio_scsi {

inline constexpr std::size_t max_cdb_size = 260;

/// One chain from pop to push: a command, or a task management function.
struct Controller::Slot {
    Port* port = nullptr;
    bool busy = false;
    virtio::Chain chain;
    std::span<iovec> storage;

    /// The original of the writable buffer that holds both the end of the response and the
    /// beginning of the data, if there is one: the data's view of it is cut.
    std::optional<iovec> uncut;
    iovec* cut = nullptr;

    std::array<std::uint8_t, RequestHeader::size + max_cdb_size> head{};

    // Of commands, for functions to match.
    std::optional<std::uint16_t> lun;  ///< A function's: absent means every unit.
    std::optional<std::uint64_t> id;   ///< A function's: absent means every command.
    std::uint64_t serial = 0;          ///< Orders this controller's commands and functions.
    zbc::Task task;                    ///< A command's, while its unit's queue is full.
    Slot* next = nullptr;              ///< The next waiting command.

    // Of functions.
    std::size_t parts = 0;  ///< Controllers that may still have commands it waits for.
    bool reset = false;     ///< Resets the unit at its end.
    bool query = false;     ///< Only asks whether there is such a command, and waits for none.
    bool found = false;     ///< There was such a command.
    bool absent =
        false;  ///< There is no such unit, but one that is being removed may have commands.
};

struct Controller::Port {
    explicit Port(std::uint16_t number, virtio::VirtQueue& virtqueue)
        : index(number), queue(virtqueue), slots(virtqueue.size()) {
        for (auto& slot : slots) slot.port = this;
    }

    std::uint16_t index;
    virtio::VirtQueue& queue;
    virtio::Slots<Slot> slots;
    /// Waiting functions need the chains before this available index to be taken.
    std::optional<std::uint16_t> behind;
    std::optional<virtio::Lost> lost;  ///< Once the recovered chains may be taken.
};

struct Controller::Lun {
    Unit unit;
    std::unique_ptr<zbc::TaskQueue> queue;
    std::size_t in_flight = 0;  ///< Accepted by `queue` and not reaped.
    // Taken and not yet accepted, oldest first.
    Slot* first = nullptr;
    Slot* last = nullptr;
    /// Set while the unit is removed: called once nothing is in flight.
    std::function<void()> drained;
};

/// A function's state on each controller.
struct Controller::Function {
    Controller* home = nullptr;  ///< The controller whose control queue has it, in `slot`.
    Slot* slot = nullptr;        ///< Accessed by `home` only.
    std::optional<std::uint16_t> lun;
    std::optional<std::uint64_t> id;
    bool query = false;

    // This controller's commands that the function affects.
    std::uint64_t serial = 0;  ///< Affects commands before this one.
    std::size_t left = 0;      ///< Unanswered ones.
    bool found = false;
};

}  // namespace zonebridge::virtio_scsi
