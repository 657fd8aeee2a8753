#include "transports/scsi/kernel_ports.h"

#include <algorithm>
#include <cerrno>
#include <linux/bsg.h>
#include <optional>
#include <span>
#include <sys/ioctl.h>
#include <thread>

#include <scsi/sg.h>
#include <scsi/sg_pt.h>

#include "base/iovec.h"

namespace zonebridge::scsi {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t most_buffers = 1024;  // UIO_MAXIOV
constexpr std::uint16_t driver_sense = 0x08;

std::size_t pages_of(const iovec& buffer) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.iov_base);
    return (address % page + buffer.iov_len + page - 1) / page;
}

Answer send_v3(int fd, const Command& command) noexcept {
    Answer answer;
    sg_io_hdr header{};
    header.interface_id = 'S';
    header.dxfer_direction = SG_DXFER_NONE;
    if (command.direction == Direction::in) header.dxfer_direction = SG_DXFER_FROM_DEV;
    if (command.direction == Direction::out) header.dxfer_direction = SG_DXFER_TO_DEV;
    header.cmdp = const_cast<std::uint8_t*>(command.cdb.data());
    header.cmd_len = static_cast<unsigned char>(command.cdb.size());
    header.sbp = answer.sense.data();
    header.mx_sb_len = static_cast<unsigned char>(answer.sense.size());
    header.dxfer_len = command.length;
    if (command.data.size() == 1) {
        header.dxferp = command.data.front().iov_base;
    } else {
        header.dxferp = const_cast<iovec*>(command.data.data());
        header.iovec_count = static_cast<unsigned short>(command.data.size());
    }
    header.timeout = command.timeout_ms;
    if (::ioctl(fd, SG_IO, &header) != 0) {
        answer.os_error = errno;
        return answer;
    }
    answer.status = header.status;
    answer.host = header.host_status;
    answer.driver = static_cast<std::uint16_t>(header.driver_status & ~driver_sense);
    answer.residual = static_cast<std::uint32_t>(std::max(header.resid, 0));
    answer.sense_length = header.sb_len_wr;
    return answer;
}

Answer send_v4(int fd, const Command& command) noexcept {
    Answer answer;
    sg_io_v4 header{};
    header.guard = 'Q';
    header.protocol = BSG_PROTOCOL_SCSI;
    header.subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD;
    header.request = reinterpret_cast<std::uintptr_t>(command.cdb.data());
    header.request_len = static_cast<std::uint32_t>(command.cdb.size());
    header.response = reinterpret_cast<std::uintptr_t>(answer.sense.data());
    header.max_response_len = static_cast<std::uint32_t>(answer.sense.size());
    if (!command.data.empty()) {
        const auto address = reinterpret_cast<std::uintptr_t>(command.data.front().iov_base);
        if (command.direction == Direction::in) {
            header.din_xferp = address;
            header.din_xfer_len = command.length;
        } else if (command.direction == Direction::out) {
            header.dout_xferp = address;
            header.dout_xfer_len = command.length;
        }
    }
    header.timeout = command.timeout_ms;
    if (::ioctl(fd, SG_IO, &header) != 0) {
        answer.os_error = errno;
        return answer;
    }
    answer.status = static_cast<std::uint8_t>(header.device_status);
    answer.host = static_cast<std::uint16_t>(header.transport_status);
    answer.driver = static_cast<std::uint16_t>(header.driver_status & ~driver_sense);
    answer.residual = static_cast<std::uint32_t>(
        std::max(command.direction == Direction::in ? header.din_resid : header.dout_resid, 0));
    answer.sense_length = header.response_len;
    return answer;
}

struct Destroy {
    void operator()(sg_pt_base* object) const noexcept { destruct_scsi_pt_obj(object); }
};

}  // namespace

Answer ControlPort::run(const Command& command) noexcept {
    Answer answer;
    const std::unique_ptr<sg_pt_base, Destroy> object(construct_scsi_pt_obj());
    if (!object) {
        answer.os_error = ENOMEM;
        return answer;
    }
    if (command.data.size() > 1) {
        answer.os_error = EOPNOTSUPP;
        return answer;
    }
    set_scsi_pt_cdb(object.get(), command.cdb.data(), static_cast<int>(command.cdb.size()));
    set_scsi_pt_sense(object.get(), answer.sense.data(), static_cast<int>(answer.sense.size()));
    auto* const data =
        command.data.empty() ? nullptr : static_cast<std::uint8_t*>(command.data.front().iov_base);
    const auto length = static_cast<int>(command.length);
    switch (command.direction) {
        case Direction::none:
            break;
        case Direction::in:
            set_scsi_pt_data_in(object.get(), data, length);
            break;
        case Direction::out:
            set_scsi_pt_data_out(object.get(), data, length);
            break;
    }
    const auto seconds = static_cast<int>((command.timeout_ms + 999) / 1000);
    const auto sent = do_scsi_pt(object.get(), fd_, seconds, 0);
    if (sent != 0) {
        answer.os_error = sent < 0 ? -sent : EINVAL;
        return answer;
    }
    answer.status = static_cast<std::uint8_t>(get_scsi_pt_status_response(object.get()));
    answer.host = static_cast<std::uint16_t>(get_scsi_pt_transport_err(object.get()));
    answer.residual = static_cast<std::uint32_t>(std::max(get_scsi_pt_resid(object.get()), 0));
    answer.sense_length =
        static_cast<std::size_t>(std::max(get_scsi_pt_sense_len(object.get()), 0));
    return answer;
}

tl::expected<std::unique_ptr<DataPort>, Error> DataPort::make(int fd, Kind kind,
                                                              std::size_t most_pages,
                                                              std::size_t most_bytes,
                                                              std::size_t buffers) {
    auto pool = BouncePool::make(buffers, most_bytes);
    if (!pool) return tl::unexpected(std::move(pool.error()));
    auto port = std::make_unique<DataPort>(Private{}, fd, kind, most_pages, most_bytes);
    port->bounces_ = std::move(*pool);
    return port;
}

bool DataPort::fits(const Command& command) const noexcept {
    if (kind_ == Kind::bsg) return command.data.size() <= 1;
    if (command.data.size() > most_buffers) return false;
    if (kind_ == Kind::sg) return true;  // the kernel copies the data anyway
    std::size_t pages = 0;
    for (const auto& buffer : command.data) pages += pages_of(buffer);
    return pages <= most_pages_;
}

Answer DataPort::run(const Command& command) noexcept {
    return fits(command) ? send(command) : send_copied(command);
}

Answer DataPort::send(const Command& command) noexcept {
    return kind_ == Kind::bsg ? send_v4(fd_, command) : send_v3(fd_, command);
}

Answer DataPort::send_copied(const Command& command) noexcept {
    Answer refused;
    refused.os_error = EINVAL;
    if (command.length > most_bytes_) return refused;
    std::optional<std::span<std::uint8_t>> place;
    for (;;) {
        {
            const std::lock_guard guard(lock_);
            if ((place = bounces_.take(command.length))) break;
        }
        std::this_thread::yield();  // there is a buffer for each thread of the queue
    }
    if (command.direction == Direction::out) copy_from(command.data, 0, *place);
    const iovec flat{place->data(), command.length};
    auto copied = command;
    copied.data = {&flat, 1};
    const auto answer = send(copied);
    if (command.direction == Direction::in && answer.os_error == 0)
        copy_to(command.data, 0,
                place->first(command.length - std::min(answer.residual, command.length)));
    const std::lock_guard guard(lock_);
    bounces_.give_back(*place);
    return answer;
}

}  // namespace zonebridge::scsi
