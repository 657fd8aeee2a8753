// A thin virtio-blk driver (VIRTIO 1.3, 5.2) over the front end: requests in, status bytes and data
// out. It shares no code with our device.
//
// Ownership: borrows the front end and the memory, which must outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/driver/front_end.h"

namespace zonebridge::driver {

/// Request types and statuses, by the standard's numbers.
namespace blk {
inline constexpr std::uint32_t in = 0, out = 1, flush = 4, get_id = 8, discard = 11,
                               write_zeroes = 13, append = 15, report = 16, open = 18, close = 20,
                               finish = 22, reset = 24, reset_all = 26;
inline constexpr std::uint8_t ok = 0, io_error = 1, unsupported = 2, invalid = 3, unaligned = 4,
                              open_resource = 5, active_resource = 6;
inline constexpr std::uint64_t f_read_only = 1ull << 5, f_flush = 1ull << 9,
                               f_config_wce = 1ull << 11, f_mq = 1ull << 12, f_discard = 1ull << 13,
                               f_write_zeroes = 1ull << 14, f_zoned = 1ull << 17;
inline constexpr std::uint32_t config_bytes = 96;
/// The tail of an append: by the standard, a sector and the status. Linux has seven bytes between
/// them.
inline constexpr std::uint32_t append_tail = 9, append_tail_linux = 16;

/// le32 type, le32 reserved, le64 sector.
[[nodiscard]] std::array<std::byte, 16> header(std::uint32_t type, std::uint64_t sector);
}  // namespace blk

struct BlkRequest {
    std::uint32_t type = blk::in;
    std::uint64_t sector = 0;
    std::span<const std::byte> data_out = {};
    std::uint32_t data_in_length = 0;
    std::uint32_t tail = 1;  ///< Writable bytes behind the data; the status is the last.
};

struct BlkResult {
    std::uint8_t status = 0xEE;
    std::vector<std::byte> data;      ///< data_in_length bytes.
    std::uint64_t append_sector = 0;  ///< If the tail had room for a sector.
    std::uint32_t used_length = 0;
    std::uint64_t id = 0;

    [[nodiscard]] bool ok() const noexcept { return status == blk::ok; }
};

/// A zone descriptor; positions in sectors.
struct BlkZone {
    std::uint64_t capacity;
    std::uint64_t start;
    std::uint64_t write_pointer;
    std::uint8_t type;
    std::uint8_t state;
};

/// The descriptors in a report, as many as its header says.
[[nodiscard]] Result<std::vector<BlkZone>> decode_report(std::span<const std::byte> bytes);

struct BlkOptions {
    std::uint16_t queues = 1;
    RingOptions ring{.size = 128, .event_index = true, .indirect_entries = 64};
    std::uint32_t max_transfer = 1u << 20;
    std::uint16_t depth = 32;  ///< Requests in flight on all queues together.
};

class BlkInitiator {
  public:
    /// The guest memory that an initiator with these options needs.
    [[nodiscard]] static std::uint64_t memory_needed(const BlkOptions& options);

    /// Starts the queues of a negotiated front end whose memory is shared.
    [[nodiscard]] static Result<BlkInitiator> start(FrontEnd& front_end, SharedMemory& memory,
                                                    const BlkOptions& options = {});

    [[nodiscard]] Result<BlkResult> run(const BlkRequest& request, std::uint16_t queue = 0);
    /// Queues a request and returns its number. The device sees it after submit.
    [[nodiscard]] Result<std::uint64_t> add(const BlkRequest& request, std::uint16_t queue = 0);
    void submit(std::uint16_t queue = 0);
    /// The next completion on that queue, of any request.
    [[nodiscard]] Result<BlkResult> wait(std::uint16_t queue = 0,
                                         std::chrono::milliseconds limit = patience);

    [[nodiscard]] Result<BlkResult> read(std::uint64_t sector, std::uint32_t bytes);
    [[nodiscard]] Result<BlkResult> write(std::uint64_t sector, std::span<const std::byte> data);
    [[nodiscard]] Result<BlkResult> append(std::uint64_t sector, std::span<const std::byte> data,
                                           std::uint32_t tail = blk::append_tail_linux);
    /// Open, close, finish, reset, reset_all, flush.
    [[nodiscard]] Result<BlkResult> act(std::uint32_t type, std::uint64_t sector = 0);
    /// The zones from `sector` on, as many as fit into `bytes`.
    [[nodiscard]] Result<std::vector<BlkZone>> report(std::uint64_t sector = 0,
                                                      std::uint32_t bytes = 65536);

    [[nodiscard]] Queue& queue(std::uint16_t number) noexcept { return *queues_[number]; }

  private:
    struct Slot {
        Block header;
        Block data;
        Block tail;
        std::uint64_t id = 0;
        std::uint32_t data_in_length = 0;
        std::uint32_t tail_length = 1;
        bool busy = false;
    };

    BlkInitiator() = default;

    std::vector<Queue*> queues_;
    std::vector<Slot> slots_;
    std::vector<std::vector<std::size_t>> slot_of_head_;  // for each queue
    std::uint64_t next_id_ = 1;
};

}  // namespace zonebridge::driver
