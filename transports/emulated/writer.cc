#include "transports/emulated/writer.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/iovec.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {
namespace {

constexpr std::size_t max_buffers = 1024;          // IOV_MAX
constexpr std::uint64_t max_joined = 4 << 20;      // bounds the time that one call blocks the zone
constexpr std::size_t readback_size = 256 * 1024;  // stays in the CPU's cache

bool moves_data_in(const Request& request) noexcept {
    return request.operation == Operation::write || request.operation == Operation::append;
}

}  // namespace

Status status_of_write(int error) noexcept {
    // The file reached the host file system's maximum size: to the guest the same as no space.
    const auto code = error == EFBIG ? StatusCode::no_space : status_of_errno(error);
    return {code, NativeCause::os_error(error)};
}

Status status_of_commit(int error) noexcept {
    const auto full = error == ENOSPC || error == EDQUOT;
    return {full ? StatusCode::no_space : StatusCode::io_error, NativeCause::os_error(error)};
}

Status status_of_clear(int error) noexcept {
    return error == 0 ? Status{} : status_of_write(error);
}

Writer::Writer(Disk& disk)
    : disk_(disk),
      piece_buffers_(disk.limits().model == Model::host_aware ? max_buffers : 0),
      readback_(readback_size) {
    buffers_.reserve(max_buffers);
}

std::size_t Writer::write(std::span<const Request> batch, std::span<Outcome> outcomes,
                          bool may_wait) noexcept {
    const auto& first = batch.front();
    auto& outcome = outcomes.front();
    outcome = {};
    outcome.status = disk_.before_change();
    if (!outcome.status.ok()) return 1;
    if (spans(first)) {
        outcome = write_pieces(first, may_wait);
        return 1;
    }
    if (disk_.is_plain(first.offset)) {
        outcome.status = write_plain(first);
        return 1;
    }
    const auto& layout = disk_.limits().layout;
    const auto zone = layout.zone_of(first.offset);
    const std::lock_guard guard(disk_.stripe(zone));
    disk_.touch(zone);
    const auto grant = disk_.grant(
        zone, first.operation == Operation::append ? std::nullopt : std::optional(first.offset),
        first.length);
    outcome.status = grant.status;
    outcome.wait = grant.wait;
    if (!grant.status.ok() || grant.wait != Disk::Grant::Wait::nothing) return 1;

    const auto zeroes = first.operation == Operation::write_zeroes;
    const auto count = zeroes ? 1 : gather(batch, zone, grant.offset);
    Put put_down;
    put_down.error = disk_.make_room(grant.room);
    if (put_down.error == 0 && grant.gap != 0)
        put_down.error = disk_.file().punch(grant.file_at - grant.gap, grant.gap);
    if (put_down.error == 0)
        put_down = zeroes ? put_zeroes(first, grant.file_at) : put(grant.file_at);

    // Only whole blocks count, or, if waiting for space may help, whole requests.
    const auto required = layout.is_required(zone);
    const auto block =
        required ? disk_.limits().physical_block_size : disk_.limits().logical_block_size;
    auto length = put_down.bytes - put_down.bytes % block;
    const auto wait = may_wait && put_down.error == ENOSPC && disk_.space_will_return();
    if (wait) {
        std::uint64_t whole = 0;
        for (std::size_t i = 0; i < count && whole + batch[i].length <= length; ++i)
            whole += batch[i].length;
        length = whole;
    }
    std::uint64_t hash = 0;
    if (required) {
        const auto back =
            read_back(grant.file_at, grant.offset - layout.start_of(zone), length, hash);
        length = back.bytes;
        if (back.error != 0) put_down.error = back.error;
    }
    const auto settled = disk_.settle(zone, grant.offset, length, hash);
    if (!settled.ok()) {
        length = 0;
        put_down.error = 0;
    }

    std::uint64_t end = 0;
    for (std::size_t i = 0; i < count; ++i) {
        auto& each = outcomes[i];
        each = {};
        each.result = batch[i].operation == Operation::append ? grant.offset + end : 0;
        end += batch[i].length;
        if (end <= length) continue;
        // Later requests are tried again, and find the pointer where this one left it.
        each.result = 0;
        if (wait)
            each.wait = Disk::Grant::Wait::reclaim;
        else
            each.status = settled.ok() ? status_of_write(put_down.error) : settled;
        return i + 1;
    }
    return count;
}

// The end of the range that is contiguous with `offset` in the file.
std::uint64_t Writer::end_of_stretch(std::uint64_t offset) const noexcept {
    const auto& layout = disk_.limits().layout;
    if (disk_.is_plain(offset)) return layout.start_of(layout.conventional_count());
    const auto zone = layout.zone_of(offset);
    return layout.start_of(zone) + layout.length_of(zone);
}

bool Writer::spans(const Request& request) const noexcept {
    return disk_.limits().model == Model::host_aware && request.operation != Operation::append &&
           request.offset + request.length > end_of_stretch(request.offset);
}

// For conventional and sequential write preferred zones, where repeating a write after a wait is
// harmless.
Writer::Outcome Writer::write_pieces(const Request& request, bool may_wait) noexcept {
    Outcome outcome;
    for (std::uint64_t done = 0; done < request.length;) {
        const auto at = request.offset + done;
        const auto length = std::min(request.length - done, end_of_stretch(at) - at);
        const auto slice = IovecCursor(request.data, done).slice(length, piece_buffers_);
        const Request piece{.operation = request.operation,
                            .may_unmap = request.may_unmap,
                            .offset = at,
                            .length = length,
                            .data = slice.pieces,
                            .zones = {}};
        static_cast<void>(write({&piece, 1}, {&outcome, 1}, may_wait));
        if (!outcome.status.ok() || outcome.wait != Disk::Grant::Wait::nothing) return outcome;
        done += length;
    }
    return outcome;
}

Status Writer::discard(const Request& request) noexcept {
    auto status = disk_.before_change();
    for (std::uint64_t done = 0; done < request.length && status.ok();) {
        const auto at = request.offset + done;
        const auto length = std::min(request.length - done, end_of_stretch(at) - at);
        if (disk_.is_plain(at))
            status = status_of_clear(disk_.clear(request, disk_.plain_at(at), length));
        else
            status = disk_.discard_in_zone(at, length);
        done += length;
    }
    disk_.note_change(0);
    return status;
}

Status Writer::write_plain(const Request& request) noexcept {
    buffers_.assign(request.data.begin(), request.data.end());
    const auto at = disk_.plain_at(request.offset);
    if (const auto error = disk_.make_room(disk_.plain_room(at + request.length)))
        return status_of_write(error);
    const auto put_down =
        request.operation == Operation::write_zeroes ? put_zeroes(request, at) : put(at);
    // Zeroes may be a hole past the file's end.
    disk_.note_plain(moves_data_in(request) ? at + put_down.bytes : 0, put_down.bytes);
    if (put_down.bytes == request.length) return {};
    return status_of_write(put_down.error);
}

std::size_t Writer::gather(std::span<const Request> batch, std::uint32_t zone,
                           std::uint64_t offset) noexcept {
    const auto& layout = disk_.limits().layout;
    const auto start = layout.start_of(zone);
    const auto limit = start + layout.capacity_of(zone);
    buffers_.assign(batch[0].data.begin(), batch[0].data.end());
    auto end = offset + batch[0].length;
    std::size_t count = 1;
    for (; count < batch.size(); ++count) {
        const auto& next = batch[count];
        const auto expected = next.operation == Operation::append ? start : end;
        if (!moves_data_in(next) || next.offset != expected || next.length > limit - end ||
            end + next.length - offset > max_joined ||
            buffers_.size() + next.data.size() > max_buffers)
            break;
        buffers_.insert(buffers_.end(), next.data.begin(), next.data.end());
        end += next.length;
    }
    return count;
}

Writer::Put Writer::put(std::uint64_t file_at) noexcept {
    Put result;
    std::span<iovec> left(buffers_);
    while (!left.empty()) {
        const auto done = disk_.file().write(left, file_at + result.bytes);
        if (!done) {
            result.error = done.error();
            return result;
        }
        left = trim_front(left, *done);
        result.bytes += *done;
        if (*done == 0 && !left.empty()) {
            result.error = EIO;
            return result;
        }
    }
    return result;
}

Writer::Put Writer::put_zeroes(const Request& request, std::uint64_t file_at) noexcept {
    Put result;
    result.error = disk_.clear(request, file_at, request.length);
    // A zone's data never extends past the end of the file.
    if (result.error == 0 && !disk_.is_plain(request.offset))
        result.error = grow_to(file_at + request.length);
    if (result.error == 0) result.bytes = request.length;
    return result;
}

int Writer::grow_to(std::uint64_t end) noexcept {
    constexpr std::array<std::uint8_t, Layout::granule> zeroes{};
    const auto size = disk_.file().size();
    if (!size) return size.error();
    return *size >= end ? 0 : disk_.file().write_all(zeroes, end - zeroes.size());
}

Writer::Put Writer::read_back(std::uint64_t file_at, std::uint64_t position, std::uint64_t length,
                              std::uint64_t& hash) noexcept {
    Put result;
    while (result.bytes < length) {
        const auto piece = std::span(readback_).first(
            std::min<std::uint64_t>(readback_.size(), length - result.bytes));
        result.error = disk_.file().read_all(piece, file_at + result.bytes);
        if (result.error != 0) return result;
        hash += hash_blocks(piece, position + result.bytes, disk_.limits().physical_block_size);
        result.bytes += piece.size();
    }
    return result;
}

}  // namespace zonebridge::emulated
