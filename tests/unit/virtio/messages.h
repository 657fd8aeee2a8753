// Messages as a session hands them to its parts, without a connection.
#pragma once

#include <fcntl.h>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "tests/driver/connection.h"
#include "tests/driver/shared_memory.h"
#include "virtio/vhost_user/channel.h"

namespace zonebridge::virtio {

/// `fds` are borrowed: the message gets descriptors of its own.
inline Message message_of(driver::Bytes payload, const std::vector<int>& fds = {}) {
    Message message;
    message.payload.assign(payload.begin(), payload.end());
    for (const int fd : fds) message.fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return message;
}

inline Message number(std::uint64_t value) {
    return message_of(driver::pack(value));
}

/// SET_VRING_NUM, BASE and ENABLE, and GET_VRING_BASE.
inline Message ring_number(std::uint32_t index, std::uint32_t value = 0) {
    return message_of(driver::pack(index, value));
}

/// SET_MEM_TABLE.
inline Message table_message(const driver::SharedMemory& memory) {
    auto payload = driver::pack(static_cast<std::uint32_t>(memory.regions().size()), 0u);
    std::vector<int> fds;
    for (const auto& region : memory.regions()) {
        const auto bytes = driver::pack(region.guest_address, region.size,
                                        memory.user_address(region.host), region.mmap_offset);
        payload.insert(payload.end(), bytes.begin(), bytes.end());
        fds.push_back(region.fd);
    }
    return message_of(std::move(payload), fds);
}

}  // namespace zonebridge::virtio
