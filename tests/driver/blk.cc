#include "tests/driver/blk.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace zonebridge::driver {
namespace {

constexpr std::size_t tail_room = 64;
constexpr std::size_t report_header_bytes = 64;
constexpr std::size_t descriptor_bytes = 64;

std::uint64_t le64(const std::byte* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
}

}  // namespace

std::array<std::byte, 16> blk::header(std::uint32_t type, std::uint64_t sector) {
    std::array<std::byte, 16> bytes{};
    std::memcpy(bytes.data(), &type, sizeof type);
    std::memcpy(bytes.data() + 8, &sector, sizeof sector);
    return bytes;
}

Result<std::vector<BlkZone>> decode_report(std::span<const std::byte> bytes) {
    if (bytes.size() < report_header_bytes)
        return tl::unexpected(fmt::format("a report of {} bytes", bytes.size()));
    const auto count = le64(bytes.data());
    if (count > (bytes.size() - report_header_bytes) / descriptor_bytes)
        return tl::unexpected(fmt::format("{} zones in {} bytes", count, bytes.size()));
    std::vector<BlkZone> zones;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto* const at = bytes.data() + report_header_bytes + i * descriptor_bytes;
        zones.push_back({.capacity = le64(at),
                         .start = le64(at + 8),
                         .write_pointer = le64(at + 16),
                         .type = static_cast<std::uint8_t>(at[24]),
                         .state = static_cast<std::uint8_t>(at[25])});
    }
    return zones;
}

std::uint64_t BlkInitiator::memory_needed(const BlkOptions& options) {
    const std::uint64_t ring = options.ring.size * (40ull + 16ull * options.ring.indirect_entries);
    return options.queues * (ring + 4096) + 16ull * 4096 +
           options.depth * (options.max_transfer + 8192ull);
}

Result<BlkInitiator> BlkInitiator::start(FrontEnd& front_end, SharedMemory& memory,
                                         const BlkOptions& options) {
    BlkInitiator initiator;
    for (std::uint16_t i = 0; i < options.queues; ++i) {
        auto queue = front_end.start_queue(i, memory, options.ring);
        if (!queue) return tl::unexpected(queue.error());
        initiator.queues_.push_back(*queue);
    }
    initiator.slot_of_head_.assign(options.queues, std::vector<std::size_t>(options.ring.size));
    for (std::uint16_t i = 0; i < options.depth; ++i) {
        Slot slot;
        slot.header = memory.allocate(blk::header(0, 0).size(), 64);
        slot.tail = memory.allocate(tail_room, 64);
        slot.data = memory.allocate(options.max_transfer, 4096);
        initiator.slots_.push_back(slot);
    }
    return initiator;
}

Result<std::uint64_t> BlkInitiator::add(const BlkRequest& request, std::uint16_t queue) {
    const auto slot =
        std::find_if(slots_.begin(), slots_.end(), [](const Slot& one) { return !one.busy; });
    if (slot == slots_.end()) return tl::unexpected(std::string("every request slot is busy"));
    const auto data_length = request.data_out.size() + request.data_in_length;
    if (data_length > slot->data.size || request.tail > slot->tail.size)
        return tl::unexpected(std::string("the request is larger than its slot"));

    const auto head_bytes = blk::header(request.type, request.sector);
    std::memcpy(slot->header.host, head_bytes.data(), head_bytes.size());
    if (!request.data_out.empty())
        std::memcpy(slot->data.host, request.data_out.data(), request.data_out.size());
    std::memset(slot->data.host + request.data_out.size(), 0xEE, request.data_in_length);
    std::memset(slot->tail.host, 0xEE, slot->tail.size);
    slot->id = next_id_++;
    slot->data_in_length = request.data_in_length;
    slot->tail_length = request.tail;

    std::vector<Buffer> chain{to_device(slot->header)};
    if (data_length != 0)
        chain.push_back({slot->data.address, static_cast<std::uint32_t>(data_length),
                         request.data_in_length != 0});
    chain.push_back({slot->tail.address, request.tail, true});
    const auto head = queues_[queue]->ring.add(chain);
    if (!head) return tl::unexpected(std::string("the ring is full"));
    slot_of_head_[queue][*head] = static_cast<std::size_t>(slot - slots_.begin());
    slot->busy = true;
    return slot->id;
}

void BlkInitiator::submit(std::uint16_t queue) {
    queues_[queue]->submit();
}

Result<BlkResult> BlkInitiator::wait(std::uint16_t queue, std::chrono::milliseconds limit) {
    const auto used = queues_[queue]->wait_used(limit);
    if (!used) return tl::unexpected(used.error());
    auto& slot = slots_[slot_of_head_[queue][used->head]];
    slot.busy = false;
    BlkResult result;
    result.id = slot.id;
    result.used_length = used->length;
    result.status = static_cast<std::uint8_t>(slot.tail.host[slot.tail_length - 1]);
    if (slot.tail_length >= blk::append_tail) result.append_sector = le64(slot.tail.host);
    result.data.assign(slot.data.host, slot.data.host + slot.data_in_length);
    return result;
}

Result<BlkResult> BlkInitiator::run(const BlkRequest& request, std::uint16_t queue) {
    const auto id = add(request, queue);
    if (!id) return tl::unexpected(id.error());
    submit(queue);
    auto result = wait(queue);
    if (result && result->id != *id)
        return tl::unexpected(
            fmt::format("ran request {}, but request {} completed", *id, result->id));
    return result;
}

Result<BlkResult> BlkInitiator::read(std::uint64_t sector, std::uint32_t bytes) {
    return run({.type = blk::in, .sector = sector, .data_in_length = bytes});
}

Result<BlkResult> BlkInitiator::write(std::uint64_t sector, std::span<const std::byte> data) {
    return run({.type = blk::out, .sector = sector, .data_out = data});
}

Result<BlkResult> BlkInitiator::append(std::uint64_t sector, std::span<const std::byte> data,
                                       std::uint32_t tail) {
    return run({.type = blk::append, .sector = sector, .data_out = data, .tail = tail});
}

Result<BlkResult> BlkInitiator::act(std::uint32_t type, std::uint64_t sector) {
    return run({.type = type, .sector = sector});
}

Result<std::vector<BlkZone>> BlkInitiator::report(std::uint64_t sector, std::uint32_t bytes) {
    const auto result = run({.type = blk::report, .sector = sector, .data_in_length = bytes});
    if (!result) return tl::unexpected(result.error());
    if (!result->ok()) return tl::unexpected(fmt::format("report: status {}", result->status));
    return decode_report(result->data);
}

}  // namespace zonebridge::driver
