// An intrusive list: the links lie in the items, so that adding an item never allocates. The list
// borrows its items.
#pragma once

namespace zonebridge {

/// Links items through their `next`; an item is in at most one list at a time.
template <typename T>
struct List {
    T* first = nullptr;
    T* last = nullptr;

    [[nodiscard]] bool empty() const noexcept { return first == nullptr; }
    void push(T& item) noexcept {
        item.next = nullptr;
        (last != nullptr ? last->next : first) = &item;
        last = &item;
    }
    /// Returns null if the list is empty.
    T* pop() noexcept {
        auto* item = first;
        if (item == nullptr) return nullptr;
        first = item->next;
        if (first == nullptr) last = nullptr;
        return item;
    }
    void remove(T& item) noexcept {
        T* before = nullptr;
        for (auto* at = first; at != &item; at = at->next) {
            if (at == nullptr) return;
            before = at;
        }
        (before != nullptr ? before->next : first) = item.next;
        if (last == &item) last = before;
    }
};

}  // namespace zonebridge
