// Mostly valid descriptor chains, written to a ring descriptor by descriptor.
//
// Ownership: borrows the guest's memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "tests/driver/ring.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/input.h"
#include "virtio/virtqueue.h"

namespace zonebridge::fuzz {

/// The driver's side of a ring whose chains may be invalid.
class ChainRing {
  public:
    ChainRing(Guest& guest, std::uint16_t size, bool event_index, bool indirect,
              std::uint16_t first_index);

    [[nodiscard]] virtio::VirtQueue::Config config(std::uint16_t index) const;

    struct Made {
        std::uint16_t head = 0;
        driver::Block in;   ///< The writable buffer, if it is one piece of memory.
        bool sound = true;  ///< No descriptor was tampered with.
    };
    /// Makes a chain of `readable` and of `writable` bytes of room, and makes it available. `input`
    /// determines its buffers and layout, and sometimes corrupts it. Nothing if there is no room.
    std::optional<Made> add(Input& input, std::span<const std::uint8_t> readable,
                            std::size_t writable);
    /// Corrupts the available ring: moves the index, or makes `head` available.
    void jump(std::uint16_t by);
    void name(std::uint16_t head);

    /// Takes the used chains; requires that each was available and was not used before. Returns
    /// their number.
    unsigned take_used();
    [[nodiscard]] bool outstanding(std::uint16_t head) const {
        const auto found = outstanding_.find(head);
        return found != outstanding_.end() && found->second != 0;
    }
    /// The number of entries made available, and used, so far.
    [[nodiscard]] unsigned available() const noexcept { return available_; }
    [[nodiscard]] unsigned used() const noexcept { return used_; }
    /// Whether an entry that no device can accept was made available.
    [[nodiscard]] bool broken() const noexcept { return broken_; }

  private:
    struct Piece {
        std::uint64_t address;
        std::uint32_t length;
        std::uint16_t flags;
        std::uint16_t next;
    };

    void publish(std::uint16_t head);
    void tamper(Input& input, std::vector<Piece>& pieces, bool in_table);
    /// Links the pieces: by the descriptors `numbers`, or, if that is empty, in the order of a
    /// table.
    static void link(std::vector<Piece>& pieces, std::span<const std::uint16_t> numbers);
    /// Whether a descriptor table follows in the ring, after what tamper() did.
    [[nodiscard]] static bool reaches_table(std::span<const Piece> pieces,
                                            std::span<const std::uint16_t> numbers);
    void write_table(std::uint64_t table, std::span<const Piece> pieces);

    Guest& guest_;
    std::uint16_t size_;
    driver::Ring ring_;
    bool indirect_;
    bool event_index_;
    std::vector<std::uint16_t> free_;
    std::map<std::uint16_t, std::vector<std::uint16_t>> descriptors_;  // by head
    std::map<std::uint16_t, unsigned> outstanding_;                    // by head
    std::uint16_t next_available_;
    std::uint16_t next_used_;
    unsigned available_ = 0;
    unsigned used_ = 0;
    bool broken_ = false;
};

}  // namespace zonebridge::fuzz
