// Helpers to drive a Backend without a session: memory tables and queue setups made from the test
// driver's memory and queues. File descriptors are duplicated.
#pragma once

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/driver/front_end.h"
#include "tests/driver/shared_memory.h"
#include "virtio/backend.h"
#include "zone/status.h"

namespace zonebridge::service {

/// The value, or an exception that fails the test with the error's text.
template <typename T, typename E>
T must(tl::expected<T, E> result) {
    if constexpr (std::is_same_v<E, Error>) {
        if (!result) throw std::runtime_error(result.error().message);
    } else {
        if (!result) throw std::runtime_error(result.error());
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A deadline that ends a test that hangs.
inline virtio::Deadline later() {
    return std::chrono::steady_clock::now() + driver::patience;
}

inline SharedFd shared_copy(int fd) {
    return std::make_shared<const UniqueFd>(::dup(fd));
}

inline virtio::GuestMemory::Table table(std::initializer_list<const driver::SharedMemory*> parts) {
    std::vector<virtio::MemoryRegionSource> sources;
    for (const auto* part : parts)
        for (const auto& region : part->regions())
            sources.push_back({{region.guest_address, region.size, part->user_address(region.host),
                                region.mmap_offset},
                               region.fd});
    return must(virtio::GuestMemory::build(sources, *virtio::GuestMemory::none()));
}

inline virtio::QueueSetup setup(const driver::Queue& queue, std::uint64_t features) {
    virtio::QueueSetup made;
    made.ring.size = queue.ring.size();
    made.ring.addresses = {queue.ring.descriptors_address(), queue.ring.available_address(),
                           queue.ring.used_address()};
    made.ring.features = features;
    made.ring.index = queue.index;
    made.kick = shared_copy(queue.kick_fd);
    made.call = virtio::Notifier(shared_copy(queue.call_fd));
    made.error = shared_copy(queue.error_fd);
    made.enabled = true;
    return made;
}

}  // namespace zonebridge::service
