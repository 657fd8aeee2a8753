#include "virtio-blk/device.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "virtio-blk/slot.h"
#include "zone/check.h"

namespace zonebridge::virtio_blk {
namespace {

// Requests in flight at the storage queue; further requests wait here.
constexpr std::size_t storage_queue_depth = 256;

}  // namespace

tl::expected<std::unique_ptr<BlockDevice>, Error> BlockDevice::open(Loop& loop,
                                                                    Transport& transport,
                                                                    const Options& options) {
    auto queue = transport.open_queue(loop, {.depth = storage_queue_depth});
    if (!queue) return tl::unexpected(queue.error());
    return std::make_unique<BlockDevice>(Private{}, loop, transport.limits(), std::move(*queue),
                                         options);
}

BlockDevice::BlockDevice(Private, Loop& loop, const Limits& limits, std::unique_ptr<Queue> queue,
                         const Options& options)
    : loop_(loop),
      limits_(limits),
      queue_(std::move(queue)),
      max_append_(options.max_append),
      refusals_(options.refusals),
      recovery_(limits) {
    std::copy_n(options.id.begin(), std::min(options.id.size(), id_.size()), id_.begin());
}

BlockDevice::~BlockDevice() = default;

void BlockDevice::attach(std::uint16_t index, virtio::VirtQueue& queue) {
    auto added = std::make_unique<Port>(index, queue);
    auto slots = added->slots.size();
    for (const auto& port : ports_) slots += port->slots.size();
    pending_.reserve(2 * slots);
    ports_.push_back(std::move(added));
}

std::size_t BlockDevice::bytes_for(std::uint16_t size) const noexcept {
    return sizeof(Port) + virtio::Slots<Slot>::bytes_for(size) +
           2 * std::size_t{size} * sizeof(Request);
}

void BlockDevice::detach(std::uint16_t index) noexcept {
    std::erase_if(ports_, [&](const auto& port) { return port->index == index; });
    if (ports_.empty()) fault_.reset();  // the faulty driver is gone
}

bool BlockDevice::take(std::uint16_t index) noexcept {
    auto* const found = port(index);
    if (found == nullptr || fault_ || found->queue.recovered() != 0) return false;
    while (auto* const slot = pop(*found)) {
        if (!slot->parse()) {
            fail(
                fmt::format("queue {}: a request has {} readable and {} writable bytes, less than "
                            "virtio-blk's header of {} and status of 1",
                            index, slot->chain.readable_length, slot->chain.writable_length,
                            RequestHeader::size));
            found->queue.push(slot->chain, 0);
            found->slots.give_back(*slot);
            loop_.note_ready();
            break;
        }
        start(*slot);
    }
    submit();
    return !fault_ && !found->slots.waits();
}

bool BlockDevice::waits(std::uint16_t index) const noexcept {
    const auto* const found = port(index);
    return found != nullptr && (found->slots.waits() || found->queue.recovered() != 0);
}

void BlockDevice::complete() noexcept {
    for (auto count = completions_.size(); count == completions_.size();) {
        count = queue_->reap(completions_);
        for (const auto& completion : std::span(completions_).first(count))
            finish(Slot::of(completion.tag), completion);
    }
    for (const auto& port : ports_)
        if (port->queue.recovered() != 0) [[unlikely]]
            take_recovered(*port);
    submit();
}

void BlockDevice::recover(virtio::Lost lost) noexcept {
    for (const auto& port : ports_) {
        if (port->lost) continue;
        port->lost = lost;
        take_recovered(*port);
    }
}

bool BlockDevice::recovering() const noexcept {
    return std::any_of(ports_.begin(), ports_.end(), [](const auto& port) {
        return port->lost == virtio::Lost::judge &&
               (port->slots.in_use() != 0 || port->queue.recovered() != 0);
    });
}

std::size_t BlockDevice::in_flight(std::uint16_t index) const noexcept {
    const auto* const found = port(index);
    return found == nullptr ? 0 : found->slots.in_use() + found->queue.recovered();
}

Slot* BlockDevice::pop(Port& port) noexcept {
    auto* const slot = port.slots.pop(port.queue);
    if (const auto& why = port.queue.fault(); why && slot == nullptr)
        fail(fmt::format("queue {}: {}", port.index, virtio::to_string(*why)));
    return slot;
}

void BlockDevice::start(Slot& slot) noexcept {
    if (slot.chain.cut) [[unlikely]]
        return refuse_cut(slot);
    if (!slot.header.type || (is_zone_request(slot.type) && !mode_.zoned))
        return answer(slot, RequestStatus::unsupported);
    const auto blind = limits_.model == Model::host_managed && !mode_.zoned;
    switch (slot.type) {
        case RequestType::in:
            if (blind) return answer(slot, RequestStatus::io_error);
            return start_data(slot, Operation::read, slot.reply, slot.reply_length);
        case RequestType::out:
        case RequestType::zone_append: {
            if (blind) return answer(slot, RequestStatus::io_error);
            const auto append = slot.type == RequestType::zone_append;
            if (append && slot.reply_length < append_sector_size)
                return answer(slot, RequestStatus::invalid_command);
            // The header was copied, so its rest in the storage may be overwritten.
            const auto data =
                skip_front(slot.chain.readable, RequestHeader::size + slot.written, slot.storage);
            return start_data(slot, append ? Operation::append : Operation::write, *data,
                              slot.data_length() - slot.written);
        }
        case RequestType::flush:
            if (blind) return answer(slot, RequestStatus::io_error);
            return start_flush(slot);
        case RequestType::get_id:
            return answer_id(slot);
        case RequestType::discard:
        case RequestType::write_zeroes:
            return start_clear(slot);
        case RequestType::zone_report:
            return start_report(slot);
        case RequestType::zone_open:
            return start_action(slot, Operation::open);
        case RequestType::zone_close:
            return start_action(slot, Operation::close);
        case RequestType::zone_finish:
            return start_action(slot, Operation::finish);
        case RequestType::zone_reset:
        case RequestType::zone_reset_all:
            return start_action(slot, Operation::reset);
    }
}

void BlockDevice::refuse_cut(Slot& slot) noexcept {
    if (!slot.header.type) return answer(slot, RequestStatus::unsupported);
    if (slot.type != RequestType::in && slot.type != RequestType::out)
        return answer(slot, status_of(slot, StatusCode::too_large));
    const auto reads = slot.type == RequestType::in;
    refuse(slot, reads ? Operation::read : Operation::write, slot.offset, 0, StatusCode::too_large);
}

void BlockDevice::start_data(Slot& slot, Operation operation, std::span<const iovec> data,
                             std::uint64_t length) noexcept {
    const auto refuse = [&](StatusCode code) {
        this->refuse(slot, operation, slot.offset, length, code);
    };
    if (operation == Operation::append) {
        if (max_append_ == 0) return refuse(StatusCode::unsupported);
        if (length > max_append_) return refuse(StatusCode::too_large);
    }
    // The disk may allow it; virtio-blk does not.
    if (operation == Operation::read && mode_.zoned &&
        leaves_required_zone(limits_.layout, slot.offset, length))
        return refuse(StatusCode::read_crosses_boundary);

    Request request;
    request.tag = slot.tag();
    request.operation = operation;
    request.offset = slot.offset + slot.written;
    request.length = length;
    request.data = data;
    if (operation != Operation::read && mode_.write_through) {
        request.fua = limits_.fua != Support::absent;
        // What a dead server wrote of the request may not be durable yet.
        slot.flush_after = !request.fua || slot.written != 0;
    }
    enqueue(request);
}

void BlockDevice::start_clear(Slot& slot) noexcept {
    const auto discards = slot.type == RequestType::discard;
    if (!(discards ? mode_.discard : mode_.write_zeroes))
        return answer(slot, RequestStatus::unsupported);
    const auto operation = discards ? Operation::discard : Operation::write_zeroes;
    const auto taken = slot.clear.take(slot.chain.readable, slot.data_length(), operation, limits_);
    if (!taken) {
        const auto& fault = taken.error();
        if (const auto* status = std::get_if<RequestStatus>(&fault)) return answer(slot, *status);
        const auto& refused = std::get<Clear::Refused>(fault);
        return refuse(slot, operation, refused.request.offset, refused.request.length,
                      refused.code);
    }
    slot.flush_after = mode_.write_through;
    continue_clear(slot);
}

void BlockDevice::continue_clear(Slot& slot) noexcept {
    auto request = slot.clear.next(limits_);
    request.tag = slot.tag();
    enqueue(request);
}

void BlockDevice::start_report(Slot& slot) noexcept {
    // Without room for a single zone the driver would repeat the request for ever.
    if (slot.header.sector >= limits_.size() / sector_size ||
        !slot.report.begin(slot.tag(), slot.offset, slot.reply, slot.reply_length))
        return answer(slot, RequestStatus::invalid_command);
    if (reports_.admit(slot.report)) enqueue(slot.report.ask());
}

void BlockDevice::start_action(Slot& slot, Operation operation) noexcept {
    Request request;
    request.tag = slot.tag();
    request.operation = operation;
    if (slot.type == RequestType::zone_reset_all) {
        request.scope = Scope::all;
    } else {
        if (slot.offset >= limits_.size())
            return refuse(slot, operation, slot.offset, limits_.layout.zone_size(),
                          StatusCode::out_of_range);
        request.offset = slot.offset;
        // An offset that is not a zone's start is refused, whatever the length.
        request.length = limits_.layout.length_of(limits_.layout.zone_of(slot.offset));
    }
    slot.flush_after = mode_.write_through;
    enqueue(request);
}

void BlockDevice::start_flush(Slot& slot) noexcept {
    Request request;
    request.tag = slot.tag();
    request.operation = Operation::flush;
    enqueue(request);
}

void BlockDevice::answer_id(Slot& slot) noexcept {
    copy_to(slot.reply, 0, id_);
    answer(slot, RequestStatus::ok);
}

void BlockDevice::finish(Slot& slot, const Completion& completion) noexcept {
    if (slot.type == RequestType::zone_report) return finish_report_piece(slot, completion);
    if (recovery_.awaits(slot)) [[unlikely]]
        return finish_recovery(slot, completion);
    const auto ok = completion.status.ok();
    if (ok && slot.type == RequestType::zone_append && !slot.flushing) {
        const auto sector = encode_append_sector(completion.result);
        copy_to(slot.reply, 0, sector);
    }
    if (ok && !slot.clear.done()) return continue_clear(slot);
    if (ok && slot.flush_after && !slot.flushing) {
        slot.flushing = true;
        return start_flush(slot);
    }
    answer(slot, status_of(slot, completion.status.code));
}

void BlockDevice::finish_report_piece(Slot& slot, const Completion& completion) noexcept {
    if (!completion.status.ok()) return end_report(slot, status_of(slot, completion.status.code));
    if (slot.report.take(completion.result, limits_.size())) return enqueue(slot.report.ask());
    end_report(slot, RequestStatus::ok);
}

void BlockDevice::end_report(Slot& slot, RequestStatus status) noexcept {
    auto* const next = reports_.end(slot.report);
    answer(slot, status);
    if (next != nullptr) enqueue(next->ask());
}

void BlockDevice::take_recovered(Port& port) noexcept {
    if (!port.lost) return;
    while (auto* const slot = port.slots.pop_recovered(port.queue)) {
        if (slot->parse()) {
            recover(*slot, *port.lost);
        } else {
            port.queue.push(slot->chain, 0);
            port.slots.give_back(*slot);
            loop_.note_ready();
        }
    }
    submit();
}

void BlockDevice::recover(Slot& slot, virtio::Lost lost) noexcept {
    if (slot.chain.cut || recovery_.changes_nothing(slot)) return start(slot);
    if (lost == virtio::Lost::give_up) return answer(slot, RequestStatus::io_error);
    if (recovery_.may_repeat(slot) || !mode_.zoned) return start(slot);
    if (const auto request = recovery_.add(slot)) enqueue(*request);
}

void BlockDevice::finish_recovery(Slot& slot, const Completion& completion) noexcept {
    const auto taken = recovery_.take(completion);
    if (const auto* request = std::get_if<Request>(&taken)) return enqueue(*request);
    switch (*std::get_if<Recovery::Verdict>(&taken)) {
        case Recovery::Verdict::not_done:
            return start(slot);
        case Recovery::Verdict::unknown:
            return answer(slot, RequestStatus::io_error);
        case Recovery::Verdict::done:
            if (!mode_.write_through) return answer(slot, RequestStatus::ok);
            slot.flushing = true;
            return start_flush(slot);
    }
}

void BlockDevice::enqueue(const Request& request) noexcept {
    if (pending_.size() == pending_.capacity()) {
        pending_.erase(pending_.begin(),
                       pending_.begin() + static_cast<std::ptrdiff_t>(pending_head_));
        pending_head_ = 0;
    }
    pending_.push_back(request);
}

void BlockDevice::submit() noexcept {
    while (pending_head_ != pending_.size()) {
        const auto taken = queue_->submit(std::span(pending_).subspan(pending_head_));
        if (taken == 0) return;
        pending_head_ += taken;
    }
    pending_.clear();
    pending_head_ = 0;
}

RequestStatus BlockDevice::status_of(const Slot& slot, StatusCode code) const noexcept {
    return mode_.zoned ? zoned_status(code, slot.type) : plain_status(code);
}

void BlockDevice::answer(Slot& slot, RequestStatus status) noexcept {
    slot.push(status);
    if (recovery_.is_current(slot)) [[unlikely]]
        if (const auto request = recovery_.end()) enqueue(*request);
    slot.port->slots.give_back(slot);
    loop_.note_ready();  // an answer has to be published
}

void BlockDevice::refuse(Slot& slot, Operation operation, std::uint64_t offset,
                         std::uint64_t length, StatusCode code) noexcept {
    if (refusals_ != nullptr) {
        Refusal refusal;
        refusal.operation = operation;
        refusal.offset = offset;
        refusal.length = length;
        refusal.status.code = code;
        refusals_->refused(refusal);
    }
    answer(slot, status_of(slot, code));
}

void BlockDevice::fail(std::string text) noexcept {
    if (!fault_) fault_ = std::move(text);
}

Port* BlockDevice::port(std::uint16_t index) const noexcept {
    for (const auto& candidate : ports_)
        if (candidate->index == index) return candidate.get();
    return nullptr;
}

}  // namespace zonebridge::virtio_blk
