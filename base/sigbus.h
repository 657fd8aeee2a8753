// Survives a mapped file that loses pages: a peer truncates the memory that it shared, or a host file
// system has no space for a page or can't read it. Touching such a page raises SIGBUS; inside a
// registered range the handler maps anonymous memory there, marks the range as broken and lets the
// thread go on. The code that uses the memory finds the mark.
//
// A signal handler can reach only global state, so this is the one place that has some: a fixed
// table of ranges and a counter, in sigbus.cc, accessed only through atomics.
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

namespace zonebridge {

/// How many pages have been replaced since the process began. One relaxed load: the data path
/// compares the value with an earlier one, and checks ranges only if it has changed.
[[nodiscard]] std::uint64_t sigbus_faults() noexcept;

class SigbusRange {
  public:
    /// Guards [begin, begin + length); `page_size` is the unit that one fault replaces (a power of
    /// two, the huge page size on hugetlbfs). Installs the handler the first time. Fails if the
    /// table (4096 ranges) is full.
    [[nodiscard]] static tl::expected<SigbusRange, std::string> guard(void* begin,
                                                                      std::size_t length,
                                                                      std::size_t page_size);

    SigbusRange(SigbusRange&& other) noexcept;
    SigbusRange& operator=(SigbusRange&&) = delete;
    ~SigbusRange();

    /// A missing page of this range was touched, and reads as zeroes now.
    [[nodiscard]] bool broken() const noexcept;

  private:
    explicit SigbusRange(std::size_t slot) noexcept : slot_(slot) {}

    std::optional<std::size_t> slot_;
};

}  // namespace zonebridge
