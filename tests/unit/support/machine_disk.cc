#include "tests/unit/support/machine_disk.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace zonebridge::test {

class MachineQueue final : public Queue {
  public:
    MachineQueue(MachineDisk& disk, Loop& loop, std::size_t depth)
        : Queue(loop, disk.limits(), depth), disk_(disk) {
        finished_.reserve(depth);
        accepted_.reserve(depth);
    }

  protected:
    void accept(std::span<const Request> requests) noexcept override {
        accepted_.insert(accepted_.end(), requests.begin(), requests.end());
        begin();
    }

    std::size_t collect(std::span<Completion> out) noexcept override {
        begin();
        if (disk_.hold) return 0;
        if (disk_.reverse) std::reverse(finished_.begin(), finished_.end());
        const auto count = std::min(out.size(), finished_.size());
        std::copy_n(finished_.begin(), count, out.begin());
        finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
        if (!finished_.empty()) loop().note_ready();
        return count;
    }

  private:
    void begin() noexcept {
        const std::lock_guard lock(disk_.mutex_);
        const auto count = std::min(accepted_.size(), disk_.take_at_most);
        for (const auto& request : std::span(accepted_).first(count)) {
            finished_.push_back(disk_.carry_out(request));
            if (!disk_.hold) loop().note_ready();
        }
        accepted_.erase(accepted_.begin(), accepted_.begin() + static_cast<std::ptrdiff_t>(count));
        if (!accepted_.empty()) loop().note_ready();
    }

    MachineDisk& disk_;
    std::vector<Request> accepted_;  // not begun yet
    std::vector<Completion> finished_;
};

Limits limits_of(const MachineDiskShape& shape) {
    Limits limits;
    limits.native_all = shape.native_all;
    limits.model = shape.model;
    const auto size = shape.zones * shape.zone_size -
                      (shape.last_zone_size ? shape.zone_size - shape.last_zone_size : 0);
    if (shape.model == Model::none)
        limits.layout = Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
    else
        limits.layout =
            Layout(size, shape.zone_size, shape.zone_capacity.value_or(shape.zone_size),
                   shape.conventional,
                   shape.model == Model::host_aware ? ZoneType::sequential_write_preferred
                                                    : ZoneType::sequential_write_required);
    limits.logical_block_size = shape.logical_block_size;
    limits.physical_block_size = shape.physical_block_size;
    limits.max_transfer = shape.max_transfer;
    limits.max_segments = shape.max_segments;
    limits.max_open = shape.max_open;
    limits.max_active = shape.max_active;
    limits.fua = shape.fua;
    limits.append = shape.append;
    limits.max_append = shape.append == Support::absent ? 0 : shape.max_transfer;
    limits.reads_past_pointer = shape.reads_past_pointer;
    limits.read_only = shape.read_only;
    if (shape.max_clear != 0) {
        limits.max_discard = limits.max_write_zeroes = shape.max_clear;
        limits.discard_granularity = shape.physical_block_size;
        limits.write_zeroes_unmaps = true;
    }
    return limits;
}

MachineDisk::MachineDisk(const MachineDiskShape& shape, std::vector<std::uint8_t> storage)
    : shape_(shape), limits_(limits_of(shape)), machine_(limits_), bytes_(std::move(storage)) {
    bytes_.resize(limits_.size());
    identity_.vendor = "ZONEBRDG";
    identity_.product = "in memory";
    identity_.revision = "0.1";
    identity_.serial = "ZB-0001";
    identity_.path = "memory";
    identity_.transport = "memory";
    identity_.unique_id = 0x0123456789ABCDEF;
}

tl::expected<std::unique_ptr<Queue>, Error> MachineDisk::open_queue(Loop& loop,
                                                                    QueueOptions options) {
    return std::make_unique<MachineQueue>(*this, loop, std::min(options.depth, deepest));
}

Completion MachineDisk::carry_out(const Request& request) {
    taken.push_back({request.operation, request.scope, request.fua, request.offset, request.length,
                     request.data.size(), request.may_unmap});
    Completion completion{request.tag, {}, 0};
    auto& code = completion.status.code;
    if (fail_next) {
        code = *fail_next;
        fail_next.reset();
        return completion;
    }
    switch (request.operation) {
        case Operation::read:
            code = read(request);
            break;
        case Operation::write:
            code = write(request.offset, request);
            break;
        case Operation::append:
            if (const auto offset = machine_.begin_append(request.offset, request.length)) {
                completion.result = *offset;
                code = write(*offset, request);
            } else {
                code = offset.error();
            }
            break;
        case Operation::flush:
            break;
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            code = act(request, completion.result);
            break;
        case Operation::discard:
        case Operation::write_zeroes:
            code = clear(request);
            break;
        case Operation::report:
            completion.result = machine_.report(request.offset, request.zones);
            for (auto& zone : request.zones.first(completion.result)) {
                const auto found = broken.find(limits_.layout.zone_of(zone.start));
                if (found == broken.end()) continue;
                zone.state = found->second;
                zone.write_pointer.reset();
            }
            break;
    }
    return completion;
}

StatusCode MachineDisk::broken_in(std::uint64_t offset, std::uint64_t length, bool reads) {
    if (limits_.model == Model::none) return StatusCode::ok;
    const auto last = limits_.layout.zone_of(offset + length - 1);
    for (auto zone = limits_.layout.zone_of(offset); zone <= last; ++zone) {
        const auto found = broken.find(zone);
        if (found == broken.end()) continue;
        if (found->second == ZoneState::offline) return StatusCode::zone_offline;
        if (!reads) return StatusCode::zone_read_only;
    }
    return StatusCode::ok;
}

StatusCode MachineDisk::read(const Request& request) {
    auto at = request.offset;
    const auto end = at + request.length;
    if (const auto code = broken_in(at, request.length, true); code != StatusCode::ok) return code;
    if (limits_.model != Model::none)
        if (const auto code = machine_.check_read(at, request.length); code != StatusCode::ok)
            return code;
    for (const auto& buffer : request.data) {
        if (buffer.iov_len == 0) continue;
        std::memcpy(buffer.iov_base, bytes_.data() + at, buffer.iov_len);
        if (limits_.model != Model::none) clear_unwritten(at, buffer);
        at += buffer.iov_len;
    }
    return at == end ? StatusCode::ok : StatusCode::io_error;
}

/// Bytes past a write pointer read as zeroes.
void MachineDisk::clear_unwritten(std::uint64_t offset, const iovec& buffer) {
    const auto end = offset + buffer.iov_len;
    for (auto at = offset; at < end;) {
        const auto zone = limits_.layout.zone_of(at);
        const auto zone_end = limits_.layout.start_of(zone) + limits_.layout.length_of(zone);
        const auto from = std::max(at, machine_.written_end(zone));
        const auto to = std::min(end, zone_end);
        if (from < to)
            std::memset(static_cast<std::uint8_t*>(buffer.iov_base) + (from - offset), 0,
                        to - from);
        at = zone_end;
    }
}

StatusCode MachineDisk::write(std::uint64_t offset, const Request& request) {
    const auto zoned = limits_.model != Model::none;
    if (const auto code = broken_in(offset, request.length, false); code != StatusCode::ok)
        return code;
    if (zoned && request.operation == Operation::write)
        if (const auto code = machine_.begin_write(offset, request.length); code != StatusCode::ok)
            return code;
    auto at = offset;
    for (const auto& buffer : request.data) {
        if (buffer.iov_len == 0) continue;
        std::memcpy(bytes_.data() + at, buffer.iov_base, buffer.iov_len);
        at += buffer.iov_len;
    }
    if (zoned) machine_.advance(offset, request.length);
    return StatusCode::ok;
}

StatusCode MachineDisk::clear(const Request& request) {
    const auto discards = request.operation == Operation::discard;
    const auto zoned = limits_.model != Model::none;
    if (zoned && !discards)
        if (const auto code = machine_.begin_write(request.offset, request.length);
            code != StatusCode::ok)
            return code;
    std::memset(bytes_.data() + request.offset, discards ? discarded : 0, request.length);
    if (zoned && !discards) machine_.advance(request.offset, request.length);
    return StatusCode::ok;
}

StatusCode MachineDisk::act(const Request& request, std::uint64_t& acted) {
    if (request.scope == Scope::all) return machine_.act_all(request.operation);
    const auto first = limits_.layout.zone_of(request.offset);
    const auto last = limits_.layout.zone_of(request.offset + request.length - 1);
    for (auto zone = first; zone <= last; ++zone, ++acted) {
        const auto found = broken.find(zone);
        const auto code = found == broken.end() ? machine_.act(request.operation, zone)
                          : found->second == ZoneState::offline ? StatusCode::zone_offline
                                                                : StatusCode::zone_read_only;
        if (code != StatusCode::ok) return code;
    }
    return StatusCode::ok;
}

}  // namespace zonebridge::test
