// Task management: a function is answered once every command it affects has been. Commands are never
// cut short: what is sent to a disk is bounded below, and a driver that aborts one may reuse its
// buffers only when nothing can touch them any more.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "virtio-scsi/controller.h"
#include "virtio-scsi/slot.h"
#include "virtio/iovec.h"

namespace zonebridge::virtio_scsi {
namespace {

constexpr std::size_t notification_response_size = 5;  // event_actual, response

}  // namespace

void Controller::take_control(Port& port) noexcept {
    while (auto* const slot = pop(port)) {
        std::array<std::uint8_t, TaskManagement::size> bytes{};
        const auto got =
            virtio::copy_from(slot->chain.readable, 0, std::as_writable_bytes(std::span(bytes)));
        const auto type = decode_control_type(std::span(bytes).first<4>());
        const auto is_task = type == static_cast<std::uint32_t>(ControlType::task_management);
        const auto is_notification =
            type == static_cast<std::uint32_t>(ControlType::notification_query) ||
            type == static_cast<std::uint32_t>(ControlType::notification_subscribe);
        const auto needed = is_task ? TaskManagement::size : notification_request_size;
        const auto room = is_task ? std::size_t{1} : notification_response_size;
        if ((!is_task && !is_notification) || got < needed || slot->chain.writable_length < room) {
            fail(
                fmt::format("control queue: a request of type {} with {} bytes to read and {} to "
                            "answer in, which virtio-scsi does not have",
                            type, slot->chain.readable_length, slot->chain.writable_length));
            push(*slot, 0);
            return;
        }
        if (is_notification) {
            // No asynchronous notifications (media change, power management) exist here: none is
            // subscribed to, and that is a successful answer.
            const std::array<std::uint8_t, notification_response_size> none{};
            virtio::copy_to(slot->chain.writable, 0, std::as_bytes(std::span(none)));
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
    slot.id.reset();
    slot.lun = address->lun;
    auto query = false;
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
            query = true;
            break;
        case TaskFunction::query_task_set:
            query = true;
            break;
        case TaskFunction::clear_aca:  // no ACA condition ever exists: NACA is refused
            return respond(slot, Response::function_rejected);
    }
    if (slot.lun && find(*slot.lun) == nullptr) return respond(slot, Response::incorrect_lun);
    // Commands that the driver queued before the function count, taken or not: once it is answered
    // the driver may reuse their buffers.
    for (const auto& port : ports_)
        if (port->index >= first_request_queue) take_requests(*port);
    slot.serial = next_serial_++;
    if (query) return respond(slot, waits(slot) ? Response::function_succeeded : Response::ok);
    ++waiting_functions_;
    end_functions();
}

void Controller::end_functions() noexcept {
    auto* const control = port(control_queue);
    if (control == nullptr) return;
    for (auto& function : control->slots) {
        if (!function.busy || waits(function)) continue;
        if (function.reset)
            for (const auto& lun : luns_)
                if (!function.lun || *function.lun == lun->number) lun->unit->reset(0);
        --waiting_functions_;
        respond(function, Response::ok);
    }
}

bool Controller::affects(const Slot& function, const Slot& command) noexcept {
    return command.busy && command.serial < function.serial &&
           (!function.lun || command.lun == function.lun) &&
           (!function.id || command.id == function.id);
}

bool Controller::waits(const Slot& function) const noexcept {
    return std::any_of(ports_.begin(), ports_.end(), [&](const auto& port) {
        return port->index >= first_request_queue &&
               std::any_of(port->slots.begin(), port->slots.end(),
                           [&](const auto& command) { return affects(function, command); });
    });
}

void Controller::respond(Slot& slot, Response response) noexcept {
    const std::array bytes{static_cast<std::uint8_t>(response)};
    virtio::copy_to(slot.chain.writable, 0, std::as_bytes(std::span(bytes)));
    push(slot, bytes.size());
}

}  // namespace zonebridge::virtio_scsi
