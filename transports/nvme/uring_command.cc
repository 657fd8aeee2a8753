#include "transports/nvme/uring_command.h"

#include <cstddef>
#include <cstring>
#include <linux/nvme_ioctl.h>

namespace zonebridge::nvme {

void prepare(io_uring_sqe& entry, int fd, const zns::Command& command, const Data& data,
             std::uint32_t timeout) noexcept {
    constexpr std::size_t entry_size = 128;  // IORING_SETUP_SQE128
    constexpr std::size_t place = offsetof(io_uring_sqe, cmd);
    static_assert(place + sizeof(nvme_uring_cmd) <= entry_size);

    auto* const bytes = reinterpret_cast<std::uint8_t*>(&entry);
    const auto user_data = entry.user_data;
    std::memset(bytes, 0, entry_size);
    entry.user_data = user_data;
    entry.opcode = IORING_OP_URING_CMD;
    entry.fd = fd;
    entry.cmd_op = data.vectored ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO;

    nvme_uring_cmd words{};
    words.opcode = command.opcode;
    words.nsid = command.nsid;
    words.addr = reinterpret_cast<std::uintptr_t>(data.address);
    words.data_len = data.length;
    words.cdw10 = command.cdw10;
    words.cdw11 = command.cdw11;
    words.cdw12 = command.cdw12;
    words.cdw13 = command.cdw13;
    words.timeout_ms = timeout;
    std::memcpy(bytes + place, &words, sizeof words);
}

}  // namespace zonebridge::nvme
