#include "transports/scsi/executor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/iovec.h"
#include "transports/scsi/reporter.h"

namespace zonebridge::scsi {
namespace {

constexpr std::size_t most_buffers = 1024;  // UIO_MAXIOV

Command command_of(const Call& call, std::span<const iovec> data, std::uint64_t length) noexcept {
    return {.cdb = call.cdb(),
            .direction = call.direction,
            .data = data,
            .length = static_cast<std::uint32_t>(length),
            .timeout_ms = call.timeout_ms};
}

}  // namespace

bool Executor::is_plain_read(const Request& request) const noexcept {
    if (limits_.layout.zone_count() == 0) return true;
    auto gap = false;
    const auto end = request.offset + request.length;
    return piece_end(request.offset, end, gap) == end && !gap;
}

/// How far from `from` on, to `end` at most, one READ may go: not into a gap, out of one, or into a
/// zone of another type (ZBC-2 leaves that to the disk). `gap`: `from` is in one.
std::uint64_t Executor::piece_end(std::uint64_t from, std::uint64_t end, bool& gap) const noexcept {
    const auto& layout = limits_.layout;
    auto zone = layout.zone_of(from);
    const auto type = layout.type_of(zone);
    const auto data_end = layout.start_of(zone) + layout.capacity_of(zone);
    gap = from >= data_end;
    if (gap) return std::min(end, layout.start_of(zone) + layout.length_of(zone));
    for (;; ++zone) {
        const auto usable = layout.start_of(zone) + layout.capacity_of(zone);
        if (usable >= end) return end;
        if (layout.capacity_of(zone) != layout.length_of(zone) || layout.type_of(zone + 1) != type)
            return usable;
    }
}

std::optional<Call> Executor::single(const Request& request) const noexcept {
    const auto blocks = static_cast<std::uint32_t>(request.length / limits_.logical_block_size);
    switch (request.operation) {
        case Operation::read:
            if (!is_plain_read(request)) return std::nullopt;
            return dialect_.read(lba(request.offset), blocks);
        case Operation::write:
            return dialect_.write(lba(request.offset), blocks, request.fua);
        case Operation::flush:
            return dialect_.flush();
        case Operation::append:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
        case Operation::discard:
        case Operation::write_zeroes:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<Completion> Executor::conclude(const Request& request,
                                             const Answer& answer) const noexcept {
    if (retry_of(answer) != Retry::no) return std::nullopt;
    return Completion{
        request.tag,
        dialect_.judge(answer, request.operation, static_cast<std::uint32_t>(request.length)), 0};
}

Completion Executor::run(const Request& request, const Answer* first) noexcept {
    Completion completion{request.tag, {}, 0};
    switch (request.operation) {
        case Operation::read:
        case Operation::write:
        case Operation::flush:
            if (const auto call = single(request))
                completion.status = send_single(request, *call, first);
            else
                completion.status = read_pieces(request);
            break;
        case Operation::append:
        case Operation::discard:
        case Operation::write_zeroes:
            completion.status = {StatusCode::unsupported, {}};
            break;
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            if (request.scope == Scope::all)
                completion.status = act(request.operation, std::nullopt);
            else
                act_on_zones(request, completion);
            break;
        case Operation::report:
            report(request, completion);
            break;
    }
    return completion;
}

Status Executor::send_single(const Request& request, const Call& call,
                             const Answer* first) noexcept {
    const auto command = command_of(call, request.data, request.length);
    auto& port = request.operation == Operation::flush ? control_ : data_;
    Patience patience;
    auto answer = first ? *first : port.run(command);
    for (;;) {
        const auto retry = retry_of(answer);
        if (retry == Retry::no || !patience.wait(retry)) break;
        if (request.operation == Operation::write &&
            (answer.host != 0 || !was_not_written(request)))
            break;
        answer = port.run(command);
    }
    return dialect_.judge(answer, request.operation, static_cast<std::uint32_t>(request.length));
}

/// Whether a write that may be sent again (SAM-5: not accepted, so not carried out) has left the
/// zone unchanged. Outside sequential write required zones writing twice is harmless.
bool Executor::was_not_written(const Request& request) noexcept {
    const auto& layout = limits_.layout;
    if (layout.zone_count() == 0) return true;
    const auto number = layout.zone_of(request.offset);
    if (!layout.is_required(number)) return true;
    std::array<Zone, 1> zone;
    Reporter reporter(control_, dialect_, limits_.logical_block_size, limits_.size(),
                      limits_.max_transfer);
    const auto filled = reporter.report(layout.start_of(number), zone);
    return filled && *filled == 1 && zone.front().write_pointer == request.offset;
}

Status Executor::read_pieces(const Request& request) noexcept {
    IovecCursor place(request.data);
    std::array<iovec, most_buffers> pieces;
    const auto end = request.offset + request.length;
    for (auto from = request.offset; from < end;) {
        auto gap = false;
        const auto to = piece_end(from, end, gap);
        const auto data = place.slice(to - from, pieces).pieces;
        if (gap) {
            // No disk reads a gap, because it lies past every pointer.
            if (!limits_.reads_past_pointer) return {StatusCode::read_past_pointer, {}};
            for (const auto& buffer : data) std::memset(buffer.iov_base, 0, buffer.iov_len);
        } else {
            const auto length = static_cast<std::uint32_t>(to - from);
            const auto call = dialect_.read(lba(from), length / limits_.logical_block_size);
            const auto answer = send(data_, command_of(call, data, length));
            if (const auto status = dialect_.judge(answer, Operation::read, length); !status.ok())
                return status;
        }
        from = to;
    }
    return {};
}

Status Executor::act(Operation operation, std::optional<std::uint64_t> zone) noexcept {
    const auto call = dialect_.act(operation, zone ? std::optional(lba(*zone)) : std::nullopt);
    return dialect_.judge(send(control_, command_of(call, {}, 0)), operation, 0);
}

void Executor::act_on_zones(const Request& request, Completion& completion) noexcept {
    const auto& layout = limits_.layout;
    const auto last = layout.zone_of(request.offset + request.length - 1);
    for (auto zone = layout.zone_of(request.offset); zone <= last; ++zone) {
        completion.status = act(request.operation, layout.start_of(zone));
        if (!completion.status.ok()) return;
        ++completion.result;
    }
}

void Executor::report(const Request& request, Completion& completion) noexcept {
    const auto& layout = limits_.layout;
    const auto start = layout.start_of(layout.zone_of(request.offset));
    Reporter reporter(control_, dialect_, limits_.logical_block_size, limits_.size(),
                      limits_.max_transfer);
    const auto filled = reporter.report(start, request.zones);
    if (!filled) {
        completion.status = filled.error().status;
        return;
    }
    // The zones may change their state, but not their positions.
    for (std::size_t i = 0; i < *filled; ++i) {
        const auto number = layout.zone_of(start) + static_cast<std::uint32_t>(i);
        const auto& zone = request.zones[i];
        if (zone.start != layout.start_of(number) || zone.length != layout.length_of(number)) {
            completion.status = {StatusCode::io_error, {}};
            return;
        }
    }
    completion.result = *filled;
}

}  // namespace zonebridge::scsi
