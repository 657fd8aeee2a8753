#include "tests/fuzz/chains.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace zonebridge::fuzz {
namespace {

constexpr std::uint16_t next_flag = 1, write_flag = 2, indirect_flag = 4;
constexpr std::size_t max_pieces = 24;

/// Memory for `length` bytes, sometimes across two regions.
driver::Block place(Guest& guest, std::size_t length, std::uint8_t where) {
    // allocate() uses the second region from its middle on; its front is for buffers that cross the
    // border.
    constexpr std::uint64_t border = Guest::first_address + Guest::region_size;
    if (where % 16 == 15 && length > 16 && guest.take_border()) {
        const auto before = 8 + where / 16 * std::uint64_t{24} % (length - 8);
        guest.open(border - before, length);
        return {border - before, nullptr, length};
    }
    return guest.allocate(length, where % 4 == 3 ? 2 : 1);
}

void copy_in(Guest& guest, std::uint64_t address, std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const auto regions = std::span(guest.shared.regions());
        const auto region = std::find_if(regions.begin(), regions.end(), [&](const auto& one) {
            return address - one.guest_address < one.size;
        });
        require(region != regions.end());
        const auto at = address - region->guest_address;
        const auto part = bytes.first(std::min(bytes.size(), region->size - at));
        std::memcpy(region->host + at, part.data(), part.size());
        address += part.size();
        bytes = bytes.subspan(part.size());
    }
}

}  // namespace

ChainRing::ChainRing(Guest& guest, std::uint16_t size, bool event_index, bool indirect,
                     std::uint16_t first_index)
    : guest_(guest),
      size_(size),
      ring_(guest.shared, {.size = size,
                           .event_index = event_index,
                           .indirect_entries = 0,
                           .first_index = first_index}),
      indirect_(indirect),
      event_index_(event_index),
      next_available_(first_index),
      next_used_(first_index) {
    for (const auto* part : {&ring_.descriptors(), &ring_.available(), &ring_.used()})
        guest.open(part->address, part->size);
    for (std::uint16_t i = 0; i < size; ++i) free_.push_back(i);
}

virtio::VirtQueue::Config ChainRing::config(std::uint16_t index) const {
    auto features = virtio::feature::version_1;
    if (indirect_) features |= virtio::feature::indirect_descriptors;
    if (event_index_) features |= virtio::feature::event_index;
    return {
        .size = size_,
        .addresses = {ring_.descriptors_address(), ring_.available_address(), ring_.used_address()},
        .base = next_available_,
        .features = features,
        .inflight = nullptr,
        .index = index};
}

std::optional<ChainRing::Made> ChainRing::add(Input& input, std::span<const std::uint8_t> readable,
                                              std::size_t writable) {
    const auto layout = input.byte();
    const auto cuts = input.byte();
    const auto where = input.byte();
    const auto harm = input.byte();
    Made made;
    std::vector<Piece> pieces;
    const auto cut = [&](std::uint64_t address, std::size_t length, std::uint16_t flags) {
        const auto most = cuts == 0 ? length : std::size_t{1} + cuts * std::size_t{7};
        for (std::size_t at = 0; at < length;) {
            const auto rest = length - at;
            const auto part = pieces.size() + 1 < max_pieces ? std::min(rest, most) : rest;
            pieces.push_back({address + at, static_cast<std::uint32_t>(part), flags, 0});
            at += part;
        }
        // An empty buffer is allowed at any address.
        if ((layout & 0x10) != 0) pieces.push_back({address + 0x100000000, 0, flags, 0});
    };
    try {
        if (!readable.empty()) {
            const auto out = place(guest_, readable.size(), where);
            copy_in(guest_, out.address, readable);
            cut(out.address, readable.size(), 0);
        }
        if (writable != 0) {
            made.in = place(guest_, writable, static_cast<std::uint8_t>(where * 5 + layout));
            cut(made.in.address, writable, write_flag);
        }
    } catch (const std::bad_alloc&) {
        return std::nullopt;
    }
    if (pieces.empty()) return std::nullopt;

    // All pieces in the ring, all in a table, or some in the ring and the rest in a table.
    const auto tables = indirect_ || layout % 16 == 15;
    const auto direct = !tables || layout % 4 == 0 ? pieces.size()
                        : layout % 4 == 3          ? std::min<std::size_t>(pieces.size() - 1, 2)
                                                   : 0;
    const auto needed = direct + (direct < pieces.size() ? 1 : 0);
    if (needed > free_.size()) return std::nullopt;
    const auto harmed =
        harm >= 0xC0 ? std::optional(harm % 2 == 0) : std::nullopt;  // true: in the table
    if (direct < pieces.size()) {
        std::vector<Piece> inner(pieces.begin() + static_cast<std::ptrdiff_t>(direct),
                                 pieces.end());
        pieces.resize(direct);
        link(inner, {});
        driver::Block table;
        try {
            // Behind the table lies a descriptor that would be a valid end of the chain.
            table =
                place(guest_, 16 * (inner.size() + 1), static_cast<std::uint8_t>(layout ^ where));
        } catch (const std::bad_alloc&) {
            return std::nullopt;
        }
        if (!indirect_) made.sound = false;
        const auto length = static_cast<std::uint32_t>(16 * inner.size());
        const auto behind = inner.back();
        if (harmed && *harmed) {
            tamper(input, inner, true);
            made.sound = false;
        }
        inner.push_back(behind);
        write_table(table.address, inner);
        pieces.push_back({table.address, length, indirect_flag, 0});
    }
    std::vector<std::uint16_t> numbers(free_.end() - static_cast<std::ptrdiff_t>(needed),
                                       free_.end());
    free_.resize(free_.size() - needed);
    link(pieces, numbers);
    if (harmed && (!*harmed || !made.sound)) {
        if (!*harmed) tamper(input, pieces, false);
        made.sound = false;
    }
    if (!indirect_ && reaches_table(pieces, numbers)) broken_ = true;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto& [address, length, flags, next] = pieces[i];
        guest_.open(address, length);
        ring_.write_descriptor(numbers[i], address, length, flags, next);
    }
    made.head = numbers[0];
    descriptors_[made.head] = std::move(numbers);
    publish(made.head);
    return made;
}

void ChainRing::link(std::vector<Piece>& pieces, std::span<const std::uint16_t> numbers) {
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
        pieces[i].flags |= next_flag;
        pieces[i].next = numbers.empty() ? static_cast<std::uint16_t>(i + 1) : numbers[i + 1];
    }
}

bool ChainRing::reaches_table(std::span<const Piece> pieces,
                              std::span<const std::uint16_t> numbers) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if ((pieces[i].flags & indirect_flag) != 0) return true;
        if ((pieces[i].flags & next_flag) == 0) return false;
        if (i + 1 < pieces.size() && pieces[i].next != numbers[i + 1]) return false;
    }
    return false;
}

void ChainRing::write_table(std::uint64_t table, std::span<const Piece> pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        virtio::Descriptor descriptor{pieces[i].address, pieces[i].length, pieces[i].flags,
                                      pieces[i].next};
        guest_.open(descriptor.address, descriptor.length);
        std::array<std::uint8_t, sizeof descriptor> bytes;
        std::memcpy(bytes.data(), &descriptor, sizeof descriptor);
        copy_in(guest_, table + i * sizeof descriptor, bytes);
    }
}

/// Corrupts one descriptor in one way; sets `broken_` if no device can accept the chain.
void ChainRing::tamper(Input& input, std::vector<Piece>& pieces, bool in_table) {
    const auto how = input.byte();
    auto& piece = pieces[input.byte() % pieces.size()];
    auto& last = pieces.back();
    const auto indirect = (piece.flags & indirect_flag) != 0;
    switch (how % 16) {
        case 0:  // a loop
            if ((last.flags & indirect_flag) != 0) break;
            last.flags |= next_flag;
            last.next = in_table ? 0 : static_cast<std::uint16_t>(how / 16);
            // In the ring, descriptors of other chains may follow, and end the chain.
            broken_ = broken_ || in_table;
            break;
        case 1:
            piece.address = Guest::far_address + Guest::region_size + how;
            broken_ = broken_ || piece.length != 0;
            break;
        case 2:
            piece.address ^= std::uint64_t{1} << (how / 16 * 4);
            break;
        case 3:
            piece.length = 0xFFFFFFFF;
            broken_ = true;  // longer than any region, or an invalid table length
            break;
        case 4:
            piece.address = ~std::uint64_t{0} - how;
            broken_ = broken_ || piece.length != 0;
            break;
        case 5:
            piece.flags ^= write_flag;
            break;
        case 6:
            piece.flags |= next_flag;
            // Just behind the table, or far out of range.
            piece.next = static_cast<std::uint16_t>(in_table ? pieces.size() : 0x8000 | how);
            broken_ = true;
            break;
        case 7:  // a nested table, or data as a table
            if (in_table && how >= 0x80) {
                // The nested table is valid in itself.
                const auto end = guest_.allocate(16);
                auto whole = piece;
                whole.flags &= write_flag;
                write_table(end.address, {&whole, 1});
                piece.address = end.address;
                piece.length = 16;
                piece.flags &= static_cast<std::uint16_t>(~write_flag);
            }
            piece.flags |= indirect_flag;
            broken_ = broken_ || in_table || !indirect_;
            break;
        case 8:
            if (indirect) {
                piece.length += how / 16 % 4 == 0 ? 8 : 0;
                if (how / 16 % 4 == 1) piece.length = 0;
                broken_ = broken_ || how / 16 % 4 < 2;
                if (how / 16 % 4 == 2) piece.length = 16 * 32769;
            }
            break;
        case 9:
            if (indirect) {
                piece.flags |= next_flag;
                broken_ = true;
            }
            break;
        case 10:
            piece.length = 0;
            broken_ = broken_ || indirect;
            break;
        case 11:
            piece.length += how;
            break;
        case 12:
            piece.flags = static_cast<std::uint16_t>(input.number(2));
            break;
        case 13:
            piece.next = static_cast<std::uint16_t>(input.number(2));
            break;
        case 14:
            piece = {input.number(8), static_cast<std::uint32_t>(input.number(4)),
                     static_cast<std::uint16_t>(input.number(2)),
                     static_cast<std::uint16_t>(input.number(2))};
            break;
        default:
            piece.flags &= static_cast<std::uint16_t>(~next_flag);
            break;
    }
}

void ChainRing::publish(std::uint16_t head) {
    ring_.set_available_entry(next_available_, head);
    ring_.set_available_index(++next_available_);
    ++outstanding_[head];
    ++available_;
}

void ChainRing::jump(std::uint16_t by) {
    next_available_ = static_cast<std::uint16_t>(next_available_ + by);
    ring_.set_available_index(next_available_);
    // The skipped entries have their old contents.
    if (by > size_) broken_ = true;
    available_ += by;
    for (std::uint16_t head = 0; head < size_; ++head) outstanding_[head] += by;
}

void ChainRing::name(std::uint16_t head) {
    if (head >= size_) broken_ = true;
    publish(head);
}

unsigned ChainRing::take_used() {
    unsigned count = 0;
    const auto index = ring_.used_index();
    require(static_cast<std::uint16_t>(index - next_used_) <= size_);
    for (; next_used_ != index; ++next_used_, ++count) {
        virtio::UsedElement element{};
        std::memcpy(&element, ring_.used().host + 4 + 8 * (next_used_ % size_), sizeof element);
        require(element.id < size_);
        const auto head = static_cast<std::uint16_t>(element.id);
        require(outstanding_[head] > 0);
        if (--outstanding_[head] != 0) continue;
        const auto& numbers = descriptors_[head];
        free_.insert(free_.end(), numbers.begin(), numbers.end());
        descriptors_[head].clear();
    }
    used_ += count;
    return count;
}

}  // namespace zonebridge::fuzz
