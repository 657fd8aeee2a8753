#include "virtio-scsi/controller.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/iovec.h"
#include "virtio-scsi/slot.h"
#include "zbc/control.h"

namespace zonebridge::virtio_scsi {
namespace {

// Tasks in flight at one unit; further tasks wait here.
constexpr std::size_t task_queue_depth = 256;

constexpr std::uint8_t report_luns_opcode = 0xA0;

Response response_for(zbc::Delivery delivery) noexcept {
    using enum zbc::Delivery;
    switch (delivery) {
        case done:
            return Response::ok;
        case overrun:
            return Response::overrun;
        case busy:
            return Response::busy;
        case reset:
            return Response::reset;
        case transport_failure:
            return Response::transport_failure;
        case target_failure:
            return Response::target_failure;
        case gone:
            return Response::bad_target;
        case failure:
            return Response::failure;
    }
    return Response::failure;
}

iovec advanced(const iovec& buffer, std::uint64_t by) noexcept {
    return {static_cast<std::byte*>(buffer.iov_base) + by, buffer.iov_len - by};
}

}  // namespace

tl::expected<std::unique_ptr<Controller>, Error> Controller::open(Loop& loop,
                                                                  std::span<const Unit> units) {
    auto controller = std::make_unique<Controller>(Private{}, loop);
    for (const auto& unit : units) {
        auto lun = controller->make_lun(unit);
        if (!lun) return tl::unexpected(lun.error());
        controller->insert(std::move(*lun));
    }
    return controller;
}

Controller::Controller(Private, Loop& loop) : loop_(loop), peers_{this} {}

Controller::~Controller() = default;

void Controller::join(std::span<Controller* const> peers) {
    peers_.assign(peers.begin(), peers.end());
}

tl::expected<std::unique_ptr<Controller::Lun>, Error> Controller::make_lun(const Unit& unit) {
    auto queue = unit.logical_unit->open_queue(loop_, task_queue_depth);
    if (!queue) return tl::unexpected(queue.error());
    auto lun = std::make_unique<Lun>();
    lun->unit = unit;
    lun->queue = std::move(*queue);
    return lun;
}

void Controller::insert(std::unique_ptr<Lun> lun) {
    const auto encoded = zbc::encode_lun(lun->unit.lun);
    lun_list_.insert(std::upper_bound(lun_list_.begin(), lun_list_.end(), encoded), encoded);
    by_number_.at(lun->unit.lun) = lun.get();
    luns_.push_back(std::move(lun));
}

void Controller::set_sizes(std::uint32_t cdb_size, std::uint32_t sense_size) noexcept {
    cdb_size_ = std::min<std::uint32_t>(cdb_size, max_cdb_size);
    sense_size_ = sense_size;
}

void Controller::attach(std::uint16_t index, virtio::VirtQueue& queue) {
    ports_.push_back(std::make_unique<Port>(index, queue));
}

std::size_t Controller::bytes_for(std::uint16_t size) const noexcept {
    return sizeof(Port) + virtio::Slots<Slot>::bytes_for(size);
}

void Controller::detach(std::uint16_t index) noexcept {
    std::erase_if(ports_, [&](const auto& port) { return port->index == index; });
    if (ports_.empty()) fault_.reset();  // the faulty driver is gone
}

bool Controller::take(std::uint16_t index) noexcept {
    auto* const found = port(index);
    if (found == nullptr || fault_ || found->queue.recovered() != 0) return false;
    if (index == event_queue) return take_events(*found);
    if (index == control_queue)
        take_control(*found);
    else
        take_requests(*found);
    return !fault_ && !found->slots.waits();
}

bool Controller::waits(std::uint16_t index) const noexcept {
    const auto* const found = port(index);
    return found != nullptr && (found->slots.waits() || found->queue.recovered() != 0);
}

void Controller::complete() noexcept {
    for (const auto& lun : luns_) {
        if (lun->in_flight != 0) reap(*lun);
        submit(*lun);
    }
    if (recovered_ == nullptr) recover_next();
    consider_waiting();
}

void Controller::reap(Lun& lun) noexcept {
    for (auto count = results_.size(); count == results_.size();) {
        count = lun.queue->reap(results_);
        lun.in_flight -= count;
        for (const auto& result : std::span(results_).first(count)) {
            if (result.status == zbc::ScsiStatus::check_condition && lun.unit.passed_through)
                report_attention(lun, result);
            finish(*reinterpret_cast<Slot*>(static_cast<std::uintptr_t>(result.tag)), result);
        }
    }
    if (lun.in_flight == 0 && lun.drained) std::exchange(lun.drained, nullptr)();
}

std::size_t Controller::in_flight(std::uint16_t index) const noexcept {
    const auto* const found = port(index);
    return found == nullptr ? 0 : found->slots.in_use() + found->queue.recovered();
}

Controller::Slot* Controller::pop(Port& port) noexcept {
    if (port.queue.recovered() != 0) [[unlikely]]
        return pop_recovered(port);
    auto* const slot = port.slots.pop(port.queue);
    if (const auto& why = port.queue.fault(); why && slot == nullptr)
        fail(fmt::format("queue {}: {}", port.index, virtio::to_string(*why)));
    if (slot == nullptr) return nullptr;
    slot->busy = true;
    slot->serial = next_serial_++;
    slot->uncut.reset();
    return slot;
}

void Controller::push(Slot& slot, std::uint64_t written) noexcept {
    slot.port->queue.push(slot.chain, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                          written, std::numeric_limits<std::uint32_t>::max())));
    if (!functions_.empty()) count_off(slot);
    if (&slot == recovered_) [[unlikely]]
        recovered_ = nullptr;
    slot.busy = false;
    slot.port->slots.give_back(slot);
    loop_.note_ready();  // an answer has to be published
}

bool Controller::has_heads(const Slot& slot) const noexcept {
    return slot.chain.readable_length >= RequestHeader::size + cdb_size_ &&
           slot.chain.writable_length >= ResponseHeader::size + sense_size_;
}

void Controller::take_requests(Port& port) noexcept {
    if (port.queue.recovered() != 0) return;
    while (auto* const slot = pop(port)) {
        if (!has_heads(*slot)) {
            if (slot->chain.cut) {  // the response's place is not known
                push(*slot, 0);
                continue;
            }
            fail(
                fmt::format("queue {}: a request has {} readable and {} writable bytes, less than "
                            "virtio-scsi's headers of {} and {}",
                            port.index, slot->chain.readable_length, slot->chain.writable_length,
                            RequestHeader::size + cdb_size_, ResponseHeader::size + sense_size_));
            push(*slot, 0);
            return;
        }
        start(*slot);
    }
    for (const auto& lun : luns_) submit(*lun);
}

void Controller::start(Slot& slot) noexcept {
    auto& chain = slot.chain;
    const auto head_size = RequestHeader::size + cdb_size_;
    copy_from(chain.readable, 0, std::span(slot.head).first(head_size));
    const auto header = decode_request(std::span(slot.head).first<RequestHeader::size>());
    const auto address = decode_address(header.lun);
    slot.id = header.id;

    // The storage belongs to this controller: if header and data share a buffer, the data's view of
    // the buffer is cut.
    const auto data_after = [&](std::span<const iovec> buffers, std::uint64_t bytes) {
        auto* piece = slot.storage.data() + (buffers.data() - slot.storage.data());
        const auto* const end = piece + buffers.size();
        while (piece != end && bytes >= piece->iov_len) bytes -= (piece++)->iov_len;
        if (bytes != 0) {
            slot.cut = piece;
            slot.uncut = *piece;
            *piece = advanced(*piece, bytes);
        }
        return std::span<const iovec>(piece, end);
    };

    zbc::Task task;
    task.tag = reinterpret_cast<std::uintptr_t>(&slot);
    task.cdb = std::span(slot.head).subspan(RequestHeader::size, cdb_size_);
    task.data_out = data_after(chain.readable, head_size);
    slot.uncut.reset();  // the request's header is not needed again
    task.data_in = data_after(chain.writable, ResponseHeader::size + sense_size_);

    if (!address || address->target != 0)
        return answer(slot, {.response = Response::bad_target}, {}, 0);
    slot.lun = address->lun;
    auto* const lun = address->report_luns ? nullptr : find(address->lun);
    // The target itself answers these, whether the number has a unit or not.
    if (lun == nullptr || task.cdb[0] == report_luns_opcode)
        return finish(slot, zbc::answer_absent(task, lun_list_));
    if (slot.chain.cut) [[unlikely]] {
        zbc::TaskResult result;
        zbc::fail(result, *zbc::sense_for(StatusCode::too_large, Operation::read),
                  zbc::SenseFormat::fixed);
        return finish(slot, result);
    }
    slot.task = task;
    if (&slot == recovered_) [[unlikely]]
        return begin_recovery(slot);
    enqueue(slot, *lun);
}

void Controller::enqueue(Slot& slot, Lun& lun) noexcept {
    slot.next = nullptr;
    (lun.last == nullptr ? lun.first : lun.last->next) = &slot;
    lun.last = &slot;
}

void Controller::submit(Lun& lun) noexcept {
    while (lun.first != nullptr) {
        std::size_t count = 0;
        for (auto* slot = lun.first; slot != nullptr && count < batch_.size(); slot = slot->next)
            batch_[count++] = slot->task;
        const auto taken = lun.queue->submit(std::span(batch_).first(count));
        for (std::size_t i = 0; i < taken; ++i) lun.first = lun.first->next;
        lun.in_flight += taken;
        if (taken < count) return;
    }
    lun.last = nullptr;
}

void Controller::finish(Slot& slot, const zbc::TaskResult& result) noexcept {
    if (&slot == recovered_ && recovery_.active()) [[unlikely]]
        return go_on(slot, recovery_.take(result));
    const auto heads = RequestHeader::size + cdb_size_ + ResponseHeader::size + sense_size_;
    const auto room = slot.chain.readable_length + slot.chain.writable_length - heads;
    const auto moved = result.data_in_length + result.data_out_length;
    const auto sense = std::span(result.sense).first(result.sense_length);
    ResponseHeader header;
    header.status = static_cast<std::uint8_t>(result.status);
    header.response = response_for(result.delivery);
    header.residual = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        room - std::min(moved, room), std::numeric_limits<std::uint32_t>::max()));
    answer(slot, header, sense, result.data_in_length);
}

void Controller::answer(Slot& slot, ResponseHeader header, std::span<const std::uint8_t> sense,
                        std::uint64_t data_in_length) noexcept {
    if (slot.uncut) *slot.cut = *slot.uncut;
    sense = sense.first(std::min<std::size_t>(sense.size(), sense_size_));
    header.sense_length = static_cast<std::uint32_t>(sense.size());
    const auto bytes = encode(header);
    copy_to(slot.chain.writable, 0, bytes);
    copy_to(slot.chain.writable, bytes.size(), sense);
    push(slot, ResponseHeader::size + sense_size_ + data_in_length);
}

Controller::Lun* Controller::find(std::uint16_t lun) noexcept {
    return lun < by_number_.size() ? by_number_[lun] : nullptr;
}

Controller::Port* Controller::port(std::uint16_t index) const noexcept {
    for (const auto& candidate : ports_)
        if (candidate->index == index) return candidate.get();
    return nullptr;
}

void Controller::fail(std::string text) noexcept {
    if (!fault_) fault_ = std::move(text);
}

}  // namespace zonebridge::virtio_scsi
