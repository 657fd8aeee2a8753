#include "transports/nvme/queue.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <unistd.h>
#include <utility>

#include "transports/nvme/status.h"
#include "transports/nvme/uring_command.h"
#include "zone/scatter.h"

namespace zonebridge::nvme {
namespace {

constexpr std::size_t most_threads = 16;
constexpr std::size_t bounce_count = 8;
/// A report in steps of this shows four thousand zones a step.
constexpr std::uint64_t report_step = std::uint64_t{256} << 10;

/// `block`: a power of two.
bool is_whole_blocks(std::span<const iovec> data, std::uint32_t block) noexcept {
    std::uintptr_t bits = 0;
    for (const auto& part : data)
        bits |= reinterpret_cast<std::uintptr_t>(part.iov_base) | part.iov_len;
    return (bits & (block - 1)) == 0;
}

std::size_t report_bytes(const Limits& limits) {
    const auto& layout = limits.layout;
    const auto all =
        zns::report_header_size + std::uint64_t{layout.zone_count()} * zns::descriptor_size;
    // A device takes at least a block at a time, and that is more than one zone's descriptor.
    return std::min({all, report_step, limits.max_transfer / 4 * 4});
}

}  // namespace

void NvmeQueue::Slot::run() noexcept {
    answer = queue.shared_.control->send(command, data, timeout);
}

tl::expected<std::unique_ptr<Queue>, Error> NvmeQueue::open(Loop& loop, const Shared& shared,
                                                            std::size_t depth) {
    auto queue =
        std::make_unique<NvmeQueue>(Private{}, loop, shared, std::max<std::size_t>(depth, 1));
    if (shared.by_ring) {
        queue->ring_ = Ring::of(loop);
        if (queue->ring_ == nullptr)
            return tl::make_unexpected(Error{
                StatusCode::unsupported,
                "NVMe commands go through io_uring, but this thread's loop does not use io_uring",
                {}});
    } else {
        auto crew =
            Crew::start(loop, static_cast<unsigned>(std::min(queue->depth(), most_threads)));
        if (!crew) return tl::make_unexpected(std::move(crew.error()));
        queue->crew_ = std::move(*crew);
    }
    auto bounces = BouncePool::make(bounce_count,
                                    std::max(shared.limits.max_transfer, shared.limits.max_append));
    if (!bounces) return tl::make_unexpected(std::move(bounces.error()));
    queue->bounces_ = std::move(*bounces);
    loop.add_issuer(*queue);
    return queue;
}

NvmeQueue::NvmeQueue(Private, Loop& loop, const Shared& shared, std::size_t depth)
    : Queue(loop, shared.limits, depth),
      shared_(shared),
      block_shift_(static_cast<unsigned>(std::countr_zero(shared.limits.logical_block_size))),
      done_(depth) {
    slots_.reserve(depth);
    idle_.reserve(depth);
    unsent_.reserve(depth);
    resending_.reserve(depth);
    uncopied_.reserve(depth);
    walks_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i) slots_.emplace_back(*this);
    for (auto& slot : slots_) idle_.push_back(&slot);
    if (limits().layout.zone_count() == 0) return;
    report_bytes_.resize(report_bytes(limits()));
    // Either all of them, up to the limit, or those of one report after the other.
    const std::size_t in_report =
        (report_bytes_.size() - zns::report_header_size) / zns::descriptor_size;
    const std::size_t open = limits().max_open.value_or(0);
    open_all_.closed.reserve(std::max<std::size_t>(
        in_report, std::min<std::size_t>(open, limits().layout.zone_count())));
}

NvmeQueue::~NvmeQueue() {
    loop().remove_issuer(*this);
    closing_ = true;  // rows of commands end with the one under way
    unsent_.clear();
    if (ring_ == nullptr) return;  // the crew waits for its own
    // The kernel may still be filling buffers; a ring that fails can't tell, and holds none.
    while (sent_ != 0 && loop().turn(Loop::Wait::sleep)) continue;
}

std::size_t NvmeQueue::accept(std::span<const Request> requests) noexcept {
    const auto taken = std::min(requests.size(), idle_.size());
    for (const auto& request : requests.first(taken)) {
        auto& slot = *idle_.back();
        idle_.pop_back();
        slot.request = request;
        begin(slot);
    }
    return taken;
}

std::size_t NvmeQueue::collect(std::span<Completion> out) noexcept {
    const auto count = done_.take(out);
    if (!done_.empty()) loop().note_ready();
    return count;
}

void NvmeQueue::finish(Slot& slot, Status status, std::uint64_t result) noexcept {
    done_.push({slot.request.tag, status, result});
    idle_.push_back(&slot);
    loop().note_ready();
}

void NvmeQueue::begin(Slot& slot) noexcept {
    const auto& request = slot.request;
    const auto nsid = shared_.control->nsid();
    const auto lba = lba_of(request.offset);
    const auto blocks = static_cast<std::uint32_t>(lba_of(request.length));
    slot.timeout = 0;
    slot.data = {};
    switch (request.operation) {
        case Operation::read:
            slot.command = zns::read(nsid, lba, blocks);
            break;
        case Operation::write:
            slot.command = zns::write(nsid, lba, blocks, request.fua);
            break;
        case Operation::append:
            slot.command = zns::append(nsid, lba, blocks, request.fua);
            break;
        case Operation::flush:
            if (!shared_.volatile_cache) return finish(slot, {});
            slot.command = zns::flush(nsid);
            return send(slot);
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return begin_action(slot);
        case Operation::report:
            return begin_walk(slot);
        // Not among the limits: the check at the seam lets none through.
        case Operation::discard:
        case Operation::write_zeroes:
            return finish(slot, {StatusCode::unsupported, {}});
    }
    if (shared_.whole_blocks && !is_whole_blocks(request.data, limits().logical_block_size))
        return send_copied(slot);
    // One buffer goes as it is: the kernel then needs no copy of the vector.
    if (request.data.size() == 1)
        slot.data = {request.data.front().iov_base, static_cast<std::uint32_t>(request.length),
                     false};
    else
        slot.data = {const_cast<iovec*>(request.data.data()),
                     static_cast<std::uint32_t>(request.data.size()), true};
    send(slot);
}

void NvmeQueue::send_copied(Slot& slot) noexcept {
    const auto& request = slot.request;
    const auto place = bounces_.take(request.length);
    if (!place) return uncopied_.push_back(&slot);
    slot.bounce = *place;
    if (request.operation != Operation::read) gather(request.data, slot.bounce);
    slot.data = {slot.bounce.data(), static_cast<std::uint32_t>(request.length), false};
    send(slot);
}

/// Takes the copy back; false if the request goes out again, as a copy.
bool NvmeQueue::end_copied(Slot& slot) noexcept {
    if (slot.bounce.empty()) {
        // More pieces than the kernel can describe to the device, which has not seen them; also
        // one buffer has them, where its pages lie apart.
        if (slot.answer.value != -EINVAL || closing_) return true;
        send_copied(slot);
        return false;
    }
    if (slot.answer.value == 0 && slot.request.operation == Operation::read)
        scatter(slot.bounce, slot.request.data);
    bounces_.give_back(std::exchange(slot.bounce, {}));
    if (uncopied_.empty() || closing_) return true;
    auto* next = uncopied_.front();
    uncopied_.erase(uncopied_.begin());
    send_copied(*next);
    return true;
}

void NvmeQueue::send(Slot& slot) noexcept {
    if (crew_) {
        crew_->hand(slot);
    } else if (!push(slot)) {
        unsent_.push_back(&slot);
        loop().note_ready();
    }
}

bool NvmeQueue::push(Slot& slot) noexcept {
    auto* entry = ring_->prepare(slot);
    if (entry == nullptr) return false;
    prepare(*entry, shared_.control->fd(), slot.command, slot.data, slot.timeout);
    ++sent_;
    return true;
}

void NvmeQueue::issue() noexcept {
    if (unsent_.empty()) return;
    resending_.swap(unsent_);
    for (auto* slot : resending_) send(*slot);
    resending_.clear();
}

Status NvmeQueue::status_of_answer(const Slot& slot) const noexcept {
    auto status = status_of(slot.answer, slot.request.operation);
    // A command that a removal cut short ends as one that a reset of the controller did.
    if (status.code == StatusCode::io_error && !shared_.sysfs.empty() &&
        ::access(shared_.sysfs.c_str(), F_OK) != 0)
        status.code = StatusCode::device_gone;
    return status;
}

void NvmeQueue::answered(Slot& slot) noexcept {
    if (!crew_) --sent_;
    switch (slot.request.operation) {
        case Operation::read:
        case Operation::write:
            if (end_copied(slot)) finish(slot, status_of_answer(slot));
            return;
        case Operation::append:
            if (end_copied(slot)) answered_append(slot);
            return;
        case Operation::flush:
            return finish(slot, status_of_answer(slot));
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return answered_action(slot);
        case Operation::report:
            return answered_report(slot);
        case Operation::discard:
        case Operation::write_zeroes:
            return finish(slot, {StatusCode::unsupported, {}});
    }
}

void NvmeQueue::answered_append(Slot& slot) noexcept {
    const auto status = status_of_answer(slot);
    if (!status.ok()) return finish(slot, status);
    const auto& request = slot.request;
    const auto& layout = limits().layout;
    // Compared as blocks, so that no number overflows.
    const auto zone = layout.zone_of(request.offset);
    const auto first = lba_of(request.offset);
    const auto last = first + lba_of(layout.capacity_of(zone) - request.length);
    const auto landed = slot.answer.result;
    // A device that says it put the data elsewhere can't be believed about anything.
    if (landed < first || landed > last) return finish(slot, {StatusCode::io_error, {}});
    finish(slot, {}, landed << block_shift_);
}

}  // namespace zonebridge::nvme
