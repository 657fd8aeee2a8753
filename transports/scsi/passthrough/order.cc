#include "transports/scsi/passthrough/order.h"

#include <algorithm>
#include <bit>

namespace zonebridge::scsi {

ZoneOrder::ZoneOrder(const Limits& limits, std::size_t depth, Listener& listener)
    : limits_(limits),
      listener_(listener),
      lines_(std::bit_ceil(std::max<std::size_t>(depth, 1) * 4)) {}

/// Takes a ticket for each zone of a range, if there are enough; conventional zones need none.
bool ZoneOrder::choose_zones(Entry& entry, std::uint64_t lba, std::uint64_t blocks) const noexcept {
    const auto& layout = limits_.layout;
    const auto total = layout.size() / limits_.logical_block_size;
    if (blocks == 0 || lba >= total)
        return true;  // the disk refuses the command, or it does
                      // nothing
    const auto last_lba = blocks > total - lba ? total - 1 : lba + blocks - 1;
    const auto first = layout.zone_of(lba * limits_.logical_block_size);
    const auto last = layout.zone_of(last_lba * limits_.logical_block_size);
    if (last - first >= entry.ticket.size()) return false;
    for (auto zone = first; zone <= last; ++zone)
        if (layout.type_of(zone) != ZoneType::conventional)
            entry.ticket[entry.tickets++] = {zone, &entry, nullptr};
    return true;
}

void ZoneOrder::place(Entry& entry, const zbc::ZoneEffect& effect) const noexcept {
    entry.kind = Entry::Kind::free;
    entry.tickets = entry.waits = 0;
    const auto& layout = limits_.layout;
    if (layout.zone_count() == 0) return;
    auto told = true;
    switch (effect.touch) {
        case zbc::ZoneTouch::none:
        case zbc::ZoneTouch::reads:
        case zbc::ZoneTouch::flushes:
            return;
        case zbc::ZoneTouch::writes:
            told = choose_zones(entry, effect.lba, effect.blocks);
            break;
        case zbc::ZoneTouch::acts: {
            const auto blocks = layout.zone_size() / limits_.logical_block_size;
            told = !effect.all &&
                   choose_zones(entry, effect.lba,
                                effect.zones > 2 ? blocks * 3 : blocks * (effect.zones - 1) + 1);
            break;
        }
        case zbc::ZoneTouch::everything:
            told = false;
            break;
    }
    if (!told) {
        entry.tickets = 0;
        entry.kind = Entry::Kind::alone;
    } else if (entry.tickets != 0) {
        entry.kind = Entry::Kind::zones;
    }
}

void ZoneOrder::enter(Entry& entry, const zbc::ZoneEffect& effect) noexcept {
    place(entry, effect);
    if (entry.kind == Entry::Kind::free) {
        listener_.may_go(entry);
        return;
    }
    gate_.push(entry);
    admit();
}

/// Admits entries from the gate, in order.
void ZoneOrder::admit() noexcept {
    while (!gate_.empty() && !alone_) {
        auto& entry = *gate_.first;
        if (entry.kind == Entry::Kind::alone) {
            if (inside_ != 0) return;
            alone_ = true;
        }
        gate_.pop();
        ++inside_;
        take_tickets(entry);
        if (entry.waits == 0) listener_.may_go(entry);
    }
}

void ZoneOrder::take_tickets(Entry& entry) noexcept {
    for (std::size_t i = 0; i < entry.tickets; ++i) {
        auto& ticket = entry.ticket[i];
        auto& line = this->line(ticket.zone);
        for (const auto* other = line.first; other != nullptr; other = other->next) {
            if (other->zone != ticket.zone) continue;
            ++entry.waits;
            break;
        }
        line.push(ticket);
    }
}

void ZoneOrder::leave(Entry& entry) noexcept {
    if (entry.kind == Entry::Kind::free) return;
    if (entry.kind == Entry::Kind::alone) alone_ = false;
    --inside_;
    for (std::size_t i = 0; i < entry.tickets; ++i) {
        auto& ticket = entry.ticket[i];
        auto& line = this->line(ticket.zone);
        line.remove(ticket);
        auto* next = line.first;
        while (next != nullptr && next->zone != ticket.zone) next = next->next;
        if (next != nullptr && --next->entry->waits == 0) listener_.may_go(*next->entry);
    }
    admit();
}

}  // namespace zonebridge::scsi
