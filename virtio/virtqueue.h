// The device's side of a split virtqueue (VIRTIO 1.2, 2.7), with indirect descriptors and event
// index. Takes chains from the available ring, checks and translates them; stages answers in the
// used ring and publishes them in batches.
//
// Everything the driver wrote is copied once and then checked. An invalid value is a fault: the
// queue is broken from then on and returns no more chains, and its owner ends the session.
//
// Threads: belongs to one thread.
// Ownership: borrows the guest memory, the dirty log and the inflight area, which outlive it or are
// replaced through rebind and set_log.
// Nothing allocates or throws after create.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/dirty_log.h"
#include "virtio/inflight.h"
#include "virtio/memory.h"
#include "virtio/ring.h"

namespace zonebridge::virtio {

/// Where the three parts of a ring lie: the front end's user addresses.
struct RingAddresses {
    std::uint64_t descriptors = 0;
    std::uint64_t available = 0;
    std::uint64_t used = 0;
    friend bool operator==(const RingAddresses&, const RingAddresses&) = default;
};

/// One request as the driver queued it. The spans view the storage given to pop.
struct Chain {
    std::uint16_t head = 0;             ///< Identifies the chain to push.
    std::span<const iovec> readable;    ///< Sent by the driver.
    std::span<const iovec> writable;    ///< Filled by the device.
    std::uint64_t readable_length = 0;  ///< Bytes in all.
    std::uint64_t writable_length = 0;
    /// The chain has more pieces than there was storage: these are its first ones, its first writable
    /// one and its last one, with their lengths. They have room for an answer that says so.
    bool cut = false;
};

enum class PopResult : std::uint8_t {
    chain,     ///< One was taken.
    empty,     ///< The driver has made no more available.
    too_long,  ///< Too many pieces for the storage; the chain stays in the ring (TooLong::stays).
    broken,    ///< See fault(). Every later pop returns this, too.
};

/// What a driver did wrong.
enum class RingError : std::uint8_t {
    available_index,       ///< Runs further ahead than the ring is long.
    too_many_in_flight,    ///< More unanswered chains than the ring has descriptors.
    head_out_of_range,     ///< An available entry names no descriptor.
    next_out_of_range,     ///< A descriptor's next names no descriptor.
    loop,                  ///< A chain with more descriptors than its table.
    indirect_unsupported,  ///< An indirect descriptor although the feature was not accepted.
    indirect_nested,       ///< An indirect descriptor inside an indirect table.
    indirect_with_next,    ///< An indirect descriptor that also has a next.
    indirect_size,  ///< An indirect table that is empty, of a ragged size, or longer than a ring.
    bad_address,    ///< A buffer outside the guest's memory.
    read_only,      ///< A writable buffer in read-only memory.
    readable_after_writable,
    length_overflow,
    memory_gone,  ///< The front end truncated the memory it shared.
};

struct RingFault {
    RingError error;
    std::uint16_t head;    ///< The chain's head, or the available index where there is none.
    std::uint64_t detail;  ///< The offending index, length or address.
};

/// "descriptor chain 12 names descriptor 300 of a ring of 256".
[[nodiscard]] std::string to_string(const RingFault& fault);

class VirtQueue {
  public:
    struct Config {
        std::uint16_t size = 0;  ///< Descriptors; a power of two.
        RingAddresses addresses;
        std::uint16_t base = 0;  ///< The available index to start from.
        /// Accepted features: feature::indirect_descriptors and feature::event_index matter here.
        std::uint64_t features = 0;
        /// Where, and as which queue, to record chains in flight; null: nowhere.
        const InflightArea* inflight = nullptr;
        std::uint16_t index = 0;
    };

    /// The error of create and rebind, if any: a part lies outside `memory` or is not aligned as
    /// VIRTIO 1.2, 2.7 requires, the size is no power of two, or the inflight area is too small.
    [[nodiscard]] static tl::expected<void, std::string> check(const GuestMemory& memory,
                                                               const Config& config);

    /// Fails as check. With an inflight area that holds chains, the available index is computed
    /// from the used ring's, and pop_recovered returns those chains.
    [[nodiscard]] static tl::expected<VirtQueue, std::string> create(const GuestMemory& memory,
                                                                     const Config& config);

    /// For a chain with more pieces than there is storage: the chain is cut (Chain::cut), or stays in
    /// the ring, to be popped with more storage.
    enum class TooLong : bool { cuts, stays };

    /// Takes the next chain. Its pieces go to `storage`, readable ones first. Empty buffers are
    /// skipped. The available index is read (with acquire) only when all chains seen before are
    /// taken.
    [[nodiscard]] PopResult pop(std::span<iovec> storage, Chain& chain,
                                TooLong too_long = TooLong::cuts) noexcept {
        if (next_available_ == seen_available_ && !look()) [[unlikely]]
            return fault_ ? PopResult::broken : PopResult::empty;
        return take(storage, chain, too_long);
    }

    /// As pop, for chains that an earlier back end took and did not answer, in the order it took
    /// them. Take all of these before the first pop.
    [[nodiscard]] PopResult pop_recovered(std::span<iovec> storage, Chain& chain,
                                          TooLong too_long = TooLong::cuts) noexcept;

    /// Chains that pop_recovered has still to return; none once the queue is broken.
    [[nodiscard]] std::size_t recovered() const noexcept {
        return fault_ ? 0 : recovered_.size() - recovered_taken_;
    }

    /// Answers a chain: `written` is how many bytes of its writable buffers were filled, from their
    /// start. The driver sees the answer after publish. `chain` needs its head and, while writes
    /// are logged, its writable buffers.
    void push(const Chain& chain, std::uint32_t written) noexcept {
        auto* const element =
            reinterpret_cast<UsedElement*>(used_ + ring_entries_offset) + (next_used_ & mask_);
        element->id = chain.head;
        element->length = written;
        if (log_ != nullptr) [[unlikely]]
            log_push(chain);
        if (inflight_) inflight_->stage(chain.head);
        ++next_used_;
        --in_flight_;
    }

    /// Shows the driver everything that was pushed. True if the driver then wants a notification.
    [[nodiscard]] bool publish() noexcept;

    /// Asks the driver not to kick: the owner will look by itself. A hint only, kicks may still
    /// come.
    void disable_kicks() noexcept;
    /// Asks the driver to kick for the next chain. True if chains came in the meantime, for which
    /// there will be no kick: go on popping.
    [[nodiscard]] bool enable_kicks() noexcept;
    /// While held, the ring is not read: pop, enable_kicks and has_work find no chain.
    /// pop_recovered still returns chains.
    void set_held(bool held) noexcept {
        held_ = held;
        seen_available_ = next_available_;  // makes pop call look()
    }
    /// There are chains to pop; reads the available index. False once the ring is known to be
    /// broken.
    [[nodiscard]] bool has_work() noexcept { return next_available_ != seen_available_ || peek(); }

    /// The driver's current available index; base() if there are no chains to pop.
    [[nodiscard]] std::uint16_t available() const noexcept;

    /// The available index to continue from, once nothing is in flight: the answer to
    /// GET_VRING_BASE.
    [[nodiscard]] std::uint16_t base() const noexcept { return next_available_; }
    [[nodiscard]] std::uint16_t size() const noexcept { return size_; }
    /// Chains popped and not pushed; never more than size().
    [[nodiscard]] std::uint16_t in_flight() const noexcept { return in_flight_; }
    [[nodiscard]] const std::optional<RingFault>& fault() const noexcept { return fault_; }

    /// Moves to a new memory map. Requires that nothing is in flight. Fails, changing nothing, if
    /// the ring is not in the map.
    [[nodiscard]] tl::expected<void, std::string> rebind(const GuestMemory& memory);
    /// Marks writes in `log` from now on (null: nowhere); `used_ring`, if given, is the address
    /// under which writes to the used ring itself are marked (VHOST_VRING_F_LOG).
    void set_log(const DirtyLog* log, std::optional<std::uint64_t> used_ring) noexcept;

  private:
    struct Parts {
        std::byte* descriptors;
        std::byte* available;
        std::byte* used;
    };
    struct Builder;

    VirtQueue(const GuestMemory& memory, const Config& config, Parts parts) noexcept;
    [[nodiscard]] static tl::expected<Parts, std::string> locate(const GuestMemory& memory,
                                                                 const Config& config);

    [[nodiscard]] bool look() noexcept;
    [[nodiscard]] bool peek() const noexcept;
    [[nodiscard]] bool memory_gone() noexcept;
    [[nodiscard]] PopResult take(std::span<iovec> storage, Chain& chain, TooLong too_long) noexcept;
    [[nodiscard]] PopResult collect(std::uint16_t head, std::span<iovec> storage, Chain& chain,
                                    TooLong too_long) noexcept;
    [[nodiscard]] bool walk_indirect(Builder& builder, const Descriptor& table) noexcept;
    template <typename Fetch>
    [[nodiscard]] bool walk(Builder& builder, std::uint32_t entries, std::uint16_t first,
                            bool in_table, Fetch fetch) noexcept;
    [[nodiscard]] std::optional<std::size_t> append_pieces(const Descriptor& descriptor,
                                                           std::span<iovec> out) noexcept;
    /// Nothing: the buffer is valid, but has more pieces than there was storage.
    [[nodiscard]] std::optional<RingError> why_no_buffer(const Descriptor& descriptor) noexcept;
    PopResult fail(RingError error, std::uint16_t head, std::uint64_t detail) noexcept;
    void log_push(const Chain& chain) const noexcept;
    void log_used(std::size_t offset, std::size_t length) const noexcept;

    const GuestMemory* memory_;
    std::byte* descriptors_;
    std::byte* available_;
    std::byte* used_;
    std::uint16_t size_;
    std::uint16_t mask_;
    std::uint16_t next_available_;
    std::uint16_t seen_available_;
    std::uint16_t next_used_;
    std::uint16_t published_used_;
    std::uint16_t in_flight_ = 0;
    bool indirect_;
    bool event_index_;
    bool announced_ = false;  // the driver was notified at least once
    bool held_ = false;
    std::uint64_t faults_seen_ = 0;
    GuestMemory::Hint hint_;
    const DirtyLog* log_ = nullptr;
    std::optional<std::uint64_t> used_log_;
    std::optional<InflightQueue> inflight_;
    std::optional<RingFault> fault_;
    std::vector<std::uint16_t> recovered_;
    std::size_t recovered_taken_ = 0;
    Config config_;
};

}  // namespace zonebridge::virtio
