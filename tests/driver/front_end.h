// A small vhost-user front end: negotiates, shares memory and runs queues. connection() and the raw
// access of Ring allow tests to break every rule.
//
// Ownership: owns the connection, its queues and their descriptors; borrows the memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/driver/connection.h"
#include "tests/driver/ring.h"
#include "tests/driver/shared_memory.h"

namespace zonebridge::driver {

/// Message numbers (QEMU, docs/interop/vhost-user.rst).
namespace message {
inline constexpr std::uint32_t get_features = 1, set_features = 2, set_owner = 3, reset_owner = 4,
                               set_mem_table = 5, set_log_base = 6, set_log_fd = 7,
                               set_vring_num = 8, set_vring_addr = 9, set_vring_base = 10,
                               get_vring_base = 11, set_vring_kick = 12, set_vring_call = 13,
                               set_vring_err = 14, get_protocol_features = 15,
                               set_protocol_features = 16, get_queue_num = 17,
                               set_vring_enable = 18, set_backend_req_fd = 21, get_config = 24,
                               set_config = 25, get_inflight_fd = 31, set_inflight_fd = 32,
                               reset_device = 34, get_max_mem_slots = 36, add_mem_reg = 37,
                               rem_mem_reg = 38, set_status = 39, get_status = 40;
inline constexpr std::uint32_t need_reply = 8;  ///< A flag.
inline constexpr std::uint32_t backend_config_change = 2;
}  // namespace message

/// Feature bits.
namespace bit {
inline constexpr std::uint64_t log_all = 1ull << 26, indirect = 1ull << 28,
                               event_index = 1ull << 29, protocol_features = 1ull << 30,
                               version_1 = 1ull << 32;
inline constexpr std::uint64_t p_mq = 1ull << 0, p_log_shmfd = 1ull << 1, p_reply_ack = 1ull << 3,
                               p_backend_req = 1ull << 5, p_config = 1ull << 9,
                               p_inflight = 1ull << 12, p_reset_device = 1ull << 13,
                               p_mem_slots = 1ull << 15, p_status = 1ull << 16;
}  // namespace bit

/// A ring with its three eventfds.
class Queue {
  public:
    Queue(std::uint16_t index, SharedMemory& memory, const RingOptions& options);
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    std::uint16_t index;
    Ring ring;
    int kick_fd;
    int call_fd;
    int error_fd;

    void kick() const;
    /// Waits for a call; false if none arrives in time.
    [[nodiscard]] bool wait_call(std::chrono::milliseconds limit = patience) const;
    /// Whether a call is pending; clears it.
    [[nodiscard]] bool called() const { return wait_call(std::chrono::milliseconds{0}); }
    [[nodiscard]] bool wait_error(std::chrono::milliseconds limit = patience) const;
    /// Publishes the added chains and kicks if the device asked for kicks.
    void submit();
    /// The next completion; sleeps until a call, as a real driver does.
    [[nodiscard]] Result<Used> wait_used(std::chrono::milliseconds limit = patience);
    /// Runs one chain and returns the used length.
    [[nodiscard]] Result<std::uint32_t> run(std::span<const Buffer> chain,
                                            std::chrono::milliseconds limit = patience);
};

struct Wanted {
    /// Device features to accept if offered. Rings use event_index and indirect if they are among
    /// these.
    std::uint64_t features = bit::version_1 | bit::protocol_features;
    std::uint64_t protocol_features =
        bit::p_mq | bit::p_reply_ack | bit::p_config | bit::p_backend_req;
};

class FrontEnd {
  public:
    explicit FrontEnd(Connection connection) : connection_(std::move(connection)) {}

    [[nodiscard]] Connection& connection() noexcept { return connection_; }

    /// GET_FEATURES, protocol features if wanted and offered, SET_OWNER, SET_FEATURES. If reply_ack
    /// is accepted, later requests ask for acknowledgements and check them.
    [[nodiscard]] Result<void> negotiate(const Wanted& wanted = {});
    [[nodiscard]] std::uint64_t features() const noexcept { return features_; }
    [[nodiscard]] std::uint64_t protocol_features() const noexcept { return protocol_features_; }
    [[nodiscard]] std::uint64_t offered() const noexcept { return offered_; }

    /// Makes the back end record its chains in flight in memory that outlives it. Call it before
    /// queues start. Does nothing unless p_inflight was negotiated.
    [[nodiscard]] Result<void> keep_record(std::uint16_t queues, std::uint16_t queue_size);
    /// Goes on with another back end after the first one died: negotiates the same again, shares
    /// memory and record, and starts the first `queues` queues where their used rings end.
    [[nodiscard]] Result<void> resume(Connection connection, const SharedMemory& memory,
                                      std::size_t queues = 256);

    /// Sends a request without a reply; checks the acknowledgement if that was negotiated.
    [[nodiscard]] Result<void> tell(std::uint32_t request, const Bytes& payload = {},
                                    std::span<const int> fds = {});
    /// Sends a request whose reply is 64 bits.
    [[nodiscard]] Result<std::uint64_t> ask(std::uint32_t request);

    /// All regions by SET_MEM_TABLE (at most eight), or one each by ADD_MEM_REG.
    [[nodiscard]] Result<void> share(const SharedMemory& memory);
    [[nodiscard]] Result<void> share_by_slots(const SharedMemory& memory);
    [[nodiscard]] Result<void> add_region(const SharedMemory::Region& region);
    [[nodiscard]] Result<void> remove_region(const SharedMemory::Region& region);

    /// Makes a queue in `memory` without telling the back end.
    Queue& make_queue(std::uint16_t index, SharedMemory& memory, RingOptions options);
    /// Describes the queue to the back end and starts it (sets the kick descriptor, enables the
    /// queue).
    [[nodiscard]] Result<void> start(Queue& queue);
    /// make_queue and start; event index and indirect descriptors as negotiated.
    [[nodiscard]] Result<Queue*> start_queue(std::uint16_t index, SharedMemory& memory,
                                             RingOptions options = {});
    /// GET_VRING_BASE.
    [[nodiscard]] Result<std::uint16_t> stop(std::uint16_t index);
    [[nodiscard]] Result<void> enable(std::uint16_t index, bool enabled);
    [[nodiscard]] Result<void> set_base(std::uint16_t index, std::uint16_t base);
    [[nodiscard]] Result<void> set_addresses(const Queue& queue,
                                             std::optional<std::uint64_t> log_address = {});

    [[nodiscard]] Result<Bytes> config(std::uint32_t offset, std::uint32_t size);
    [[nodiscard]] Result<void> set_config(std::uint32_t offset, std::span<const std::byte> bytes,
                                          std::uint32_t flags = 0);

  private:
    Connection connection_;
    std::uint64_t offered_ = 0;
    std::uint64_t features_ = 0;
    std::uint64_t protocol_features_ = 0;
    Wanted wanted_;
    Bytes record_;  // the description of the record
    UniqueFd record_fd_;
    std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace zonebridge::driver
