// A number that threads read while another one changes it.
//
// Threads: any. A reader sees the old number or the new one, and orders no other memory by it.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Costs a reader no more than a plain number. A copy has the number of that moment.
class SharedNumber {
  public:
    SharedNumber(std::uint64_t number = 0) noexcept : number_(number) {}
    SharedNumber(const SharedNumber& other) noexcept : number_(std::uint64_t{other}) {}
    SharedNumber& operator=(const SharedNumber& other) noexcept {
        return *this = std::uint64_t{other};
    }
    SharedNumber& operator=(std::uint64_t number) noexcept {
        number_.store(number, std::memory_order_relaxed);
        return *this;
    }
    operator std::uint64_t() const noexcept { return number_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> number_;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
