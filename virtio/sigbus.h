// Survives a peer that truncates the memory it shared. Touching a page that is gone raises SIGBUS;
// inside a registered range the handler puts anonymous memory there, notes the range as broken and
// lets the thread go on. Whoever serves that memory finds the note and ends the session.
//
// A signal handler can reach nothing but global state, so this is the one place that has some: a
// fixed table of ranges and a counter, in sigbus.cc, touched only through atomics.
//
// Threads: any. The handler runs on whichever thread touched the page.
// Ownership: a SigbusRange registers an address range that its owner has mapped, and must end
// before that range is unmapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

namespace zonebridge::virtio {

/// How many pages have been replaced since the process began. One relaxed load: the data path
/// compares it with what it saw before, and looks at ranges only when it has moved.
[[nodiscard]] std::uint64_t sigbus_faults() noexcept;

class SigbusRange {
  public:
    /// Guards [begin, begin + length); `page_size` is what one fault replaces (a power of two, the
    /// huge page size on hugetlbfs). Installs the handler the first time. Fails if the table (4096
    /// ranges) is full.
    [[nodiscard]] static tl::expected<SigbusRange, std::string> guard(void* begin,
                                                                      std::size_t length,
                                                                      std::size_t page_size);

    SigbusRange(SigbusRange&& other) noexcept;
    SigbusRange& operator=(SigbusRange&&) = delete;
    ~SigbusRange();

    /// A page of this range was gone when it was touched, and reads as zeroes now.
    [[nodiscard]] bool broken() const noexcept;

  private:
    explicit SigbusRange(std::size_t slot) noexcept : slot_(slot) {}

    std::optional<std::size_t> slot_;
};

}  // namespace zonebridge::virtio
