// Task management: a function is answered once every command that it affects has been answered and
// published. Commands are never cut short: requests to a disk have a time limit below, and a driver
// that aborts a command may reuse its buffers only when nothing can touch them any more.
//
// The commands may be on any worker. The controller with the control queue, the function's home,
// sends the function to all controllers. Each takes the chains in its rings, counts its affected
// commands, and reports to home when all of them are answered and published; home answers the
// function when all have reported. Controllers wait only for commands, never for each other, so
// functions delay neither a queue that stops nor a worker that changes memory.

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "base/iovec.h"
#include "virtio-scsi/controller.h"
#include "virtio-scsi/slot.h"

namespace zonebridge::virtio_scsi {
namespace {

constexpr std::size_t notification_response_size = 5;  // event_actual, response

}  // namespace

void Controller::take_control(Port& port) noexcept {
    while (auto* const slot = pop(port)) {
        std::array<std::uint8_t, TaskManagement::size> bytes{};
        const auto got = copy_from(slot->chain.readable, 0, bytes);
        const auto type = decode_control_type(std::span(bytes).first<4>());
        const auto is_task = type == static_cast<std::uint32_t>(ControlType::task_management);
        const auto is_notification =
            type == static_cast<std::uint32_t>(ControlType::notification_query) ||
            type == static_cast<std::uint32_t>(ControlType::notification_subscribe);
        const auto needed = is_task ? TaskManagement::size : notification_request_size;
        const auto room = is_task ? std::size_t{1} : notification_response_size;
        if ((!is_task && !is_notification) || got < needed || slot->chain.writable_length < room) {
            if (slot->chain.cut) {  // the response's place is not known
                push(*slot, 0);
                continue;
            }
            fail(
                fmt::format("control queue: a request of type {} with {} readable and {} writable "
                            "bytes, which virtio-scsi does not have",
                            type, slot->chain.readable_length, slot->chain.writable_length));
            push(*slot, 0);
            return;
        }
        if (is_notification) {
            // There are no asynchronous notifications (media change, power management): the answer
            // is a success that subscribes to none.
            const std::array<std::uint8_t, notification_response_size> none{};
            copy_to(slot->chain.writable, 0, none);
            push(*slot, none.size());
            continue;
        }
        manage(*slot, decode_task_management(bytes));
    }
}

void Controller::manage(Slot& slot, const TaskManagement& function) noexcept {
    const auto address = decode_address(function.lun);
    if (!address || address->target != 0 || address->report_luns)
        return respond(slot, Response::bad_target);
    if (!function.function) return respond(slot, Response::function_rejected);
    slot.reset = false;
    slot.query = false;
    slot.found = false;
    slot.id.reset();
    slot.lun = address->lun;
    switch (*function.function) {
        case TaskFunction::abort_task:
            slot.id = function.id;
            break;
        case TaskFunction::abort_task_set:
        case TaskFunction::clear_task_set:
            break;
        case TaskFunction::logical_unit_reset:
            slot.reset = true;
            break;
        case TaskFunction::i_t_nexus_reset:
            slot.reset = true;
            slot.lun.reset();
            break;
        case TaskFunction::query_task:
            slot.id = function.id;
            slot.query = true;
            break;
        case TaskFunction::query_task_set:
            slot.query = true;
            break;
        case TaskFunction::clear_aca:  // no ACA condition ever exists: NACA is refused
            return respond(slot, Response::function_rejected);
    }
    // A unit that is being removed may still have commands, whose buffers are the guest's.
    slot.absent = slot.lun && find(*slot.lun) == nullptr;
    slot.parts = peers_.size();
    for (auto* const peer : peers_) {
        Function message;
        message.home = this;
        message.slot = &slot;
        message.lun = slot.lun;
        message.id = slot.id;
        message.query = slot.query;
        if (peer == this)
            consider(message);
        else
            peer->loop_.post([peer, message] { peer->consider(message); });
    }
}

void Controller::consider(Function function) noexcept {
    // Commands that the driver queued before the function count, taken or not, also those of a
    // queue that stops: once the function is answered the driver may reuse their buffers. A ring
    // that is disabled, or was not kicked yet, is held and returns no chains. The function also
    // waits for commands that wait for pieces.
    for (const auto& port : ports_) {
        if (port->index < first_request_queue || fault_) continue;
        take_requests(*port);
        if (port->slots.waits()) port->behind = port->queue.available();
    }
    waiting_functions_.push_back(function);
    consider_waiting();
}

void Controller::consider_waiting() noexcept {
    if (waiting_functions_.empty()) return;
    for (const auto& port : ports_) {
        if (!port->behind) continue;
        if (!fault_) take_requests(*port);
        const auto left = static_cast<std::int16_t>(*port->behind - port->queue.base());
        if (!fault_ && port->slots.waits() && left > 0) return;
        port->behind.reset();
    }
    for (const auto& function : waiting_functions_) count(function);
    waiting_functions_.clear();
}

void Controller::count(Function function) noexcept {
    function.serial = next_serial_++;
    for (const auto& port : ports_) {
        if (port->index < first_request_queue || port->slots.in_use() == 0) continue;
        function.left += static_cast<std::size_t>(std::count_if(
            port->slots.begin(), port->slots.end(),
            [&](const auto& command) { return command.busy && affects(function, command); }));
    }
    function.found = function.left != 0;
    if (function.query) function.left = 0;
    if (function.left == 0) ++ended_functions_;
    functions_.push_back(function);
    loop_.note_ready();  // makes the caller call published()
}

bool Controller::affects(const Function& function, const Slot& command) noexcept {
    return command.port->index >= first_request_queue && command.serial < function.serial &&
           (!function.lun || command.lun == function.lun) &&
           (!function.id || command.id == function.id);
}

void Controller::count_off(const Slot& command) noexcept {
    for (auto& function : functions_)
        if (function.left != 0 && affects(function, command) && --function.left == 0)
            ++ended_functions_;
}

bool Controller::published() noexcept {
    if (ended_functions_ == 0) return false;
    ended_functions_ = 0;
    auto answered = false;
    const auto ended = std::stable_partition(functions_.begin(), functions_.end(),
                                             [](const auto& one) { return one.left != 0; });
    for (auto one = ended; one != functions_.end(); ++one) {
        auto* const home = one->home;
        if (home == this) {
            end_part(*one->slot, one->found);
            answered = true;
        } else {
            home->loop_.post(
                [home, slot = one->slot, found = one->found] { home->end_part(*slot, found); });
        }
    }
    functions_.erase(ended, functions_.end());
    return answered;
}

void Controller::end_part(Slot& slot, bool found) noexcept {
    slot.found = slot.found || found;
    if (--slot.parts != 0) return;
    if (slot.absent && !slot.found) return respond(slot, Response::incorrect_lun);
    // A unit that was added meanwhile under the number is not the one meant.
    if (slot.reset && !slot.absent)
        for (auto* const lun : by_number_)
            if (lun != nullptr && (!slot.lun || *slot.lun == lun->unit.lun))
                lun->unit.logical_unit->reset();
    respond(slot, slot.query && slot.found ? Response::function_succeeded : Response::ok);
}

void Controller::respond(Slot& slot, Response response) noexcept {
    const std::array bytes{static_cast<std::uint8_t>(response)};
    copy_to(slot.chain.writable, 0, bytes);
    push(slot, bytes.size());
}

}  // namespace zonebridge::virtio_scsi
