#include "layers/sequencer/queue.h"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace zonebridge::sequencer {
namespace {

/// More than the queue's own requests: reports, and what is carried for other queues.
constexpr std::size_t spare_carriers = 8;
/// Pieces in a joined write, where the device would take more.
constexpr std::uint32_t most_pieces = 256;

}  // namespace

tl::expected<std::unique_ptr<Queue>, Error> SequencedQueue::open(Loop& loop, Transport& device,
                                                                 const Limits& limits, Zones& zones,
                                                                 std::size_t depth) {
    const auto event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    auto queue = std::make_unique<SequencedQueue>(Private{}, loop, limits, zones,
                                                  std::max<std::size_t>(depth, 1), event_fd);
    if (auto watched = loop.watch(event_fd, *queue); !watched)
        return tl::unexpected(watched.error());
    // Before the device's queue adds its own: what is issued here must reach the kernel in the same
    // turn.
    loop.add_issuer(*queue);
    auto inner = device.open_queue(loop, {.depth = queue->depth() + spare_carriers});
    if (!inner) return tl::unexpected(std::move(inner.error()));
    queue->inner_ = std::move(*inner);
    return queue;
}

SequencedQueue::SequencedQueue(Private, Loop& loop, const Limits& limits, Zones& zones,
                               std::size_t depth, int event_fd)
    : Queue(loop, limits, depth),
      zones_(zones),
      native_append_(limits.append == Support::native),
      join_segments_(std::clamp(limits.max_segments, 1U, most_pieces)),
      nodes_(depth),
      carriers_(depth + spare_carriers),
      pieces_(carriers_.size() * join_segments_),
      done_(depth),
      event_fd_(event_fd) {
    // Requests passing by, native appends for other queues, carriers, a sweep.
    outgoing_.reserve(2 * depth + carriers_.size() + 1);
    for (auto& node : nodes_) {
        node.owner = this;
        idle_nodes_.push(node);
    }
    auto* pieces = pieces_.data();
    for (auto& carrier : carriers_) {
        carrier.pieces = pieces;
        pieces += join_segments_;
        idle_carriers_.push(carrier);
    }
}

bool SequencedQueue::needs_order(const Request& request) const noexcept {
    switch (request.operation) {
        case Operation::write: {
            const auto& layout = limits().layout;
            return !layout.is_conventional(layout.zone_of(request.offset));
        }
        case Operation::append:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return true;
        case Operation::read:
        case Operation::flush:
        case Operation::report:
        case Operation::discard:  // never of a zone that has an order
        case Operation::write_zeroes:
            return false;
    }
    return false;
}

std::size_t SequencedQueue::accept(std::span<const Request> requests) noexcept {
    std::size_t taken = 0;
    for (const auto& request : requests) {
        auto* node = idle_nodes_.pop();
        if (node == nullptr) break;
        ++taken;
        if (needs_order(request)) {
            node->request = request;
            enqueue(*node);
        } else {
            node->use = Node::Use::passing;
            node->request.tag = request.tag;
            node->request.operation = request.operation;
            node->request.offset = request.offset;
            node->request.length = request.length;
            send(request, tag_of(*node));
        }
    }
    return taken;
}

void SequencedQueue::enqueue(Node& node) noexcept {
    const auto& layout = limits().layout;
    const auto& request = node.request;
    ++in_zones_;
    const auto all = request.scope == Scope::all;
    node.zone = all ? 0 : layout.zone_of(request.offset);
    node.last_zone = node.zone;
    if (all)
        node.last_zone = layout.zone_count() - 1;
    else if (is_zone_action(request.operation))
        node.last_zone = layout.zone_of(request.offset + request.length - 1);
    if (all || node.last_zone != node.zone) {
        node.use = Node::Use::sweeping;
        ++sweeps_;
        return zones_.add_sweep(node);
    }

    node.use = Node::Use::in_zone;
    auto& line = zones_.line(node.zone);
    const std::lock_guard guard(line.lock);
    node.order = zones_.order();
    if (native_append_ && request.operation == Operation::append && !line.held &&
        !zones_.blocks(node.zone, node.order))
        return pass_append(line, node);
    node.waiting = true;
    line.waiting.push(node);
    if (line.held) return;
    line.held = true;
    runnable_.push(line);
}

void SequencedQueue::issue() noexcept {
    pump();
    auto again = std::exchange(stalled_, {});
    while (auto* line = again.pop()) run(*line);
    while (auto* line = runnable_.pop()) run(*line);
    run_sweep();
    flush_outgoing();
    if (!done_.empty() || !runnable_.empty()) loop().note_ready();
}

std::size_t SequencedQueue::collect(std::span<Completion> out) noexcept {
    pump();
    const auto count = done_.take(out);
    if (!done_.empty()) loop().note_ready();
    return count;
}

void SequencedQueue::on_ready() {
    take_mail();
    if (!done_.empty()) loop().note_ready();
}

void SequencedQueue::pump() noexcept {
    if (mail_.load(std::memory_order_acquire)) take_mail();
    while (in_device_ != 0) {
        const auto count = inner_->reap(returned_);
        in_device_ -= count;
        for (std::size_t i = 0; i < count; ++i) take_completion(returned_[i]);
        if (count < returned_.size()) return;
    }
}

void SequencedQueue::take_completion(const Completion& completion) noexcept {
    if (completion.tag == sweep_tag) return sweep_returned(completion);
    if ((completion.tag & carrier_mark) != 0)
        return carried(*reinterpret_cast<Carrier*>(
                           static_cast<std::uintptr_t>(completion.tag & ~carrier_mark)),
                       completion);
    auto& node = *reinterpret_cast<Node*>(static_cast<std::uintptr_t>(completion.tag));
    // A passing node is always this queue's own; of others' there are only appends.
    if (node.owner != this || node.use != Node::Use::passing)
        return append_passed(node, completion);
    if (!completion.status.ok() && explain(node, completion.status)) return;
    node.status = completion.status;
    node.result = completion.result;
    give_back(node);
}

// ---- To the device's queue.

void SequencedQueue::send(Request request, std::uint64_t tag) noexcept {
    request.tag = tag;
    outgoing_.push_back(request);
}

void SequencedQueue::flush_outgoing() noexcept {
    if (outgoing_.empty() || inner_ == nullptr) return;
    const auto taken = inner_->submit(outgoing_);
    in_device_ += taken;
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(taken));
    // What is in the device wakes us when it ends; if nothing is, nobody would.
    if (!outgoing_.empty() && in_device_ == 0) loop().note_ready();
}

// ---- Back to the submitters.

void SequencedQueue::finish(Node& node, Status status, std::uint64_t result) noexcept {
    node.status = status;
    node.result = result;
    if (node.owner == this) return give_back(node);
    node.owner->receive(node);
}

void SequencedQueue::give_back(Node& node) noexcept {
    if (node.use != Node::Use::passing) --in_zones_;
    node.use = Node::Use::idle;
    done_.push({node.request.tag, node.status, node.result});
    idle_nodes_.push(node);
}

void SequencedQueue::wake(const std::lock_guard<std::mutex>&) noexcept {
    // Never read: every write wakes the watch anew. Under the lock, since a queue that has all it
    // waited for may end.
    if (mail_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_fd_, &one, sizeof one);
}

void SequencedQueue::receive(Node& node) noexcept {
    const std::lock_guard guard(mail_lock_);
    node_mail_.push(node);
    wake(guard);
}

void SequencedQueue::receive(Line& line) noexcept {
    const std::lock_guard guard(mail_lock_);
    line_mail_.push(line);
    wake(guard);
}

void SequencedQueue::poke() noexcept {
    const std::lock_guard guard(mail_lock_);
    wake(guard);
}

void SequencedQueue::take_mail() noexcept {
    List<Node> nodes;
    List<Line> lines;
    {
        const std::lock_guard guard(mail_lock_);
        mail_.store(false, std::memory_order_release);
        nodes = std::exchange(node_mail_, {});
        lines = std::exchange(line_mail_, {});
    }
    while (auto* line = lines.pop()) runnable_.push(*line);
    while (auto* node = nodes.pop()) give_back(*node);
}

}  // namespace zonebridge::sequencer
