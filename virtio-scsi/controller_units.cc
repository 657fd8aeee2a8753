// Units that come and go under a running guest, and the events by which it hears of them.

#include <algorithm>
#include <utility>

#include "virtio-scsi/controller.h"
#include "virtio-scsi/slot.h"
#include "virtio/iovec.h"
#include "zbc/control.h"
#include "zbc/sense.h"

namespace zonebridge::virtio_scsi {
namespace {

// Events that a worker may have on their way to the one with the event queue.
constexpr std::size_t max_reports_under_way = 64;

/// What a driver has to look at anew when it is told of it (SPC-5 "additional sense codes"): the medium,
/// parameters, and what the target is.
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
        auto* const next = slot->next;  // its chain may be another's after this
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
    const auto lun = std::move(*found);  // calls that run while its queue ends don't find it
    luns_.erase(found);
}

void Controller::tell_attention(const Lun& lun, const zbc::TaskResult& result) noexcept {
    const auto sense = zbc::decode_sense(std::span(result.sense).first(result.sense_length));
    if (!sense || !is_news(*sense)) return;
    auto event = parameter_change(lun.unit.lun, *sense);
    auto* const home = peers_[event_queue % peers_.size()];
    if (home == this) return report(event);
    // A disk may say so with every command, and the other worker be slow.
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
    // For when there is a buffer again, a kick is wanted.
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
    virtio::copy_to(slot->chain.writable, 0, std::as_bytes(std::span(bytes)));
    push(*slot, bytes.size());
}

bool Controller::take_events(Port& port) noexcept {
    // Buffers stay where they are until there is something to tell.
    if (events_missed_ && port.queue.has_work()) put_event({});
    return !port.queue.has_work();
}

}  // namespace zonebridge::virtio_scsi
