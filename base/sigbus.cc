#include "base/sigbus.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge {
namespace {

constexpr std::size_t max_ranges = 4096;

// A slot is claimed first, filled next, and `begin` is stored last; the handler trusts a slot only
// if `begin` is the same before and after it read the rest.
struct Slot {
    std::atomic<bool> claimed;
    std::atomic<bool> broken;
    std::atomic<std::uintptr_t> begin;
    std::atomic<std::uintptr_t> end;
    std::atomic<std::size_t> page_size;
};

// The global state (see the header). All of it is zero-initialised before any code runs.
std::array<Slot, max_ranges> slots;
std::atomic<std::size_t> slots_ever_used;
std::atomic<std::uint64_t> faults;
struct sigaction previous_action;

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

bool replace_page(std::uintptr_t address) noexcept {
    const std::size_t count = slots_ever_used.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        Slot& slot = slots[i];
        const auto begin = slot.begin.load(std::memory_order_acquire);
        const auto end = slot.end.load(std::memory_order_acquire);
        const auto page_size = slot.page_size.load(std::memory_order_acquire);
        if (begin == 0 || address < begin || address >= end ||
            slot.begin.load(std::memory_order_acquire) != begin)
            continue;
        const std::uintptr_t page = address & ~(std::uintptr_t{page_size} - 1);
        // The bare system call: sanitizers wrap mmap in code that is unsafe in a signal handler.
        const long mapped =
            ::syscall(SYS_mmap, page, page_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (static_cast<std::uintptr_t>(mapped) != page) return false;
        slot.broken.store(true, std::memory_order_release);
        faults.fetch_add(1, std::memory_order_acq_rel);
        return true;
    }
    return false;
}

void on_sigbus(int, siginfo_t* info, void*) {
    const int saved = errno;
    const bool from_access = info->si_code > 0;
    if (!from_access || !replace_page(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
        // Not a guarded range. With the previous action restored, the access faults again and is
        // handled there.
        ::sigaction(SIGBUS, &previous_action, nullptr);
        if (!from_access) ::raise(SIGBUS);
    }
    errno = saved;
}

tl::expected<void, std::string> install() {
    static std::once_flag once;
    static int error = 0;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        sigemptyset(&action.sa_mask);
        if (::sigaction(SIGBUS, &action, &previous_action) != 0) error = errno;
    });
    if (error != 0)
        return tl::unexpected(fmt::format("cannot handle SIGBUS: {}", std::strerror(error)));
    return {};
}

}  // namespace

std::uint64_t sigbus_faults() noexcept {
    return faults.load(std::memory_order_relaxed);
}

tl::expected<SigbusRange, std::string> SigbusRange::guard(void* begin, std::size_t length,
                                                          std::size_t page_size) {
    if (auto installed = install(); !installed) return tl::unexpected(installed.error());
    for (std::size_t i = 0; i < max_ranges; ++i) {
        Slot& slot = slots[i];
        if (slot.claimed.exchange(true, std::memory_order_acq_rel)) continue;
        const auto address = reinterpret_cast<std::uintptr_t>(begin);
        slot.broken.store(false, std::memory_order_relaxed);
        slot.end.store(address + length, std::memory_order_relaxed);
        slot.page_size.store(page_size, std::memory_order_relaxed);
        slot.begin.store(address, std::memory_order_release);
        auto used = slots_ever_used.load(std::memory_order_relaxed);
        while (used <= i &&
               !slots_ever_used.compare_exchange_weak(used, i + 1, std::memory_order_acq_rel)) {
        }
        return SigbusRange(i);
    }
    return tl::unexpected(fmt::format(
        "more than {} pieces of shared memory are mapped at once; use fewer, larger memory regions",
        max_ranges));
}

SigbusRange::SigbusRange(SigbusRange&& other) noexcept
    : slot_(std::exchange(other.slot_, std::nullopt)) {}

SigbusRange::~SigbusRange() {
    if (!slot_) return;
    slots[*slot_].begin.store(0, std::memory_order_release);
    slots[*slot_].claimed.store(false, std::memory_order_release);
}

bool SigbusRange::broken() const noexcept {
    return slot_ && slots[*slot_].broken.load(std::memory_order_acquire);
}

}  // namespace zonebridge
