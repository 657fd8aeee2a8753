#include "transports/nvme/uring_command.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <linux/nvme_ioctl.h>
#include <vector>

#include <fmt/format.h>

#include "transports/ring.h"

namespace zonebridge::nvme {
namespace {

struct Tried final : Ring::Completer {
    void complete(const Result& result) noexcept override {
        value = result.value;
        done = true;
    }
    std::int32_t value = 0;
    bool done = false;
};

/// The result of a read of the first block; the device's status does not matter.
tl::expected<std::int32_t, Error> try_ring(const Control& control, std::uint32_t block_size) {
    auto ring = Ring::create(8);
    if (!ring) return tl::make_unexpected(std::move(ring.error()));
    // A whole, aligned block: not every device takes others (Shared::whole_blocks).
    std::vector<std::uint8_t> room(2 * std::size_t{block_size});
    auto* const block =
        room.data() + (block_size - reinterpret_cast<std::uintptr_t>(room.data()) % block_size);
    Tried tried;
    auto* entry = (*ring)->prepare(tried);
    if (entry == nullptr)
        return tl::make_unexpected(os_failure(EBUSY, "io_uring takes no command"));
    prepare(*entry, control.fd(), zns::read(control.nsid(), 0, 1), {block, block_size, false}, 0);
    while (!tried.done)
        if (auto turned = (*ring)->turn(Loop::Wait::sleep); !turned)
            return tl::make_unexpected(std::move(turned.error()));
    return tried.value;
}

}  // namespace

tl::expected<bool, Error> choose_path(const Control& control, const std::string& path,
                                      std::uint32_t block_size, DataPath wanted) {
    if (wanted == DataPath::ioctl) return false;
    const auto value = try_ring(control, block_size);
    if (value && *value >= 0) return true;
    if (wanted == DataPath::any) return false;
    if (!value)
        return tl::make_unexpected(Error{value.error().code,
                                         fmt::format("{}: {}", path, value.error().message),
                                         value.error().cause});
    return tl::make_unexpected(
        Error{status_of_errno(-*value),
              fmt::format("{}: the kernel takes no NVMe commands through io_uring: {}; give no "
                          "data path, or the data path ioctl",
                          path, words_of(*value)),
              NativeCause::os_error(-*value)});
}

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
