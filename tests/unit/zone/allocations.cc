// Counts the program's allocations, so that a test can show that a call makes none.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/unit/zone/support.h"

namespace {
std::atomic<std::size_t> count{0};
}

void* operator new(std::size_t size) {
    count.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace zonebridge::test {
std::size_t allocations() noexcept {
    return count.load(std::memory_order_relaxed);
}
}  // namespace zonebridge::test
