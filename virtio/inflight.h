// The shared record of which chains a back end holds, kept by the front end so that it survives the
// back end (vhost-user, "Inflight I/O tracking", split virtqueue layout, version 1).
//
// After a crash the record shows which chains were taken and never answered. They are not simply
// repeated: a zoned write that reached the disk would be refused or, as an append, written twice.
// The device gets their heads (VirtQueue::pop_recovered) and decides request by request.
// docs/decisions/inflight.md.
//
// Threads: an InflightQueue belongs to its queue's thread; an InflightArea is immutable.
// Ownership: an InflightArea holds its mapping; an InflightQueue borrows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/mapping.h"

namespace zonebridge::virtio {

/// The wire form, for each descriptor and each queue.
struct InflightDescriptor {
    std::uint8_t in_flight;
    std::uint8_t padding[5];
    std::uint16_t next;     ///< Chains the heads of the last batch of used descriptors.
    std::uint64_t counter;  ///< The order in which heads were taken.
};
static_assert(sizeof(InflightDescriptor) == 16);

struct InflightHeader {
    std::uint64_t features;
    std::uint16_t version;  ///< 0: never used.
    std::uint16_t descriptor_count;
    std::uint16_t last_batch_head;
    std::uint16_t used_index;
};
static_assert(sizeof(InflightHeader) == 16);

/// One queue's part of the area.
class InflightQueue {
  public:
    InflightQueue(std::byte* area, std::uint16_t descriptor_count);
    InflightQueue(InflightQueue&&) noexcept = default;
    InflightQueue& operator=(InflightQueue&&) noexcept = default;

    /// Brings the record in line with the used ring's index, and returns the heads in flight in
    /// the order they were taken. A fresh record is initialised and has none. `size` is the
    /// ring's, at most descriptor_count.
    [[nodiscard]] std::vector<std::uint16_t> recover(std::uint16_t used_index, std::uint16_t size);

    /// Nothing was ever recorded here.
    [[nodiscard]] bool fresh() const noexcept { return header_->version == 0; }

    /// Chains are recorded as in flight. recover() may find that all of them were answered.
    [[nodiscard]] bool any() const noexcept;

    /// The head was taken from the available ring.
    void take(std::uint16_t head) noexcept;
    /// The head is about to be published as used.
    void stage(std::uint16_t head) noexcept;
    /// The staged heads have been published; `used_index` is the used ring's index now.
    void publish(std::uint16_t used_index) noexcept;

    [[nodiscard]] std::uint16_t descriptor_count() const noexcept { return descriptor_count_; }

  private:
    InflightHeader* header_;
    InflightDescriptor* descriptors_;
    std::uint16_t descriptor_count_;
    std::uint64_t counter_ = 0;
    std::vector<std::uint16_t> staged_;  // capacity descriptor_count_, never grows
};

/// The area of all queues.
class InflightArea {
  public:
    /// Bytes for `queues` queues of `queue_size` descriptors.
    [[nodiscard]] static std::uint64_t size_for(std::uint16_t queues,
                                                std::uint16_t queue_size) noexcept;
    /// A fresh area, zeroed, in a memfd for the front end to keep (GET_INFLIGHT_FD).
    [[nodiscard]] static tl::expected<UniqueFd, std::string> make(std::uint16_t queues,
                                                                  std::uint16_t queue_size);
    /// The area the front end gives back (SET_INFLIGHT_FD).
    [[nodiscard]] static tl::expected<std::shared_ptr<const InflightArea>, std::string> map(
        int fd, std::uint64_t offset, std::uint64_t size, std::uint16_t queues,
        std::uint16_t queue_size);

    InflightArea(std::shared_ptr<const Mapping> mapping, std::uint16_t queues,
                 std::uint16_t queue_size) noexcept;

    [[nodiscard]] std::uint16_t queues() const noexcept { return queues_; }
    [[nodiscard]] std::uint16_t queue_size() const noexcept { return queue_size_; }
    /// `index` is below queues().
    [[nodiscard]] InflightQueue queue(std::uint16_t index) const;
    [[nodiscard]] bool broken() const noexcept { return mapping_->broken(); }

  private:
    std::shared_ptr<const Mapping> mapping_;
    std::uint16_t queues_;
    std::uint16_t queue_size_;
};

}  // namespace zonebridge::virtio
