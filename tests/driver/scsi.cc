#include "tests/driver/scsi.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace zonebridge::driver {
namespace {

constexpr std::size_t request_bytes = 51;
constexpr std::size_t response_bytes = 108;
constexpr std::size_t response_header_bytes = 12;
constexpr std::size_t cdb_offset = 19;
constexpr std::size_t cdb_size = 32;
constexpr std::size_t event_bytes = 16;
constexpr std::size_t control_room = 4096;
constexpr std::uint32_t task_management = 0;

std::array<std::uint8_t, 8> address_bytes(ScsiAddress address) {
    return {1,
            address.target,
            static_cast<std::uint8_t>(0x40 | (address.lun >> 8)),
            static_cast<std::uint8_t>(address.lun),
            0,
            0,
            0,
            0};
}

/// Appends a buffer, split into segments.
void append(std::vector<Buffer>& chain, const Block& block, std::uint32_t length, bool in,
            std::uint32_t segment) {
    for (std::uint32_t done = 0; done < length;) {
        const std::uint32_t piece = segment == 0 ? length : std::min(segment, length - done);
        chain.push_back({block.address + done, piece, in});
        done += piece;
    }
}

}  // namespace

std::uint32_t ScsiResult::sense_code() const noexcept {
    if (sense.empty()) return 0;
    const bool descriptor = (sense[0] & 0x7e) == 0x72;
    const std::size_t key = descriptor ? 1 : 2;
    const std::size_t code = descriptor ? 2 : 12;
    if (sense.size() < code + 2) return 0;
    return static_cast<std::uint32_t>((sense[key] & 0xf) << 16 | sense[code] << 8 |
                                      sense[code + 1]);
}

std::string ScsiResult::text() const {
    const auto code = sense_code();
    return fmt::format("response {} status {} sense {:x}/{:02x}/{:02x} residual {}", response,
                       status, code >> 16, code >> 8 & 0xff, code & 0xff, residual);
}

std::uint64_t ScsiInitiator::memory_needed(const ScsiOptions& options) {
    const std::uint64_t ring = options.ring.size * (40ull + 16ull * options.ring.indirect_entries);
    return (2 + options.request_queues) * (ring + 4096) + 16ull * 4096 +
           options.depth * (options.max_transfer + 8192ull);
}

ScsiInitiator::ScsiInitiator(FrontEnd& front_end, SharedMemory& memory, const ScsiOptions& options)
    : front_end_(&front_end), memory_(&memory), options_(options) {}

Result<ScsiInitiator> ScsiInitiator::start(FrontEnd& front_end, SharedMemory& memory,
                                           const ScsiOptions& options) {
    ScsiInitiator initiator(front_end, memory, options);
    for (std::uint16_t i = 0; i < 2 + options.request_queues; ++i) {
        auto queue = front_end.start_queue(i, memory, options.ring);
        if (!queue) return tl::unexpected(queue.error());
        initiator.queues_.push_back(*queue);
    }
    initiator.slot_of_head_.assign(options.request_queues,
                                   std::vector<std::size_t>(options.ring.size));
    for (std::uint16_t i = 0; i < options.depth; ++i) {
        Slot slot;
        slot.command = memory.allocate(request_bytes, 64);
        slot.response = memory.allocate(response_bytes, 64);
        slot.data = memory.allocate(options.max_transfer, 4096);
        initiator.slots_.push_back(slot);
    }
    initiator.control_out_ = memory.allocate(control_room);
    initiator.control_in_ = memory.allocate(control_room);
    return initiator;
}

Result<std::uint64_t> ScsiInitiator::add(const ScsiCommand& command, std::uint16_t queue) {
    const auto slot =
        std::find_if(slots_.begin(), slots_.end(), [](const Slot& one) { return !one.busy; });
    if (slot == slots_.end()) return tl::unexpected(std::string("every command slot is busy"));
    const auto out_length = static_cast<std::uint32_t>(command.data_out.size());
    if (std::uint64_t{out_length} + command.data_in_length > slot->data.size ||
        command.cdb.size() > cdb_size)
        return tl::unexpected(std::string("the command is larger than its slot"));

    slot->id = next_id_++;
    slot->data_in_length = command.data_in_length;
    std::byte* const wire = slot->command.host;
    std::memset(wire, 0, request_bytes);
    const auto address = command.raw_address.value_or(address_bytes(command.address));
    std::memcpy(wire, address.data(), address.size());
    std::memcpy(wire + 8, &slot->id, sizeof slot->id);
    std::memcpy(wire + cdb_offset, command.cdb.data(), command.cdb.size());
    std::memset(slot->response.host, 0xee, response_bytes);
    if (out_length != 0) std::memcpy(slot->data.host, command.data_out.data(), out_length);

    std::vector<Buffer> chain{to_device(slot->command)};
    append(chain, slot->data, out_length, false, options_.segment);
    chain.push_back(from_device(slot->response));
    Block in = slot->data;
    in.address += out_length;
    append(chain, in, command.data_in_length, true, options_.segment);

    const auto head = request(queue).ring.add(chain);
    if (!head) return tl::unexpected(std::string("the ring is full"));
    slot_of_head_[queue][*head] = static_cast<std::size_t>(slot - slots_.begin());
    slot->busy = true;
    return slot->id;
}

void ScsiInitiator::submit(std::uint16_t queue) {
    request(queue).submit();
}

ScsiResult ScsiInitiator::finish(Slot& slot, std::uint32_t used_length) {
    slot.busy = false;
    ScsiResult result;
    result.id = slot.id;
    result.used_length = used_length;
    const std::byte* const wire = slot.response.host;
    std::uint32_t sense_length = 0;
    std::memcpy(&sense_length, wire, 4);
    std::memcpy(&result.residual, wire + 4, 4);
    result.status = static_cast<std::uint8_t>(wire[10]);
    result.response = static_cast<std::uint8_t>(wire[11]);
    sense_length = std::min<std::uint32_t>(sense_length, response_bytes - response_header_bytes);
    const auto* const sense = reinterpret_cast<const std::uint8_t*>(wire + response_header_bytes);
    result.sense.assign(sense, sense + sense_length);
    const std::byte* const data = slot.data.host;
    result.data.assign(data,
                       data + slot.data_in_length - std::min(result.residual, slot.data_in_length));
    return result;
}

Result<ScsiResult> ScsiInitiator::wait(std::uint16_t queue, std::chrono::milliseconds limit) {
    const auto used = request(queue).wait_used(limit);
    if (!used) return tl::unexpected(used.error());
    return finish(slots_[slot_of_head_[queue][used->head]], used->length);
}

Result<ScsiResult> ScsiInitiator::run(const ScsiCommand& command, std::uint16_t queue,
                                      std::chrono::milliseconds limit) {
    const auto id = add(command, queue);
    if (!id) return tl::unexpected(id.error());
    submit(queue);
    auto result = wait(queue, limit);
    if (result && result->id != *id)
        return tl::unexpected(
            fmt::format("ran command {}, but command {} completed", *id, result->id));
    return result;
}

std::uint16_t ScsiInitiator::outstanding() const noexcept {
    return static_cast<std::uint16_t>(
        std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.busy; }));
}

Result<Bytes> ScsiInitiator::control_raw(std::span<const std::byte> request,
                                         std::uint32_t reply_size) {
    if (request.size() > control_room || reply_size > control_room)
        return tl::unexpected(std::string("the control request is too large"));
    std::memcpy(control_out_.host, request.data(), request.size());
    std::memset(control_in_.host, 0xee, control_room);
    std::vector<Buffer> chain;
    if (!request.empty())
        chain.push_back({control_out_.address, static_cast<std::uint32_t>(request.size()), false});
    if (reply_size != 0) chain.push_back({control_in_.address, reply_size, true});
    const auto used = control().run(chain);
    if (!used) return tl::unexpected(used.error());
    return Bytes(control_in_.host, control_in_.host + std::min(*used, reply_size));
}

Result<std::uint8_t> ScsiInitiator::manage(std::uint32_t subtype, ScsiAddress address,
                                           std::uint64_t id) {
    Bytes request = pack(task_management, subtype);
    for (const auto byte : address_bytes(address)) put(request, byte);
    put(request, id);
    const auto reply = control_raw(request, 1);
    if (!reply) return tl::unexpected(reply.error());
    if (reply->size() != 1)
        return tl::unexpected(std::string("a task management function without a response"));
    return static_cast<std::uint8_t>(reply->front());
}

Result<std::uint8_t> ScsiInitiator::abort_task(std::uint64_t id, ScsiAddress address) {
    return manage(0, address, id);
}

Result<std::uint8_t> ScsiInitiator::reset_logical_unit(ScsiAddress address) {
    return manage(5, address);
}

Result<void> ScsiInitiator::post_event_buffers(unsigned count) {
    event_blocks_.resize(options_.ring.size);
    for (unsigned i = 0; i < count; ++i) {
        const Block block = memory_->allocate(event_bytes);
        const Buffer buffer = from_device(block);
        const auto head = event().ring.add(std::span(&buffer, 1));
        if (!head) return tl::unexpected(std::string("the event ring is full"));
        event_blocks_[*head] = block;
    }
    event().submit();
    return {};
}

Result<ScsiEvent> ScsiInitiator::wait_event(std::chrono::milliseconds limit) {
    const auto used = event().wait_used(limit);
    if (!used) return tl::unexpected(used.error());
    if (used->length != event_bytes)
        return tl::unexpected(fmt::format("an event of {} bytes", used->length));
    const std::byte* const wire = event_blocks_[used->head].host;
    ScsiEvent event{};
    std::memcpy(&event.event, wire, 4);
    std::memcpy(event.address.data(), wire + 4, 8);
    std::memcpy(&event.reason, wire + 12, 4);
    return event;
}

}  // namespace zonebridge::driver
