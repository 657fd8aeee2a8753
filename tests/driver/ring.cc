#include "tests/driver/ring.h"

#include <atomic>
#include <cstring>

namespace zonebridge::driver {
namespace {

constexpr std::uint16_t flag_next = 1;
constexpr std::uint16_t flag_write = 2;
constexpr std::uint16_t flag_indirect = 4;

std::uint16_t read16(const std::byte* at) noexcept {
    auto& word = *reinterpret_cast<std::uint16_t*>(const_cast<std::byte*>(at));
    return std::atomic_ref(word).load(std::memory_order_seq_cst);
}

void write16(std::byte* at, std::uint16_t value) noexcept {
    std::atomic_ref(*reinterpret_cast<std::uint16_t*>(at)).store(value, std::memory_order_seq_cst);
}

void put_descriptor(std::byte* at, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
                    std::uint16_t next) noexcept {
    std::memcpy(at, &address, 8);
    std::memcpy(at + 8, &length, 4);
    std::memcpy(at + 12, &flags, 2);
    std::memcpy(at + 14, &next, 2);
}

}  // namespace

Ring::Ring(SharedMemory& memory, const RingOptions& options)
    : options_(options),
      descriptors_(memory.allocate(16 * std::size_t{options.size}, 16)),
      available_(memory.allocate(6 + 2 * std::size_t{options.size}, 2)),
      used_(memory.allocate(6 + 8 * std::size_t{options.size}, 4)),
      chains_(options.size),
      next_available_(options.first_index),
      published_(options.first_index),
      next_used_(options.first_index) {
    if (options.indirect_entries != 0)
        tables_ = memory.allocate(16 * std::size_t{options.indirect_entries} * options.size, 16);
    for (std::uint16_t i = options.size; i > 0; --i)
        free_.push_back(static_cast<std::uint16_t>(i - 1));
    for (auto& chain : chains_) chain.reserve(8);
    set_available_index(options.first_index);
    write16(used_.host + 2, options.first_index);
}

std::optional<std::uint16_t> Ring::add(std::span<const Buffer> chain) {
    const bool indirect = chain.size() > 1 && chain.size() <= options_.indirect_entries;
    const std::size_t needed = indirect ? 1 : chain.size();
    if (chain.empty() || free_.size() < needed) return std::nullopt;

    const std::uint16_t head = free_.back();
    auto& taken = chains_[head];
    taken.clear();
    for (std::size_t i = 0; i < needed; ++i) {
        taken.push_back(free_.back());
        free_.pop_back();
    }
    if (indirect) {
        const std::size_t offset = 16 * std::size_t{options_.indirect_entries} * head;
        for (std::size_t i = 0; i < chain.size(); ++i) {
            const bool last = i + 1 == chain.size();
            const int flags = (last ? 0 : flag_next) | (chain[i].device_writes ? flag_write : 0);
            put_descriptor(tables_.host + offset + 16 * i, chain[i].address, chain[i].length,
                           static_cast<std::uint16_t>(flags),
                           static_cast<std::uint16_t>(last ? 0 : i + 1));
        }
        write_descriptor(head, tables_.address + offset,
                         static_cast<std::uint32_t>(16 * chain.size()), flag_indirect, 0);
    } else {
        for (std::size_t i = 0; i < chain.size(); ++i) {
            const bool last = i + 1 == chain.size();
            const int flags = (last ? 0 : flag_next) | (chain[i].device_writes ? flag_write : 0);
            write_descriptor(taken[i], chain[i].address, chain[i].length,
                             static_cast<std::uint16_t>(flags),
                             last ? std::uint16_t{0} : taken[i + 1]);
        }
    }
    set_available_entry(next_available_, head);
    ++next_available_;
    ++in_flight_;
    return head;
}

bool Ring::publish() {
    const std::uint16_t before = published_;
    if (next_available_ == before) return false;
    published_ = next_available_;
    set_available_index(next_available_);
    if (!options_.event_index) return (used_flags() & 1) == 0;
    // True if the device's event is among the chains that were just added.
    const auto distance = static_cast<std::uint16_t>(next_available_ - available_event() - 1);
    return distance < static_cast<std::uint16_t>(next_available_ - before);
}

std::optional<Used> Ring::take_used() {
    if (used_index() == next_used_) return std::nullopt;
    const std::byte* const element = used_.host + 4 + 8 * (next_used_ % options_.size);
    std::uint32_t id = 0;
    std::uint32_t length = 0;
    std::memcpy(&id, element, 4);
    std::memcpy(&length, element + 4, 4);
    ++next_used_;
    --in_flight_;
    const auto head = static_cast<std::uint16_t>(id);
    if (id < options_.size) {
        auto& taken = chains_[head];
        for (auto one = taken.rbegin(); one != taken.rend(); ++one) free_.push_back(*one);
        taken.clear();
    }
    return Used{head, length};
}

bool Ring::arm() {
    if (options_.event_index)
        set_used_event(next_used_);
    else
        write16(available_.host, 0);
    return used_index() != next_used_;
}

void Ring::disarm() {
    // With event index, an event just behind the index is reached only after 65,535 completions.
    if (options_.event_index)
        set_used_event(static_cast<std::uint16_t>(next_used_ - 1));
    else
        write16(available_.host, 1);
}

std::uint64_t Ring::descriptors_address() const noexcept {
    return reinterpret_cast<std::uintptr_t>(descriptors_.host);
}
std::uint64_t Ring::available_address() const noexcept {
    return reinterpret_cast<std::uintptr_t>(available_.host);
}
std::uint64_t Ring::used_address() const noexcept {
    return reinterpret_cast<std::uintptr_t>(used_.host);
}

void Ring::write_descriptor(std::uint16_t index, std::uint64_t address, std::uint32_t length,
                            std::uint16_t flags, std::uint16_t next) {
    put_descriptor(descriptors_.host + 16 * std::size_t{index}, address, length, flags, next);
}

void Ring::make_available(std::uint16_t head) {
    set_available_entry(next_available_, head);
    published_ = ++next_available_;
    set_available_index(next_available_);
}

void Ring::set_available_entry(std::uint16_t slot, std::uint16_t head) {
    write16(available_.host + 4 + 2 * (slot % options_.size), head);
}

void Ring::set_available_index(std::uint16_t index) {
    write16(available_.host + 2, index);
}

std::uint16_t Ring::available_index() const noexcept {
    return read16(available_.host + 2);
}
std::uint16_t Ring::used_index() const noexcept {
    return read16(used_.host + 2);
}
std::uint16_t Ring::used_flags() const noexcept {
    return read16(used_.host);
}
std::uint16_t Ring::available_event() const noexcept {
    return read16(used_.host + 4 + 8 * std::size_t{options_.size});
}
void Ring::set_used_event(std::uint16_t event) {
    write16(available_.host + 4 + 2 * std::size_t{options_.size}, event);
}

}  // namespace zonebridge::driver
