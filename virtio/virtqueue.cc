#include "virtio/virtqueue.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/iovec.h"

namespace zonebridge::virtio {
namespace {

constexpr std::uint16_t no_interrupt = 1;  // VIRTQ_AVAIL_F_NO_INTERRUPT
constexpr std::uint16_t no_notify = 1;     // VIRTQ_USED_F_NO_NOTIFY

std::uint16_t load(std::byte* at, std::memory_order order) noexcept {
    return std::atomic_ref(*reinterpret_cast<std::uint16_t*>(at)).load(order);
}

void store(std::byte* at, std::uint16_t value, std::memory_order order) noexcept {
    std::atomic_ref(*reinterpret_cast<std::uint16_t*>(at)).store(value, order);
}

bool aligned(const std::byte* at, std::uintptr_t alignment) noexcept {
    return reinterpret_cast<std::uintptr_t>(at) % alignment == 0;
}

}  // namespace

/// A chain that is being collected.
struct VirtQueue::Builder {
    std::span<iovec> storage;
    std::uint16_t head;
    TooLong too_long;
    bool left = false;  // stopped: the chain is too long, and stays in the ring
    bool cut = false;   // from the last piece of the storage on, each piece replaces the one before
    bool writing = false;
    std::size_t pieces = 0;
    std::uint64_t length = 0;
    // The values of both when the first writable buffer came.
    std::size_t readable_pieces = 0;
    std::uint64_t readable_length = 0;
};

VirtQueue::VirtQueue(const GuestMemory& memory, const Config& config, Parts parts) noexcept
    : memory_(&memory),
      descriptors_(parts.descriptors),
      available_(parts.available),
      used_(parts.used),
      size_(config.size),
      mask_(static_cast<std::uint16_t>(config.size - 1)),
      next_available_(config.base),
      seen_available_(config.base),
      next_used_(load(used_ + ring_index_offset, std::memory_order_relaxed)),
      published_used_(next_used_),
      indirect_((config.features & feature::indirect_descriptors) != 0),
      event_index_((config.features & feature::event_index) != 0),
      config_(config) {}

tl::expected<VirtQueue::Parts, std::string> VirtQueue::locate(const GuestMemory& memory,
                                                              const Config& config) {
    const struct {
        const char* name;
        std::uint64_t address;
        std::size_t length;
        std::uintptr_t alignment;
        GuestMemory::Access access;
    } wanted[] = {
        {"descriptor table", config.addresses.descriptors, descriptor_table_bytes(config.size), 16,
         GuestMemory::Access::read},
        {"available ring", config.addresses.available, available_ring_bytes(config.size), 2,
         GuestMemory::Access::read},
        {"used ring", config.addresses.used, used_ring_bytes(config.size), 4,
         GuestMemory::Access::write},
    };
    std::byte* found[3] = {};
    for (int i = 0; i < 3; ++i) {
        found[i] = memory.translate_user(wanted[i].address, wanted[i].length, wanted[i].access);
        if (found[i] == nullptr)
            return tl::unexpected(fmt::format(
                "queue {}: its {} of {} bytes at user address {:#x} lies in no {}memory region",
                config.index, wanted[i].name, wanted[i].length, wanted[i].address,
                wanted[i].access == GuestMemory::Access::write ? "writable " : ""));
        if (!aligned(found[i], wanted[i].alignment))
            return tl::unexpected(
                fmt::format("queue {}: its {} at user address {:#x} is not aligned to {} bytes",
                            config.index, wanted[i].name, wanted[i].address, wanted[i].alignment));
    }
    return Parts{found[0], found[1], found[2]};
}

tl::expected<void, std::string> VirtQueue::check(const GuestMemory& memory, const Config& config) {
    if (!std::has_single_bit(config.size) || config.size > max_ring_size)
        return tl::unexpected(
            fmt::format("queue {}: {} descriptors are not allowed: a ring has a power of two of "
                        "them, at most {}",
                        config.index, config.size, max_ring_size));
    if (auto parts = locate(memory, config); !parts)
        return tl::unexpected(std::move(parts.error()));
    if (config.inflight != nullptr &&
        (config.index >= config.inflight->queues() || config.size > config.inflight->queue_size()))
        return tl::unexpected(fmt::format(
            "queue {} of {} descriptors does not fit the record of requests in flight, made for {} "
            "queues of {}",
            config.index, config.size, config.inflight->queues(), config.inflight->queue_size()));
    return {};
}

tl::expected<VirtQueue, std::string> VirtQueue::create(const GuestMemory& memory,
                                                       const Config& config) {
    if (auto good = check(memory, config); !good) return tl::unexpected(std::move(good.error()));
    auto parts = locate(memory, config);
    if (!parts) return tl::unexpected(std::move(parts.error()));
    VirtQueue queue(memory, config, *parts);
    if (config.inflight != nullptr) {
        queue.inflight_.emplace(config.inflight->queue(config.index));
        queue.recovered_ = queue.inflight_->recover(queue.next_used_, config.size);
        if (!queue.recovered_.empty()) {
            // Every chain taken before was either answered or is in the record.
            queue.next_available_ =
                static_cast<std::uint16_t>(queue.next_used_ + queue.recovered_.size());
            queue.seen_available_ = queue.next_available_;
        }
    }
    return queue;
}

tl::expected<void, std::string> VirtQueue::rebind(const GuestMemory& memory) {
    auto parts = locate(memory, config_);
    if (!parts) return tl::unexpected(std::move(parts.error()));
    memory_ = &memory;
    hint_ = {};
    descriptors_ = parts->descriptors;
    available_ = parts->available;
    used_ = parts->used;
    return {};
}

PopResult VirtQueue::fail(RingError error, std::uint16_t head, std::uint64_t detail) noexcept {
    fault_ = RingFault{error, head, detail};
    seen_available_ = next_available_;  // makes pop call look(), which returns false from now on
    return PopResult::broken;
}

bool VirtQueue::memory_gone() noexcept {
    const std::uint64_t faults = sigbus_faults();
    if (faults == faults_seen_) return false;
    faults_seen_ = faults;
    return memory_->broken() || (log_ != nullptr && log_->broken()) ||
           (config_.inflight != nullptr && config_.inflight->broken());
}

bool VirtQueue::look() noexcept {
    if (fault_ || held_) return false;
    const auto available = load(available_ + ring_index_offset, std::memory_order_acquire);
    if (memory_gone()) {
        fail(RingError::memory_gone, next_available_, 0);
        return false;
    }
    const auto ahead = static_cast<std::uint16_t>(available - next_available_);
    if (ahead > size_) {
        fail(RingError::available_index, next_available_, available);
        return false;
    }
    seen_available_ = available;
    return ahead != 0;
}

bool VirtQueue::peek() const noexcept {
    return !fault_ && !held_ &&
           load(available_ + ring_index_offset, std::memory_order_acquire) != next_available_;
}

std::uint16_t VirtQueue::available() const noexcept {
    if (fault_ || held_) return next_available_;
    return load(available_ + ring_index_offset, std::memory_order_acquire);
}

PopResult VirtQueue::take(std::span<iovec> storage, Chain& chain, TooLong too_long) noexcept {
    // Answers that the driver has not seen yet count, too: a driver must not reuse their
    // descriptors, and one that did could keep the device taking chains for ever.
    const auto unseen = static_cast<std::uint16_t>(next_used_ - published_used_);
    if (in_flight_ + unseen >= size_)
        return fail(RingError::too_many_in_flight, next_available_, size_);
    const std::uint16_t head =
        load(available_ + ring_entries_offset + 2 * (next_available_ & mask_),
             std::memory_order_relaxed);
    if (head >= size_) return fail(RingError::head_out_of_range, next_available_, head);
    const PopResult result = collect(head, storage, chain, too_long);
    if (result != PopResult::chain) return result;
    ++next_available_;
    ++in_flight_;
    if (inflight_) inflight_->take(head);
    return result;
}

PopResult VirtQueue::pop_recovered(std::span<iovec> storage, Chain& chain,
                                   TooLong too_long) noexcept {
    if (fault_) return PopResult::broken;
    if (recovered_taken_ == recovered_.size()) return PopResult::empty;
    const PopResult result = collect(recovered_[recovered_taken_], storage, chain, too_long);
    if (result != PopResult::chain) return result;
    ++recovered_taken_;
    ++in_flight_;
    return result;
}

PopResult VirtQueue::collect(std::uint16_t head, std::span<iovec> storage, Chain& chain,
                             TooLong too_long) noexcept {
    Builder builder{.storage = storage, .head = head, .too_long = too_long};
    const auto fetch = [this](std::uint16_t index, Descriptor& descriptor) {
        std::memcpy(&descriptor, descriptors_ + sizeof descriptor * index, sizeof descriptor);
        return true;
    };
    if (!walk(builder, size_, head, false, fetch))
        return builder.left ? PopResult::too_long : PopResult::broken;
    if (!builder.writing) {
        builder.readable_pieces = builder.pieces;
        builder.readable_length = builder.length;
    }
    chain.cut = builder.cut;
    // VIRTIO 1.2, 2.7.4: no chain is longer than 2^32 bytes; one less keeps used lengths exact.
    // The sum itself can't overflow: there are fewer than 2^17 lengths of 32 bits.
    if (builder.length > std::numeric_limits<std::uint32_t>::max()) [[unlikely]]
        return fail(RingError::length_overflow, head, builder.length);
    chain.head = head;
    chain.readable = {storage.data(), builder.readable_pieces};
    chain.writable = {storage.data() + builder.readable_pieces,
                      builder.pieces - builder.readable_pieces};
    chain.readable_length = builder.readable_length;
    chain.writable_length = builder.length - builder.readable_length;
    if (builder.cut) [[unlikely]] {
        chain.readable_length = total_length(chain.readable);
        chain.writable_length = total_length(chain.writable);
    }
    return PopResult::chain;
}

/// Follows a table's descriptors from `first`, at most one round and no more than there is room
/// for. Empty buffers count, so that they can't make a chain endless.
template <typename Fetch>
bool VirtQueue::walk(Builder& builder, std::uint32_t entries, std::uint16_t first, bool in_table,
                     Fetch fetch) noexcept {
    const auto broken = [&](RingError error, std::uint64_t detail) {
        fail(error, builder.head, detail);
        return false;
    };
    Builder chain = builder;  // the compiler keeps a local in registers
    const std::size_t room = chain.storage.size();
    const bool stays = chain.too_long == TooLong::stays || room < 2;
    const auto leave = [&] {
        builder.left = true;
        return false;
    };
    // Gives up a piece of a full storage: the last one, but never the first writable one.
    const auto cut = [&] {
        chain.cut = true;
        if (chain.pieces < room) return;
        chain.pieces = room - 1;
        if (!chain.writing || chain.readable_pieces < room - 1) return;
        if (chain.readable_pieces == room)
            --chain.pieces;
        else
            chain.storage[room - 2] = chain.storage[room - 1];
        chain.readable_pieces = room - 2;
    };
    std::uint16_t index = first;
    for (std::uint32_t walked = 1;; ++walked) {
        Descriptor descriptor;
        if (!fetch(index, descriptor)) [[unlikely]]
            return broken(RingError::bad_address, index);
        if ((descriptor.flags & descriptor_flag::indirect) != 0) {
            if (in_table) return broken(RingError::indirect_nested, index);
            builder = chain;
            return walk_indirect(builder, descriptor);
        }
        if ((descriptor.flags & descriptor_flag::write) != 0) {
            if (!chain.writing) {
                chain.writing = true;
                chain.readable_pieces = chain.pieces;
                chain.readable_length = chain.length;
            }
        } else if (chain.writing) [[unlikely]] {
            return broken(RingError::readable_after_writable, index);
        }
        if (descriptor.length != 0) {
            if (chain.pieces == room) [[unlikely]] {
                if (stays) return leave();
                cut();
            }
            std::byte* const host =
                memory_->translate(descriptor.address, descriptor.length, hint_);
            if (host != nullptr && (hint_.writable || !chain.writing)) [[likely]] {
                chain.storage[chain.pieces++] = {host, descriptor.length};
            } else {
                const auto pieces = append_pieces(descriptor, chain.storage.subspan(chain.pieces));
                if (pieces) {
                    chain.pieces += *pieces;
                } else {
                    if (const auto why = why_no_buffer(descriptor))
                        return broken(*why, descriptor.address);
                    if (stays) return leave();
                    cut();
                    auto* const last =
                        memory_->translate(descriptor.address + descriptor.length - 1, 1, hint_);
                    chain.storage[chain.pieces++] = {last, 1};
                }
            }
            chain.length += descriptor.length;
        }
        if ((descriptor.flags & descriptor_flag::next) == 0) break;
        if (walked == entries) [[unlikely]]
            return broken(RingError::loop, entries);
        if (walked == room && stays) [[unlikely]]
            return leave();
        if (descriptor.next >= entries) [[unlikely]]
            return broken(RingError::next_out_of_range, descriptor.next);
        index = descriptor.next;
    }
    builder = chain;
    return true;
}

std::optional<std::size_t> VirtQueue::append_pieces(const Descriptor& descriptor,
                                                    std::span<iovec> out) noexcept {
    const bool writes = (descriptor.flags & descriptor_flag::write) != 0;
    return memory_->translate_pieces(
        descriptor.address, descriptor.length, out, hint_,
        writes ? GuestMemory::Access::write : GuestMemory::Access::read);
}

std::optional<RingError> VirtQueue::why_no_buffer(const Descriptor& descriptor) noexcept {
    const bool writes = (descriptor.flags & descriptor_flag::write) != 0;
    auto address = descriptor.address;
    for (std::uint64_t left = descriptor.length; left != 0;) {
        if (memory_->translate(address, 1, hint_) == nullptr) return RingError::bad_address;
        if (writes && !hint_.writable) return RingError::read_only;
        const auto piece = std::min(left, hint_.size - (address - hint_.guest_address));
        address += piece;
        left -= piece;
    }
    return std::nullopt;
}

bool VirtQueue::walk_indirect(Builder& builder, const Descriptor& table) noexcept {
    const auto broken = [&](RingError error, std::uint64_t detail) {
        fail(error, builder.head, detail);
        return false;
    };
    if (!indirect_) return broken(RingError::indirect_unsupported, 0);
    if ((table.flags & descriptor_flag::next) != 0)
        return broken(RingError::indirect_with_next, table.next);
    const std::uint32_t entries = table.length / sizeof(Descriptor);
    if (entries == 0 || table.length % sizeof(Descriptor) != 0 || entries > max_ring_size)
        return broken(RingError::indirect_size, table.length);

    if (const std::byte* const bytes = memory_->translate(table.address, table.length, hint_))
        [[likely]]
        return walk(
            builder, entries, 0, true, [bytes](std::uint16_t index, Descriptor& descriptor) {
                std::memcpy(&descriptor, bytes + sizeof descriptor * index, sizeof descriptor);
                return true;
            });
    // The table crosses regions, or lies in none: fetch each entry by itself.
    return walk(builder, entries, 0, true, [&](std::uint16_t index, Descriptor& descriptor) {
        const std::uint64_t address = table.address + sizeof descriptor * index;
        return address >= table.address &&
               memory_->read(address, std::as_writable_bytes(std::span(&descriptor, 1)), hint_);
    });
}

// publish and enable_kicks store one index and load another, which the driver stores before it
// loads ours. Both are sequentially consistent here, which keeps the load behind the store (the
// full barrier of VIRTIO 1.2, 2.7.10 and 2.7.13.4); otherwise each side could miss the other's
// change.

bool VirtQueue::publish() noexcept {
    if (next_used_ == published_used_) return false;
    store(used_ + ring_index_offset, next_used_, std::memory_order_seq_cst);
    if (inflight_) inflight_->publish(next_used_);
    if (used_log_ && log_ != nullptr) [[unlikely]]
        log_used(ring_index_offset, 2);
    const std::uint16_t before = std::exchange(published_used_, next_used_);
    if (!event_index_)
        return (load(available_ + ring_flags_offset, std::memory_order_seq_cst) & no_interrupt) ==
               0;
    const auto event =
        load(available_ + ring_entries_offset + 2 * std::size_t{size_}, std::memory_order_seq_cst);
    // It is unknown what the driver was notified of before this ring was started: notify it the
    // first time.
    if (!std::exchange(announced_, true)) return true;
    return event_passed(event, next_used_, before);
}

void VirtQueue::disable_kicks() noexcept {
    // With event index nothing is needed: a passed event index asks for no kick.
    if (event_index_) return;
    store(used_ + ring_flags_offset, no_notify, std::memory_order_relaxed);
    if (used_log_ && log_ != nullptr) log_used(ring_flags_offset, 2);
}

bool VirtQueue::enable_kicks() noexcept {
    if (event_index_) {
        const std::size_t event = ring_entries_offset + sizeof(UsedElement) * std::size_t{size_};
        store(used_ + event, next_available_, std::memory_order_seq_cst);
        if (used_log_ && log_ != nullptr) log_used(event, 2);
    } else {
        store(used_ + ring_flags_offset, 0, std::memory_order_seq_cst);
        if (used_log_ && log_ != nullptr) log_used(ring_flags_offset, 2);
    }
    return !fault_ && !held_ &&
           load(available_ + ring_index_offset, std::memory_order_seq_cst) != next_available_;
}

void VirtQueue::set_log(const DirtyLog* log, std::optional<std::uint64_t> used_ring) noexcept {
    log_ = log;
    used_log_ = used_ring;
}

void VirtQueue::log_push(const Chain& chain) const noexcept {
    log_->mark(chain.writable, *memory_);
    if (used_log_)
        log_used(ring_entries_offset + sizeof(UsedElement) * (next_used_ & mask_),
                 sizeof(UsedElement));
}

void VirtQueue::log_used(std::size_t offset, std::size_t length) const noexcept {
    log_->mark(*used_log_ + offset, length);
}

std::string to_string(const RingFault& fault) {
    const auto chain = [&](std::string what) {
        return fmt::format("descriptor chain {}: {}", fault.head, what);
    };
    switch (fault.error) {
        case RingError::available_index:
            return fmt::format(
                "the available index jumps from {} to {}, further than the ring is "
                "long",
                fault.head, fault.detail);
        case RingError::too_many_in_flight:
            return fmt::format("more chains are made available than the ring has descriptors, {}",
                               fault.detail);
        case RingError::head_out_of_range:
            return fmt::format(
                "available entry {} names descriptor {}, which the ring does not "
                "have",
                fault.head, fault.detail);
        case RingError::next_out_of_range:
            return chain(fmt::format("continues at descriptor {}, which its table does not have",
                                     fault.detail));
        case RingError::loop:
            return chain(
                fmt::format("does not end within the {} descriptors of its table", fault.detail));
        case RingError::indirect_unsupported:
            return chain("is indirect, although indirect descriptors were not negotiated");
        case RingError::indirect_nested:
            return chain(
                fmt::format("entry {} of its indirect table is indirect itself", fault.detail));
        case RingError::indirect_with_next:
            return chain("its indirect descriptor has a next descriptor");
        case RingError::indirect_size:
            return chain(
                fmt::format("its indirect table has {} bytes, which is not allowed", fault.detail));
        case RingError::bad_address:
            return chain(
                fmt::format("guest address {:#x} lies outside the guest's memory", fault.detail));
        case RingError::read_only:
            return chain(fmt::format(
                "its buffer at guest address {:#x} is to be filled, but that memory is read-only",
                fault.detail));
        case RingError::readable_after_writable:
            return chain(
                fmt::format("its buffer {} is readable, after a writable one", fault.detail));
        case RingError::length_overflow:
            return chain(fmt::format("holds {} bytes, and 4 GiB are the most", fault.detail));
        case RingError::memory_gone:
            return "the front end truncated memory that it shares";
    }
    return "unknown fault";
}

}  // namespace zonebridge::virtio
