// How the drivers of other systems use a virtio-blk or a virtio-scsi device, as far as a device can
// tell: read in their sources, which each profile names; no code of theirs is used.
//
// Ownership: the profiles are constant; a ProfiledQueue borrows the front end and the memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tests/driver/front_end.h"

namespace zonebridge::driver {

struct Profile {
    enum class Kind : std::uint8_t { blk, scsi };
    enum class Waits : std::uint8_t {
        interrupt,  ///< Sleeps until a call.
        polls,  ///< Sets NO_INTERRUPT (or an event that does not come) and reads the used index.
    };

    std::string_view name;
    Kind kind;
    std::string_view source;  ///< Project, file, commit.
    /// What the driver accepts if it is offered, the bits of rings included. Without VERSION_1 (bit
    /// 32) it is a legacy driver.
    std::uint64_t features;
    std::uint16_t ring = 128;
    bool indirect = false;  ///< Uses indirect tables.
    Waits waits = Waits::interrupt;
    /// Data buffers of a request, and bytes in each; a buffer of 0 bytes has the whole transfer.
    std::uint32_t buffers = 1;
    std::uint32_t buffer_size = 0;
    std::uint32_t most_transfer = 32u << 20;  ///< Bytes in one request.
    /// virtio-scsi: the LUN in bytes 2 and 3 has no 40h.
    bool flat_lun = false;
    /// virtio-scsi: the control and the event queue are set up.
    bool other_queues = true;
    /// The header lies at an odd address.
    bool unaligned_header = false;
    std::uint32_t ioprio = 0;  ///< virtio-blk: the header's second word.
};

[[nodiscard]] std::span<const Profile> profiles() noexcept;

/// A request queue that is used as a profile says.
class ProfiledQueue {
  public:
    /// Starts queue `index` of a negotiated front end whose memory is shared.
    [[nodiscard]] static Result<ProfiledQueue> start(const Profile& profile, FrontEnd& front_end,
                                                     SharedMemory& memory, std::uint16_t index);

    /// One chain: `head` and `data_out` for the device, `data_in` bytes and `tail` bytes from it. For
    /// virtio-scsi the tail, the response, comes before the data. Returns the tail.
    [[nodiscard]] Result<Bytes> run(std::span<const std::byte> head,
                                    std::span<const std::byte> data_out,
                                    std::span<std::byte> data_in, std::uint32_t tail);

    [[nodiscard]] Queue& queue() noexcept { return *queue_; }

  private:
    ProfiledQueue() = default;
    void add_data(std::vector<Buffer>& chain, std::uint64_t length, bool device_writes) const;

    const Profile* profile_ = nullptr;
    Queue* queue_ = nullptr;
    Block head_;
    Block tail_;
    Block data_;
};

}  // namespace zonebridge::driver
