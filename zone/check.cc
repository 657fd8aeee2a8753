#include "zone/check.h"

namespace zonebridge {
namespace {

bool adds_up(std::span<const iovec> data, std::uint64_t length) noexcept {
    auto rest = length;
    for (const auto& buffer : data) {
        if (buffer.iov_len > rest) return false;
        rest -= buffer.iov_len;
    }
    return rest == 0;
}

bool is_well_formed(const Request& request) noexcept {
    const auto data = moves_data(request.operation);
    const auto writes =
        request.operation == Operation::write || request.operation == Operation::append;
    const auto ranged = clears(request.operation) ||
                        (is_zone_action(request.operation) && request.scope == Scope::zones);
    if (request.scope == Scope::all && !is_zone_action(request.operation)) return false;
    if (request.fua && !writes) return false;
    if (request.may_unmap && request.operation != Operation::write_zeroes) return false;
    if ((data || ranged) != (request.length != 0)) return false;
    if (data ? !adds_up(request.data, request.length) : !request.data.empty()) return false;
    return request.operation == Operation::report || request.zones.empty();
}

bool is_whole_blocks(std::uint64_t offset, std::uint64_t length, std::uint32_t block) noexcept {
    return ((offset | length) & (block - 1)) == 0;  // blocks are powers of two
}

StatusCode check_action(const Layout& layout, const Request& request) noexcept {
    const auto first = layout.zone_of(request.offset);
    if (request.offset != layout.start_of(first)) return StatusCode::not_sequential;
    const auto end = request.offset + request.length;
    const auto last = layout.zone_of(end - 1);
    if (end != layout.start_of(last) + layout.length_of(last)) return StatusCode::invalid_request;
    for (auto zone = first; zone <= last; ++zone)
        if (layout.is_conventional(zone)) return StatusCode::not_sequential;
    return StatusCode::ok;
}

StatusCode check_read(const Limits& limits, const Request& request) noexcept {
    if (limits.reads_across_zones ||
        !leaves_required_zone(limits.layout, request.offset, request.length))
        return StatusCode::ok;
    return StatusCode::read_crosses_boundary;
}

StatusCode check_write(const Limits& limits, const Request& request) noexcept {
    const auto& layout = limits.layout;
    if (leaves_required_zone(layout, request.offset, request.length))
        return StatusCode::crosses_boundary;
    const auto end = request.offset + request.length;
    const auto first = layout.zone_of(request.offset);
    const auto last = layout.zone_of(end - 1);
    for (auto zone = first; zone < last; ++zone)
        if (layout.capacity_of(zone) != layout.length_of(zone)) return StatusCode::crosses_boundary;
    if (end > layout.start_of(last) + layout.capacity_of(last)) return StatusCode::crosses_boundary;
    if (layout.is_required(first) &&
        !is_whole_blocks(request.offset, request.length, limits.physical_block_size))
        return StatusCode::unaligned_write;
    return StatusCode::ok;
}

StatusCode check_clear(const Limits& limits, const Request& request) noexcept {
    const auto discards = request.operation == Operation::discard;
    if (request.length > (discards ? limits.max_discard : limits.max_write_zeroes).value_or(0))
        return StatusCode::too_large;
    const auto& layout = limits.layout;
    if (layout.zone_count() == 0) return StatusCode::ok;
    const auto last = layout.zone_of(request.offset + request.length - 1);
    for (auto zone = layout.zone_of(request.offset); zone <= last; ++zone)
        if (layout.is_required(zone)) return StatusCode::unsupported;
    return discards ? StatusCode::ok : check_write(limits, request);
}

StatusCode check_append(const Limits& limits, const Request& request) noexcept {
    const auto& layout = limits.layout;
    const auto zone = layout.zone_of(request.offset);
    if (request.offset != layout.start_of(zone) || layout.is_conventional(zone))
        return StatusCode::not_sequential;
    if (request.length > layout.capacity_of(zone)) return StatusCode::crosses_boundary;
    if (layout.is_required(zone) &&
        !is_whole_blocks(request.offset, request.length, limits.physical_block_size))
        return StatusCode::unaligned_write;
    return StatusCode::ok;
}

}  // namespace

bool leaves_required_zone(const Layout& layout, std::uint64_t offset,
                          std::uint64_t length) noexcept {
    if (layout.zone_count() == 0 || length == 0 || offset >= layout.size() ||
        length > layout.size() - offset)
        return false;
    const auto first = layout.zone_of(offset);
    const auto last = layout.zone_of(offset + length - 1);
    if (first == last) return false;
    for (auto zone = first; zone <= last; ++zone)
        if (layout.is_required(zone)) return true;
    return false;
}

bool offers(const Limits& limits, Operation operation) noexcept {
    const auto zoned = limits.layout.zone_count() != 0;
    switch (operation) {
        case Operation::read:
        case Operation::write:
        case Operation::flush:
            return true;
        case Operation::append:
            return zoned && limits.append != Support::absent;
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
            return zoned;
        case Operation::discard:
            return limits.max_discard.has_value();
        case Operation::write_zeroes:
            return limits.max_write_zeroes.has_value();
    }
    return false;
}

StatusCode check(const Limits& limits, const Request& request) noexcept {
    const auto operation = request.operation;
    const auto action = is_zone_action(operation);
    if (!is_well_formed(request)) return StatusCode::invalid_request;
    if (!offers(limits, operation) || (request.fua && limits.fua == Support::absent))
        return StatusCode::unsupported;
    if (limits.read_only && changes(operation)) return StatusCode::read_only;
    if (operation == Operation::flush || (action && request.scope == Scope::all))
        return StatusCode::ok;

    if (operation != Operation::report &&
        !is_whole_blocks(request.offset, request.length, limits.logical_block_size))
        return StatusCode::misaligned;
    const auto size = limits.size();  // read once: a disk without zones may shrink meanwhile
    if (request.offset >= size || request.length > size - request.offset)
        return StatusCode::out_of_range;
    if (moves_data(operation)) {
        const auto append = operation == Operation::append;
        if (request.length > (append ? limits.max_append : limits.longest_request()))
            return StatusCode::too_large;
        if (request.data.size() > limits.max_segments && (append || !limits.any_length))
            return StatusCode::too_large;
        if (limits.layout.zone_count() == 0) return StatusCode::ok;
    }

    switch (operation) {
        case Operation::read:
            return check_read(limits, request);
        case Operation::write:
            return check_write(limits, request);
        case Operation::append:
            return check_append(limits, request);
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return check_action(limits.layout, request);
        case Operation::discard:
        case Operation::write_zeroes:
            return check_clear(limits, request);
        case Operation::flush:
        case Operation::report:
            return StatusCode::ok;
    }
    return StatusCode::invalid_request;
}

}  // namespace zonebridge
