#include "transports/nvme/queue.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <unistd.h>
#include <utility>

#include "base/iovec.h"
#include "transports/nvme/uring_command.h"

namespace zonebridge::nvme {
namespace {

constexpr std::size_t most_threads = 16;
constexpr std::size_t bounce_count = 8;
/// A report of this length holds four thousand zones.
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
    // The limit is at least a block, which holds more than one zone's descriptor.
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
        auto pool = LoopThreadPool::start(
            loop, static_cast<unsigned>(std::min(queue->depth(), most_threads)));
        if (!pool) return tl::make_unexpected(std::move(pool.error()));
        queue->pool_ = std::move(*pool);
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
    reports_.reserve(depth);
    for (std::size_t i = 0; i < depth; ++i) slots_.emplace_back(*this);
    for (auto& slot : slots_) idle_.push_back(&slot);
    if (limits().layout.zone_count() == 0) return;
    report_bytes_.resize(report_bytes(limits()));
}

NvmeQueue::~NvmeQueue() {
    loop().remove_issuer(*this);
    closing_ = true;  // sequences of commands stop after the current one
    unsent_.clear();
    if (ring_ == nullptr) return;  // the thread pool waits for its own jobs
    // The kernel may still be filling buffers; a ring that fails can't report it, and holds none.
    while (sent_ != 0 && loop().turn(Loop::Wait::sleep)) continue;
}

void NvmeQueue::accept(std::span<const Request> requests) noexcept {
    for (const auto& request : requests) {
        auto& slot = *idle_.back();
        idle_.pop_back();
        slot.request = request;
        begin(slot);
    }
}

std::size_t NvmeQueue::collect(std::span<Completion> out) noexcept {
    return hand_out(done_, out);
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
            return begin_report(slot);
        // Not in the limits: zone/check refuses them first.
        case Operation::discard:
        case Operation::write_zeroes:
            return finish(slot, {StatusCode::unsupported, {}});
    }
    if (shared_.whole_blocks && !is_whole_blocks(request.data, limits().logical_block_size))
        return send_copied(slot);
    // One buffer is passed directly: the kernel then need not copy the vector.
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
    if (request.operation != Operation::read) copy_from(request.data, 0, slot.bounce);
    slot.data = {slot.bounce.data(), static_cast<std::uint32_t>(request.length), false};
    send(slot);
}

/// Ends a copied request; false if the request is sent again with its data copied.
bool NvmeQueue::end_copied(Slot& slot) noexcept {
    if (slot.bounce.empty()) {
        // EINVAL: more pieces than the kernel can describe to the device, which has not seen the
        // command. One buffer has that many if its pages are not contiguous.
        if (slot.answer.value != -EINVAL || closing_) return true;
        send_copied(slot);
        return false;
    }
    if (slot.answer.value == 0 && slot.request.operation == Operation::read)
        copy_to(slot.request.data, 0, slot.bounce);
    bounces_.give_back(std::exchange(slot.bounce, {}));
    if (uncopied_.empty() || closing_) return true;
    auto* next = uncopied_.front();
    uncopied_.erase(uncopied_.begin());
    send_copied(*next);
    return true;
}

void NvmeQueue::send(Slot& slot) noexcept {
    if (pool_) {
        pool_->submit(slot);
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
    // A command aborted by the removal ends like one aborted by a controller reset.
    if (status.code == StatusCode::io_error && !shared_.sysfs.empty() &&
        ::access(shared_.sysfs.c_str(), F_OK) != 0)
        status.code = StatusCode::device_gone;
    return status;
}

void NvmeQueue::answered(Slot& slot) noexcept {
    if (!pool_) --sent_;
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
    // Compared in blocks, so that no number overflows.
    const auto zone = layout.zone_of(request.offset);
    const auto first = lba_of(request.offset);
    const auto last = first + lba_of(layout.capacity_of(zone) - request.length);
    const auto landed = slot.answer.result;
    // A position outside the zone shows that the device's answers can't be trusted.
    if (landed < first || landed > last) return finish(slot, {StatusCode::io_error, {}});
    finish(slot, {}, landed << block_shift_);
}

}  // namespace zonebridge::nvme
