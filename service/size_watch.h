// Looks every two seconds whether a served disk has grown or shrunk, and tells the guest. A file, a
// loop device or a logical volume grows without an event that every kind of them has, so the sizes are
// read again.
//
// Threads: has one of its own, from start() to its end.
// Ownership: borrows the disks.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "service/lun_table.h"
#include "zone/status.h"

namespace zonebridge::service {

class SizeWatch {
    struct Private {};

  public:
    /// `resized`: GuestDevice::resized. Fails if the system has no more threads or descriptors.
    [[nodiscard]] static tl::expected<std::unique_ptr<SizeWatch>, Error> start(
        LunTable& luns, std::function<void(std::uint16_t lun)> resized);
    SizeWatch(Private, LunTable& luns, std::function<void(std::uint16_t lun)> resized);  // start()
    SizeWatch(const SizeWatch&) = delete;
    SizeWatch& operator=(const SizeWatch&) = delete;
    ~SizeWatch();

  private:
    void watch() const;

    LunTable& luns_;
    const std::function<void(std::uint16_t lun)> resized_;
    UniqueFd over_;
    std::thread thread_;
};

}  // namespace zonebridge::service
