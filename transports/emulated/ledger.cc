#include "transports/emulated/ledger.h"

#include <algorithm>

namespace zonebridge::emulated {

Ledger::Ledger(std::size_t capacity)
    : entries_(std::max<std::size_t>(capacity, 1)), buckets_(2 * entries_.size() + 1) {
    for (std::size_t i = entries_.size(); i-- != 0;) {
        entries_[i].next = unused_;
        unused_ = i;
    }
}

Ledger::Entry* Ledger::find(std::uint32_t zone) noexcept {
    for (auto i = bucket(zone); i; i = entries_[*i].next)
        if (entries_[*i].zone == zone) return &entries_[*i];
    return nullptr;
}

Ledger::Entry* Ledger::add(std::uint32_t zone, std::uint64_t proven) noexcept {
    if (!unused_) return nullptr;
    const auto i = *unused_;
    auto& entry = entries_[i];
    unused_ = entry.next;
    entry = Entry{};
    entry.zone = zone;
    entry.used = true;
    entry.proven = proven;
    entry.next = bucket(zone);
    bucket(zone) = i;
    ++count_;
    return &entry;
}

void Ledger::remove(std::uint32_t zone) noexcept {
    for (auto* link = &bucket(zone); *link; link = &entries_[**link].next) {
        const auto i = **link;
        auto& entry = entries_[i];
        if (entry.zone != zone) continue;
        *link = entry.next;
        entry.used = false;
        entry.next = unused_;
        unused_ = i;
        --count_;
        return;
    }
}

}  // namespace zonebridge::emulated
