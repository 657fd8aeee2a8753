// Chains that an earlier server took and never answered. Commands are judged one after the other,
// so that each finds the zone as the one before it left it. Functions wait until no such command is
// left on any worker, and are then carried out like new ones.

#include <algorithm>

#include "base/iovec.h"
#include "virtio-scsi/controller.h"
#include "virtio-scsi/slot.h"
#include "zbc/control.h"

namespace zonebridge::virtio_scsi {

void Controller::recover(virtio::Lost lost) noexcept {
    for (const auto& port : ports_) {
        if (port->lost) continue;
        port->lost = lost;
        if (port->index == event_queue) answer_events(*port);
        if (port->index == control_queue && lost == virtio::Lost::give_up &&
            port->queue.recovered() != 0)
            take_control(*port);
    }
    if (recovered_ == nullptr) recover_next();
}

bool Controller::recovering() const noexcept {
    if (recovered_ != nullptr) return true;
    return std::any_of(ports_.begin(), ports_.end(), [](const auto& port) {
        return port->index >= first_request_queue && port->lost == virtio::Lost::judge &&
               port->queue.recovered() != 0;
    });
}

void Controller::recovered() noexcept {
    if (auto* const control = port(control_queue);
        control != nullptr && control->lost && control->queue.recovered() != 0)
        take_control(*control);
}

/// Begins with the next command, and answers those that need no judgement.
void Controller::recover_next() noexcept {
    for (const auto& port : ports_) {
        if (port->index < first_request_queue || !port->lost) continue;
        while (auto* const slot = pop_recovered(*port)) {
            if (!has_heads(*slot)) {
                push(*slot, 0);
            } else if (port->lost == virtio::Lost::give_up) {
                answer(*slot, {.response = Response::reset}, {}, 0);
            } else {
                recovered_ = slot;
                start(*slot);
                if (recovered_ != nullptr) return;
            }
        }
    }
}

Controller::Slot* Controller::pop_recovered(Port& port) noexcept {
    if (port.queue.recovered() == 0) return nullptr;
    auto* const slot = port.slots.pop_recovered(port.queue);
    if (slot == nullptr) return nullptr;
    slot->busy = true;
    slot->serial = next_serial_++;
    slot->uncut.reset();
    slot->lun.reset();
    slot->id.reset();
    return slot;
}

void Controller::begin_recovery(Slot& slot) noexcept {
    go_on(slot, recovery_.begin(slot.task));
    for (const auto& lun : luns_) submit(*lun);
}

void Controller::go_on(Slot& slot, Recovery::Next next) noexcept {
    auto* const lun = find(*slot.lun);
    if (next == Recovery::Next::send) {
        if (lun != nullptr) {
            slot.task = recovery_.task();
            return enqueue(slot, *lun);
        }
        // The unit was removed meanwhile.
        recovery_.abandon();
        return finish(slot, zbc::answer_absent(recovery_.command(), lun_list_));
    }
    // The driver has still to learn of the attention.
    if (recovery_.met_attention() && lun != nullptr)
        lun->unit.logical_unit->raise(zbc::Attention::power_on);
    if (next == Recovery::Next::answer) return finish(slot, recovery_.result());
    answer(slot, {.response = Response::reset}, {}, 0);
}

void Controller::answer_events(Port& port) noexcept {
    // The event is lost: a driver that is told so looks at all units again.
    while (auto* const slot = pop_recovered(port)) {
        const auto fits = slot->chain.writable_length >= Event::size;
        const auto bytes = encode(Event{.event = Event::missed});
        if (fits) copy_to(slot->chain.writable, 0, bytes);
        push(*slot, fits ? bytes.size() : 0);
    }
}

}  // namespace zonebridge::virtio_scsi
