// Adds and removes units under a running guest, and reports events to the guest.

#include <algorithm>
#include <utility>

#include "base/iovec.h"
#include "virtio-scsi/controller.h"
#include "virtio-scsi/slot.h"
#include "zbc/control.h"
#include "zbc/sense.h"

namespace zonebridge::virtio_scsi {
namespace {

// Most events in flight from one worker to the worker with the event queue.
constexpr std::size_t max_reports_under_way = 64;

/// Whether a unit attention tells the driver to read something again (SPC-5 "additional sense
/// codes"): the medium, parameters, or the target's identity.
bool is_news(const zbc::Sense& sense) noexcept {
    return sense.key == zbc::SenseKey::unit_attention &&
           (sense.asc == 0x28 || sense.asc == 0x2A || sense.asc == 0x3F);
}

}  // namespace

tl::expected<void, Error> Controller::prepare_unit(const Unit& unit) {
    auto lun = make_lun(unit);
    if (!lun) return tl::unexpected(std::move(lun.error()));
    prepared_ = std::move(*lun);
    return {};
}

void Controller::commit_unit() {
    if (prepared_) insert(std::move(prepared_));
}

void Controller::abandon_unit() noexcept {
    prepared_.reset();
}

void Controller::retire_unit(std::uint16_t number, std::function<void()> drained) {
    auto* const lun = find(number);
    if (lun == nullptr) return drained();
    by_number_[number] = nullptr;
    std::erase(lun_list_, zbc::encode_lun(number));
    lun->last = nullptr;
    for (auto* slot = std::exchange(lun->first, nullptr); slot != nullptr;) {
        auto* const next = slot->next;  // after this the slot may hold another chain
        finish(*slot, zbc::answer_absent(slot->task, lun_list_));
        slot = next;
    }
    if (lun->in_flight == 0)
        drained();
    else
        lun->drained = std::move(drained);
}

void Controller::forget_unit(std::uint16_t number) {
    const auto found = std::find_if(luns_.begin(), luns_.end(), [&](const auto& lun) {
        return lun->unit.lun == number && lun.get() != by_number_[number];
    });
    if (found == luns_.end()) return;
    const auto lun = std::move(*found);  // calls that run while its queue closes don't find it
    luns_.erase(found);
}

void Controller::report_attention(const Lun& lun, const zbc::TaskResult& result) noexcept {
    const auto sense = zbc::decode_sense(std::span(result.sense).first(result.sense_length));
    if (!sense || !is_news(*sense)) return;
    auto event = parameter_change(lun.unit.lun, *sense);
    auto* const home = peers_[event_queue % peers_.size()];
    if (home == this) return report(event);
    // A disk may raise this with every command, and the other worker may be slow.
    if (reports_under_way_ == max_reports_under_way) {
        reports_lost_ = true;
        return;
    }
    if (std::exchange(reports_lost_, false)) event.event |= Event::missed;
    ++reports_under_way_;
    home->loop_.post([home, event, from = this] {
        home->report(event);
        from->loop_.post([from] { --from->reports_under_way_; });
    });
}

void Controller::report(const Event& event) noexcept {
    const auto kind = event.event & ~Event::missed;
    const auto wanted = kind == Event::parameter_change ? feature_change : feature_hotplug;
    if ((features_ & wanted) != 0) put_event(event);
}

void Controller::put_event(const Event& event) noexcept {
    auto* const events = port(event_queue);
    auto* slot = events == nullptr || fault_ ? nullptr : pop(*events);
    // Ask for a kick when there is a buffer again.
    if (slot == nullptr && events != nullptr && !fault_ && events->queue.enable_kicks())
        slot = pop(*events);
    if (slot == nullptr || slot->chain.writable_length < Event::size) {
        events_missed_ = true;
        if (slot != nullptr) push(*slot, 0);
        return;
    }
    auto told = event;
    if (std::exchange(events_missed_, false)) told.event |= Event::missed;
    const auto bytes = encode(told);
    copy_to(slot->chain.writable, 0, bytes);
    push(*slot, bytes.size());
}

bool Controller::take_events(Port& port) noexcept {
    // Leave buffers in the ring until there is an event.
    if (events_missed_ && port.queue.has_work()) put_event({});
    return !port.queue.has_work();
}

}  // namespace zonebridge::virtio_scsi
