#include "service/admin_probe.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <linux/capability.h>
#include <memory>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transports/make_loop.h"

namespace zonebridge::service {
namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

/// The calling thread, and those that it starts, act without CAP_SYS_ADMIN in this scope.
class WithoutAdmin {
  public:
    WithoutAdmin() {
        if (::syscall(SYS_capget, &header_, before_.data()) != 0) return;
        auto without = before_;
        without[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
        holds_ = ::syscall(SYS_capset, &header_, without.data()) == 0;
    }
    WithoutAdmin(const WithoutAdmin&) = delete;
    WithoutAdmin& operator=(const WithoutAdmin&) = delete;
    ~WithoutAdmin() {
        if (holds_) (void)::syscall(SYS_capset, &header_, before_.data());
    }
    [[nodiscard]] bool holds() const noexcept { return holds_; }

  private:
    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    CapabilitySets before_{};
    bool holds_ = false;
};

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};

}  // namespace

bool works_without_admin(Transport& disk) {
    const WithoutAdmin without;
    if (!without.holds()) return false;
    const auto loop = make_loop();
    if (!loop) return false;
    const auto queue = disk.open_queue(**loop, {.depth = 1});
    if (!queue) return false;

    const auto block = disk.limits().logical_block_size;
    constexpr std::size_t page = 4096;
    const std::unique_ptr<void, Free> memory(
        std::aligned_alloc(page, (std::size_t{block} + page - 1) / page * page));
    const iovec buffer{memory.get(), block};
    std::array<Zone, 1> zones;
    Request request;
    if (disk.limits().layout.zone_count() != 0) {
        request.operation = Operation::report;
        request.zones = zones;
    } else {
        request.operation = Operation::read;
        request.length = block;
        request.data = {&buffer, 1};
    }
    if (!memory || (*queue)->submit({&request, 1}) != 1) return false;
    std::array<Completion, 1> done;
    while ((*queue)->reap(done) == 0)
        if (!(*loop)->turn(Loop::Wait::sleep)) return false;
    return done[0].status.ok();
}

}  // namespace zonebridge::service
