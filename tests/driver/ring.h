// The driver's side of a split virtqueue (VIRTIO 1.2, 2.7). It shares no code with our device, and
// has raw access for tests that write invalid rings.
//
// Ownership: borrows the memory in which the ring lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tests/driver/shared_memory.h"

namespace zonebridge::driver {

/// One buffer of a chain.
struct Buffer {
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    bool device_writes = false;
};

[[nodiscard]] inline Buffer to_device(const Block& block) {
    return {block.address, static_cast<std::uint32_t>(block.size), false};
}
[[nodiscard]] inline Buffer from_device(const Block& block) {
    return {block.address, static_cast<std::uint32_t>(block.size), true};
}

struct RingOptions {
    std::uint16_t size = 64;
    bool event_index = false;
    /// The size of indirect tables, which hold chains of more than one buffer; 0: no indirect
    /// tables.
    std::uint16_t indirect_entries = 0;
    std::uint16_t first_index = 0;  ///< The initial value of both indices, for tests of wrapping.
};

struct Used {
    std::uint16_t head;
    std::uint32_t length;
};

class Ring {
  public:
    Ring(SharedMemory& memory, const RingOptions& options);

    /// Queues a chain, which the device sees after publish. Returns its head; nothing if the ring
    /// is full.
    [[nodiscard]] std::optional<std::uint16_t> add(std::span<const Buffer> chain);
    /// Makes the added chains visible to the device. True if the device asked for a kick.
    [[nodiscard]] bool publish();
    /// The next completion, if there is one; frees its descriptors.
    [[nodiscard]] std::optional<Used> take_used();
    /// Asks for a call at the next completion. True if there is a completion already.
    [[nodiscard]] bool arm();
    /// Asks for no calls.
    void disarm();

    [[nodiscard]] std::uint16_t size() const noexcept { return options_.size; }
    [[nodiscard]] std::uint16_t in_flight() const noexcept { return in_flight_; }
    [[nodiscard]] std::uint64_t descriptors_address() const noexcept;
    [[nodiscard]] std::uint64_t available_address() const noexcept;
    [[nodiscard]] std::uint64_t used_address() const noexcept;

    // Raw access. These write shared memory without updating the ring's own state.

    void write_descriptor(std::uint16_t index, std::uint64_t address, std::uint32_t length,
                          std::uint16_t flags, std::uint16_t next);
    /// Puts `head` into the available ring and increments the index.
    void make_available(std::uint16_t head);
    void set_available_entry(std::uint16_t slot, std::uint16_t head);
    void set_available_index(std::uint16_t index);
    [[nodiscard]] std::uint16_t available_index() const noexcept;
    [[nodiscard]] std::uint16_t used_index() const noexcept;
    [[nodiscard]] std::uint16_t used_flags() const noexcept;
    /// The device's avail_event.
    [[nodiscard]] std::uint16_t available_event() const noexcept;
    void set_used_event(std::uint16_t event);
    /// The memory of the ring's three parts.
    [[nodiscard]] const Block& descriptors() const noexcept { return descriptors_; }
    [[nodiscard]] const Block& available() const noexcept { return available_; }
    [[nodiscard]] const Block& used() const noexcept { return used_; }

  private:
    RingOptions options_;
    Block descriptors_;
    Block available_;
    Block used_;
    Block tables_;
    std::vector<std::uint16_t> free_;
    std::vector<std::vector<std::uint16_t>> chains_;  // the descriptors of each head in flight
    std::uint16_t next_available_;
    std::uint16_t published_;
    std::uint16_t next_used_;
    std::uint16_t in_flight_ = 0;
};

}  // namespace zonebridge::driver
