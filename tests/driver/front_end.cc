#include "tests/driver/front_end.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::driver {
namespace {

Bytes region_bytes(const SharedMemory::Region& region) {
    return pack(region.guest_address, region.size,
                static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(region.host)),
                region.mmap_offset);
}

bool wait_eventfd(int fd, std::chrono::milliseconds limit) {
    pollfd wait{fd, POLLIN, 0};
    int ready = 0;
    do ready = ::poll(&wait, 1, static_cast<int>(limit.count()));
    while (ready < 0 && errno == EINTR);
    std::uint64_t count = 0;
    return ready > 0 && ::read(fd, &count, sizeof count) == sizeof count;
}

}  // namespace

Queue::Queue(std::uint16_t number, SharedMemory& memory, const RingOptions& options)
    : index(number),
      ring(memory, options),
      kick_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      call_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      error_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Queue::~Queue() {
    for (const int fd : {kick_fd, call_fd, error_fd}) ::close(fd);
}

void Queue::kick() const {
    const std::uint64_t one = 1;
    if (::write(kick_fd, &one, sizeof one) != sizeof one) std::abort();
}

bool Queue::wait_call(std::chrono::milliseconds limit) const {
    return wait_eventfd(call_fd, limit);
}

bool Queue::wait_error(std::chrono::milliseconds limit) const {
    return wait_eventfd(error_fd, limit);
}

void Queue::submit() {
    if (ring.publish()) kick();
}

Result<Used> Queue::wait_used(std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (const auto used = ring.take_used()) return *used;
        if (ring.arm()) continue;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !wait_call(left)) {
            if (const auto used = ring.take_used())
                return tl::unexpected(
                    fmt::format("queue {}: chain {} completed without a call", index, used->head));
            return tl::unexpected(fmt::format("queue {}: no completion in time", index));
        }
    }
}

Result<std::uint32_t> Queue::run(std::span<const Buffer> chain, std::chrono::milliseconds limit) {
    const auto head = ring.add(chain);
    if (!head) return tl::unexpected(std::string("the ring is full"));
    submit();
    const auto used = wait_used(limit);
    if (!used) return tl::unexpected(used.error());
    if (used->head != *head)
        return tl::unexpected(
            fmt::format("queued chain {}, but chain {} completed", *head, used->head));
    return used->length;
}

Result<void> FrontEnd::negotiate(const Wanted& wanted) {
    wanted_ = wanted;
    protocol_features_ = 0;
    const auto offered = ask(message::get_features);
    if (!offered) return tl::unexpected(offered.error());
    offered_ = *offered;
    features_ = wanted.features & offered_;
    if ((features_ & bit::protocol_features) != 0) {
        const auto protocol = ask(message::get_protocol_features);
        if (!protocol) return tl::unexpected(protocol.error());
        const auto accepted = *protocol & wanted.protocol_features;
        if (auto told = connection_.send(message::set_protocol_features, pack(accepted)); !told)
            return told;
        protocol_features_ = accepted;
    }
    if (auto told = tell(message::set_owner); !told) return told;
    return tell(message::set_features, pack(features_));
}

Result<void> FrontEnd::keep_record(std::uint16_t queues, std::uint16_t queue_size) {
    if ((protocol_features_ & bit::p_inflight) == 0) return {};
    auto reply = connection_.ask(message::get_inflight_fd,
                                 pack(std::uint64_t{0}, std::uint64_t{0}, queues, queue_size));
    if (!reply) return tl::unexpected(reply.error());
    if (reply->fds.size() != 1) return tl::unexpected(std::string("a record without a file"));
    record_ = reply->payload;
    record_fd_ = UniqueFd(reply->fds[0]);
    const int fds[] = {record_fd_.get()};
    return tell(message::set_inflight_fd, record_, fds);
}

Result<void> FrontEnd::resume(Connection connection, const SharedMemory& memory,
                              std::size_t queues) {
    connection_ = std::move(connection);
    if (auto again = negotiate(Wanted(wanted_)); !again) return again;
    if (record_fd_) {
        const int fds[] = {record_fd_.get()};
        if (auto told = tell(message::set_inflight_fd, record_, fds); !told) return told;
    }
    if (auto shared = share(memory); !shared) return shared;
    for (const auto& queue : std::span(queues_).first(std::min(queues, queues_.size()))) {
        if (auto based = set_base(queue->index, queue->ring.used_index()); !based) return based;
        if (auto started = start(*queue); !started) return started;
    }
    return {};
}

Result<void> FrontEnd::tell(std::uint32_t request, const Bytes& payload, std::span<const int> fds) {
    const bool acknowledged = (protocol_features_ & bit::p_reply_ack) != 0;
    if (auto sent = connection_.send(request, payload, fds, acknowledged ? message::need_reply : 0);
        !sent || !acknowledged)
        return sent;
    const auto reply = connection_.receive();
    if (!reply) return tl::unexpected(reply.error());
    const auto value = reply->u64();
    if (!value) return tl::unexpected(value.error());
    if (reply->request != request || *value != 0)
        return tl::unexpected(fmt::format("the back end refused message {} ({})", request, *value));
    return {};
}

Result<std::uint64_t> FrontEnd::ask(std::uint32_t request) {
    const auto reply = connection_.ask(request);
    if (!reply) return tl::unexpected(reply.error());
    return reply->u64();
}

Result<void> FrontEnd::share(const SharedMemory& memory) {
    Bytes payload = pack(static_cast<std::uint32_t>(memory.regions().size()), std::uint32_t{0});
    std::vector<int> fds;
    for (const auto& region : memory.regions()) {
        const Bytes bytes = region_bytes(region);
        payload.insert(payload.end(), bytes.begin(), bytes.end());
        fds.push_back(region.fd);
    }
    return tell(message::set_mem_table, payload, fds);
}

Result<void> FrontEnd::share_by_slots(const SharedMemory& memory) {
    for (const auto& region : memory.regions())
        if (auto added = add_region(region); !added) return added;
    return {};
}

Result<void> FrontEnd::add_region(const SharedMemory::Region& region) {
    Bytes payload = pack(std::uint64_t{0});
    const Bytes bytes = region_bytes(region);
    payload.insert(payload.end(), bytes.begin(), bytes.end());
    const int fds[] = {region.fd};
    return tell(message::add_mem_reg, payload, fds);
}

Result<void> FrontEnd::remove_region(const SharedMemory::Region& region) {
    Bytes payload = pack(std::uint64_t{0});
    const Bytes bytes = region_bytes(region);
    payload.insert(payload.end(), bytes.begin(), bytes.end());
    return tell(message::rem_mem_reg, payload);
}

Queue& FrontEnd::make_queue(std::uint16_t index, SharedMemory& memory, RingOptions options) {
    if ((features_ & bit::event_index) == 0) options.event_index = false;
    if ((features_ & bit::indirect) == 0) options.indirect_entries = 0;
    return *queues_.emplace_back(std::make_unique<Queue>(index, memory, options));
}

Result<void> FrontEnd::set_addresses(const Queue& queue, std::optional<std::uint64_t> log_address) {
    return tell(message::set_vring_addr,
                pack(std::uint32_t{queue.index}, std::uint32_t{log_address ? 1u : 0u},
                     queue.ring.descriptors_address(), queue.ring.used_address(),
                     queue.ring.available_address(), log_address.value_or(0)));
}

Result<void> FrontEnd::set_base(std::uint16_t index, std::uint16_t base) {
    return tell(message::set_vring_base, pack(std::uint32_t{index}, std::uint32_t{base}));
}

Result<void> FrontEnd::enable(std::uint16_t index, bool enabled) {
    return tell(message::set_vring_enable,
                pack(std::uint32_t{index}, std::uint32_t{enabled ? 1u : 0u}));
}

Result<void> FrontEnd::start(Queue& queue) {
    const std::uint64_t index = queue.index;
    const auto step = [&](std::uint32_t request, const Bytes& payload, int fd = -1) {
        const int fds[] = {fd};
        return tell(request, payload, std::span<const int>(fds, fd < 0 ? 0 : 1));
    };
    if (auto r = step(message::set_vring_num,
                      pack(static_cast<std::uint32_t>(index), std::uint32_t{queue.ring.size()}));
        !r)
        return r;
    if (auto r = set_addresses(queue); !r) return r;
    if (auto r = step(message::set_vring_call, pack(index), queue.call_fd); !r) return r;
    if (auto r = step(message::set_vring_err, pack(index), queue.error_fd); !r) return r;
    if (auto r = step(message::set_vring_kick, pack(index), queue.kick_fd); !r) return r;
    if ((features_ & bit::protocol_features) != 0) return enable(queue.index, true);
    return {};
}

Result<Queue*> FrontEnd::start_queue(std::uint16_t index, SharedMemory& memory,
                                     RingOptions options) {
    Queue& queue = make_queue(index, memory, options);
    if (auto r = set_base(index, options.first_index); !r) return tl::unexpected(r.error());
    if (auto r = start(queue); !r) return tl::unexpected(r.error());
    return &queue;
}

Result<std::uint16_t> FrontEnd::stop(std::uint16_t index) {
    const auto reply =
        connection_.ask(message::get_vring_base, pack(std::uint32_t{index}, std::uint32_t{0}));
    if (!reply) return tl::unexpected(reply.error());
    if (reply->payload.size() != 8) return tl::unexpected(std::string("not a vring state"));
    std::uint32_t state[2];
    std::memcpy(state, reply->payload.data(), sizeof state);
    if (state[0] != index) return tl::unexpected(std::string("another vring's state"));
    return static_cast<std::uint16_t>(state[1]);
}

Result<Bytes> FrontEnd::config(std::uint32_t offset, std::uint32_t size) {
    Bytes payload = pack(offset, size, std::uint32_t{0});
    payload.resize(payload.size() + size);
    auto reply = connection_.ask(message::get_config, payload);
    if (!reply) return tl::unexpected(reply.error());
    if (reply->payload.size() != payload.size())
        return tl::unexpected(
            fmt::format("asked for {} bytes of configuration, got a payload of {}", size,
                        reply->payload.size()));
    return Bytes(reply->payload.begin() + 12, reply->payload.end());
}

Result<void> FrontEnd::set_config(std::uint32_t offset, std::span<const std::byte> bytes,
                                  std::uint32_t flags) {
    Bytes payload = pack(offset, static_cast<std::uint32_t>(bytes.size()), flags);
    payload.insert(payload.end(), bytes.begin(), bytes.end());
    return tell(message::set_config, payload);
}

}  // namespace zonebridge::driver
