// The driver's side of a split virtqueue, written from the standard (VIRTIO 1.2, 2.7) and not from
// our device's side, with doors left open for tests that want to write nonsense.
//
// Threads: belongs to one thread.
// Ownership: borrows the memory it lies in.
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
    /// Chains of more than one buffer go to indirect tables, of this many entries; 0: none do.
    std::uint16_t indirect_entries = 0;
    std::uint16_t first_index = 0;  ///< Where both indices begin, to try wrapping around.
};

struct Used {
    std::uint16_t head;
    std::uint32_t length;
};

class Ring {
  public:
    Ring(SharedMemory& memory, const RingOptions& options);

    /// Queues a chain, invisible to the device until publish. Its head; nothing if there is no
    /// room.
    [[nodiscard]] std::optional<std::uint16_t> add(std::span<const Buffer> chain);
    /// Shows the device what was added. True if it wants a kick.
    [[nodiscard]] bool publish();
    /// The next answer, if there is one; its descriptors are free again.
    [[nodiscard]] std::optional<Used> take_used();
    /// Asks for a call with the next answer. True if there is one already.
    [[nodiscard]] bool arm();
    /// Asks for no calls.
    void disarm();

    [[nodiscard]] std::uint16_t size() const noexcept { return options_.size; }
    [[nodiscard]] std::uint16_t in_flight() const noexcept { return in_flight_; }
    [[nodiscard]] std::uint64_t descriptors_address() const noexcept;
    [[nodiscard]] std::uint64_t available_address() const noexcept;
    [[nodiscard]] std::uint64_t used_address() const noexcept;

    // The doors. All of these write shared memory as it lies; the ring's own books do not notice.

    void write_descriptor(std::uint16_t index, std::uint64_t address, std::uint32_t length,
                          std::uint16_t flags, std::uint16_t next);
    /// Puts `head` into the available ring and moves the index on.
    void make_available(std::uint16_t head);
    void set_available_entry(std::uint16_t slot, std::uint16_t head);
    void set_available_index(std::uint16_t index);
    [[nodiscard]] std::uint16_t available_index() const noexcept;
    [[nodiscard]] std::uint16_t used_index() const noexcept;
    [[nodiscard]] std::uint16_t used_flags() const noexcept;
    /// What the device wrote as its avail_event.
    [[nodiscard]] std::uint16_t available_event() const noexcept;
    void set_used_event(std::uint16_t event);
    /// The blocks the three parts lie in.
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
