#include "transports/nvme/control.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libnvme.h>

namespace zonebridge::nvme {
namespace {

// Linux 5.18; libnvme 1.3 does not define it.
constexpr unsigned long vectored_io_command = _IOWR('N', 0x49, nvme_passthru_cmd64);

/// libnvme and the ioctls return a status, or -1 and errno.
std::int32_t value_of(int returned) noexcept {
    return returned < 0 ? -errno : returned;
}

}  // namespace

tl::expected<std::unique_ptr<Control>, Error> Control::open(const std::string& path,
                                                            bool writable) {
    const auto fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) {
        auto failure = os_failure(errno, path);
        if (errno == EACCES || errno == EPERM)
            failure.message +=
                "; this needs root, or a user with the right to read it and, for changes, to write "
                "it";
        return tl::unexpected(std::move(failure));
    }
    std::uint32_t nsid = 0;
    if (nvme_get_nsid(fd, &nsid) != 0) {
        const auto errno_value = errno;
        auto failure = os_failure(errno_value, path + ": can't ask for its namespace id");
        if (errno_value == no_path)
            failure = {StatusCode::device_gone, path + ": " + std::string(no_path_words),
                       failure.cause};
        ::close(fd);
        return tl::unexpected(std::move(failure));
    }
    return std::make_unique<Control>(Private{}, fd, nsid);
}

Control::~Control() {
    ::close(fd_);
}

Answer Control::identify(std::uint8_t cns, std::uint8_t csi, std::span<std::uint8_t> data) {
    if (data.size() < NVME_IDENTIFY_DATA_SIZE) return {-EINVAL, 0};
    nvme_identify_args args{};
    args.args_size = sizeof args;
    args.fd = fd_;
    args.data = data.data();
    args.cns = static_cast<nvme_identify_cns>(cns);
    args.csi = static_cast<nvme_csi>(csi);
    args.nsid = nsid_;
    args.uuidx = NVME_UUID_NONE;
    // For Identify of a controller the field is reserved.
    if (cns == NVME_IDENTIFY_CNS_CTRL || cns == NVME_IDENTIFY_CNS_CSI_CTRL) args.nsid = 0;
    return {value_of(nvme_identify(&args)), 0};
}

Answer Control::send(const zns::Command& command, std::span<std::uint8_t> data) {
    return send(command, {data.data(), static_cast<std::uint32_t>(data.size()), false}, 0);
}

Answer Control::send(const zns::Command& command, const Data& data,
                     std::uint32_t timeout) const noexcept {
    nvme_passthru_cmd64 words{};
    words.opcode = command.opcode;
    words.nsid = command.nsid;
    words.addr = reinterpret_cast<std::uintptr_t>(data.address);
    words.data_len = data.length;  // shares a union with the number of vectors
    words.cdw10 = command.cdw10;
    words.cdw11 = command.cdw11;
    words.cdw12 = command.cdw12;
    words.cdw13 = command.cdw13;
    words.timeout_ms = timeout;
    Answer answer;
    if (data.vectored) {
        answer.value = value_of(::ioctl(fd_, vectored_io_command, &words));
        answer.result = words.result;
    } else {
        __u64 result = 0;
        answer.value = value_of(nvme_submit_io_passthru64(fd_, &words, &result));
        answer.result = result;
    }
    return answer;
}

}  // namespace zonebridge::nvme
