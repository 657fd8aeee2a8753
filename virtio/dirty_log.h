// The bitmap in which a back end marks the guest pages it wrote, for live migration (vhost-user,
// "Migration": one bit for each 4096 bytes from guest physical address 0).
//
// Threads: any; marks are atomic, since the front end clears them at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <sys/uio.h>

#include <tl/expected.hpp>

#include "virtio/mapping.h"
#include "virtio/memory.h"

namespace zonebridge::virtio {

class DirtyLog {
  public:
    static constexpr std::uint64_t page_size = 4096;

    /// The log in `size` bytes at `offset` of `fd` (SET_LOG_BASE).
    [[nodiscard]] static tl::expected<std::shared_ptr<const DirtyLog>, std::string> map(
        int fd, std::uint64_t offset, std::uint64_t size);

    explicit DirtyLog(std::shared_ptr<const Mapping> mapping) noexcept;

    /// Every page below guest physical `end` has its bit.
    [[nodiscard]] bool covers(std::uint64_t end) const noexcept;

    /// Marks the pages of [address, address + length); pages beyond the log are left out.
    void mark(std::uint64_t address, std::uint64_t length) const noexcept;
    /// Marks all of `buffers`, which were translated by `memory`.
    void mark(std::span<const iovec> buffers, const GuestMemory& memory) const noexcept;

    [[nodiscard]] bool broken() const noexcept { return mapping_->broken(); }

  private:
    std::shared_ptr<const Mapping> mapping_;
};

}  // namespace zonebridge::virtio
