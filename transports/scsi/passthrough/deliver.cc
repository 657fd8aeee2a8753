#include "transports/scsi/passthrough/deliver.h"

#include <algorithm>
#include <cerrno>

#include "transports/scsi/answer.h"
#include "transports/scsi/status_bytes.h"

namespace zonebridge::scsi {
namespace {

using zbc::Delivery;

Delivery of_errno(int error) noexcept {
    switch (error) {
        case ENODEV:
        case ENXIO:
        case ESHUTDOWN:
            return Delivery::gone;
        case EBUSY:
        case EAGAIN:
        case ENOMEM:
            return Delivery::busy;  // the kernel did not take the command
        default:
            return Delivery::failure;
    }
}

Delivery of_host(std::uint16_t host) noexcept {
    switch (host) {
        case host_byte::no_connect:
        case host_byte::bad_target:
            return Delivery::gone;
        case host_byte::bus_busy:
        case host_byte::soft_error:
        case host_byte::imm_retry:
        case host_byte::requeue:
            return Delivery::busy;
        case host_byte::reset:
            return Delivery::reset;
        case host_byte::transport_disrupted:
        case host_byte::transport_failfast:
        case host_byte::transport_marginal:
            return Delivery::transport_failure;
        case host_byte::target_failure:
            return Delivery::target_failure;
        default:
            return Delivery::failure;
    }
}

/// Whether the disk itself ended the command.
bool disk_answered(const Answer& answer) noexcept {
    if (answer.status == sam::check_condition)
        return answer.sense_length != 0 || (answer.host == 0 && answer.driver == 0);
    if (answer.status == sam::good || answer.status == sam::condition_met)
        return answer.host == 0 && (answer.driver & driver_byte::mask) == 0;
    return true;
}

}  // namespace

zbc::Delivery delivery_of(const Answer& answer) noexcept {
    if (answer.os_error != 0) return of_errno(answer.os_error);
    if (disk_answered(answer)) return Delivery::done;
    if (answer.host != 0) return of_host(answer.host);
    return (answer.driver & driver_byte::mask) == driver_byte::busy ? Delivery::busy
                                                                    : Delivery::failure;
}

void deliver(const Answer& answer, Direction direction, std::uint32_t length,
             zbc::TaskResult& result) noexcept {
    result.delivery = delivery_of(answer);
    result.data_in_length = result.data_out_length = 0;
    result.sense_length = 0;
    if (result.delivery != Delivery::done) return;
    result.status = static_cast<zbc::ScsiStatus>(answer.status);
    const auto sense = answer.sense_bytes();
    static_assert(sizeof answer.sense <= zbc::TaskResult::max_sense);
    std::copy(sense.begin(), sense.end(), result.sense.begin());
    result.sense_length = static_cast<std::uint8_t>(sense.size());
    const auto moved = length - std::min(answer.residual, length);
    if (direction == Direction::in) result.data_in_length = moved;
    if (direction == Direction::out) result.data_out_length = moved;
}

bool was_reset(const Answer& answer) noexcept {
    if (answer.os_error != 0) return false;
    if (answer.status != sam::good) return false;
    return answer.host == host_byte::time_out || answer.host == host_byte::reset ||
           answer.host == host_byte::aborted ||
           (answer.host == 0 && (answer.driver & driver_byte::mask) == driver_byte::time_out);
}

std::optional<zbc::Attention> taken_attention(const Answer& answer) noexcept {
    const auto sense = sense_of(answer);
    if (!sense || sense->key != zbc::SenseKey::unit_attention) return std::nullopt;
    for (const auto attention : {zbc::Attention::capacity_changed, zbc::Attention::mode_changed,
                                 zbc::Attention::luns_changed, zbc::Attention::inquiry_changed}) {
        const auto known = zbc::unit_attention(attention);
        if (known.asc == sense->asc && known.ascq == sense->ascq) return attention;
    }
    return zbc::Attention::power_on;  // the most general: the initiator then checks everything
                                      // again
}

}  // namespace zonebridge::scsi
