#include "transports/scsi/control_port.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <scsi/sg_pt.h>

namespace zonebridge::scsi {
namespace {

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

}  // namespace zonebridge::scsi
